package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newCount(s *Session) *cobra.Command {
	var (
		sel selector
		at  moment
	)
	c := &cobra.Command{
		Use:         "count [PATTERN]",
		Short:       "Print how many keys there are",
		Example:     "kvsh count\nkvsh count 'user:*'\nkvsh count --prefix user:\nkvsh count --at 1",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				sel.pattern = args[0]
			}
			r, none, err := sel.resolve()
			if err != nil {
				return err
			}
			var n int64
			// Also where no key can be selected there must be such a state.
			err = s.viewAt(c.Context(), at, func(tx engine.Tx) (err error) {
				if !none {
					n, err = tx.Count(c.Context(), r)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("count: %w", err)
			}
			return s.number("count", n)
		},
	}
	sel.bind(c)
	at.bindAt(c)
	return c
}

func (s *Session) countRange(ctx context.Context, r engine.Range) (n int64, err error) {
	err = s.view(ctx, func(tx engine.Tx) error {
		n, err = tx.Count(ctx, r)
		return err
	})
	return n, err
}
