package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newLogFollow(s *Session) *cobra.Command {
	var (
		from  uint64
		limit int
	)
	c := &cobra.Command{
		Use:   "follow",
		Short: "Show transactions as they are committed",
		Long: `Prints each transaction, by any process, in the forms of log show, until Ctrl-C.
With --from it begins with revision R and leaves none out; give it the revision
behind the last one seen to go on.`,
		Example:     "kvsh log follow --from 1 --limit 1\nkvsh log follow --json --from 1 --limit 1",
		Args:        operands(0, 0),
		Annotations: exits("0 --limit reached, 1 the history of R is gone, 4 damaged, 130 Ctrl-C, 141 closed pipe"),
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case c.Flags().Changed("from") && from == 0:
				return usageOf(c, "--from: revisions begin at 1")
			case limit < 0:
				return usageOf(c, "--limit %d: below zero", limit)
			}
			if err := s.followLog(c.Context(), engine.Rev(from), limit); err != nil {
				return fmt.Errorf("log follow: %w", err)
			}
			return nil
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "begin with revision `R`")
	c.Flags().IntVar(&limit, "limit", 0, "end after `N` transactions")
	return c
}

// A follower is a store whose log can be followed.
type follower interface {
	Follow(ctx context.Context, from engine.Rev, f func(engine.RecordInfo) error) error
}

// followLog writes transactions as they are committed; limit 0 has no end.
func (s *Session) followLog(ctx context.Context, from engine.Rev, limit int) error {
	db, err := maintain[follower](ctx, s)
	if err != nil {
		return err
	}
	w, err := s.logWriter(false)
	if err != nil {
		return err
	}
	past, seen := s.past(ctx), 0
	err = db.Follow(ctx, from, func(r engine.RecordInfo) error {
		if err := writeRecord(ctx, w, past, &r); err != nil {
			return err
		}
		if err := w.flush(); err != nil {
			return err
		}
		if seen++; seen == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, w.end())
}
