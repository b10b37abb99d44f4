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
			o := compactOptions{Keep: keep, DryRun: s.set.DryRun}
			if !c.Flags().Changed("keep") {
				o.Keep = -1
			}
			if s.set.ReadOnly {
				return fmt.Errorf("compact: %w", engine.ErrReadOnly)
			}
			// There must be a database: an empty one is not made to be compacted.
			db, err := s.maintain(c.Context(), toRead)
			if err != nil {
				return fmt.Errorf("compact: %w", err)
			}
			r, err := db.Compact(c.Context(), o)
			if err != nil {
				return fmt.Errorf("compact: %w", err)
			}
			return s.facts([]fact{
				{"bytes_before", format.Size, r.BytesBefore},
				{"bytes_after", format.Size, r.BytesAfter},
				{"history_from", format.Int, uint64(r.OldestRev)},
			})
		},
	}
	c.Flags().Var((*durationFlag)(&keep), "keep", "keep the history of so long, instead of what the setting says")
	return c
}
