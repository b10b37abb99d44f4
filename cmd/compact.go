package cmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newCompact(s *Session) *cobra.Command {
	var keep time.Duration
	c := &cobra.Command{
		Use:   "compact",
		Short: "Merge tables, drop history that is not kept any more",
		Long: `Folds the log into tables, merges them, and drops the versions of keys that are
older than the history to be kept. No value that is readable now is lost.`,
		Example:     "kvsh compact\nkvsh compact --keep 1d --dry-run",
		Args:        operands(0, 0),
		Annotations: exits("0, 5 busy"),
		RunE: func(c *cobra.Command, _ []string) error {
			o := engine.CompactOptions{DryRun: s.set.DryRun}
			if c.Flags().Changed("keep") {
				o.Keep = &keep
			}
			if s.set.ReadOnly {
				return fmt.Errorf("compact: %w", engine.ErrReadOnly)
			}
			db, err := maintain[compacter](c.Context(), s)
			if err != nil {
				return fmt.Errorf("compact: %w", err)
			}
			ctx, end := s.withProgress(c.Context(), "compact")
			r, err := db.Compact(ctx, o)
			end()
			if err != nil {
				return fmt.Errorf("compact: %w", err)
			}
			facts := []fact{
				{"forgotten", format.Int, r.Forgotten},
				{"history_from", format.Int, uint64(r.HistoryFrom)},
				{"tables_before", format.Int, r.TablesBefore},
				{"bytes_before", format.Size, r.BytesBefore},
			}
			if !o.DryRun { // which does not know what would come out
				facts = append(facts,
					fact{"tables_after", format.Int, r.TablesAfter},
					fact{"bytes_after", format.Size, r.BytesAfter})
			}
			return s.facts(facts)
		},
	}
	c.Flags().Var((*durationFlag)(&keep), "keep", "keep the history of so long, instead of what the setting says")
	return c
}
