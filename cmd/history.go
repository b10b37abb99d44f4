package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newHistory(s *Session) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "history KEY",
		Short: "List what was written to a key, the newest first",
		Long: `Lists the versions of a key as far as history is kept: revision, time, what was
done, size and value. With --json the values are whole, and each has its expiry.`,
		Example:     "kvsh history user:1\nkvsh history --limit 3 --json user:1",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 nothing is known of the key"),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usageOf(c, "--limit %d: below zero", limit)
			}
			if err := s.history(c.Context(), args[0], limit); err != nil {
				return named("history", args[0], err)
			}
			return nil
		},
	}
	c.Flags().IntVar(&limit, "limit", 0, "at most `N` versions")
	return c
}

// history writes the versions of a key; limit 0 is without one.
func (s *Session) history(ctx context.Context, key string, limit int) error {
	store, err := maintain[engine.Historian](ctx, s)
	if err != nil {
		return err
	}
	rows, err := s.rows(
		format.Column{Name: "rev", Kind: format.Int}, format.Column{Name: "time", Kind: format.Time},
		format.Column{Name: "op", Kind: format.Text}, format.Column{Name: "size", Kind: format.Size},
		format.Column{Name: "value", Kind: format.Bytes}, format.Column{Name: "expires", Kind: format.Time})
	if err != nil {
		return err
	}
	n := 0
	for v, err := range store.Versions(ctx, s.set.Family, key) {
		if err != nil {
			return err
		}
		var size, value any
		if v.Op != engine.OpDelete {
			size, value = len(v.Value), v.Value
		}
		if err := rows.Row(uint64(v.Rev), v.Stamp.Time(), v.Op.String(), size, value, v.Expires); err != nil {
			return err
		}
		if n++; n == limit {
			break
		}
	}
	first, stamp, err := store.Beginning(ctx)
	if err != nil {
		return err
	}
	if n == 0 {
		if first > 1 {
			return fmt.Errorf("%w since revision %d, where history begins", engine.ErrNotFound, first)
		}
		return engine.ErrNotFound
	}
	if err := rows.Close(); err != nil {
		return err
	}
	// What was before may have been forgotten.
	if first > 1 && n != limit && s.OutTerminal && !s.redirected {
		s.remark(fmt.Sprintf("history begins at revision %d (%s)", first, stamp.Time().Local().Format(time.DateTime)))
	}
	return nil
}
