package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newExists(s *Session) *cobra.Command {
	var at moment
	c := &cobra.Command{
		Use:         "exists KEY…",
		Short:       "Answer by the exit code whether keys are there",
		Example:     "kvsh exists user:1\nkvsh exists --at 1 user:1",
		Args:        operands(1, -1),
		Annotations: brief(exits("0 all are there, 1 one is missing")),
		RunE:        func(c *cobra.Command, args []string) error { return s.exists(c.Context(), args, at) },
	}
	at.bindAt(c)
	return c
}

// exists answers whether all keys are there. It is silent but in the
// interactive shell, where nobody sees an exit code.
func (s *Session) exists(ctx context.Context, keys []string, at moment) error {
	answer := "yes"
	err := s.viewAt(ctx, at, func(tx engine.Tx) error {
		for _, key := range keys {
			_, err := tx.Get(ctx, key)
			if errors.Is(err, engine.ErrNotFound) {
				answer = "no"
				return nil
			}
			if err != nil {
				return fmt.Errorf("exists %s: %w", quoted(key), err)
			}
		}
		return nil
	})
	if err != nil {
		return named("exists", keys[0], err)
	}
	if s.door == doorShell {
		s.remark(answer)
	}
	if answer == "no" {
		return errNo
	}
	return nil
}
