package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newCheck(s *Session) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:   "check [PATH]",
		Short: "Check every file of the database, change nothing",
		Long: `Reads every file and says in one verdict whether all is what was written, with
a line for each fault: file, offset, revision, reason, keys. Never writes.`,
		Example:     "kvsh check\nkvsh check --deep --json",
		Args:        operands(0, 1),
		Annotations: exits("0 sound, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			path := s.path()
			if len(args) == 1 {
				path = args[0]
			}
			r, err := checkDatabase(c.Context(), path, deep)
			if err != nil {
				return fmt.Errorf("check: %w", err)
			}
			return s.checked(path, r)
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "also compare what the files say of each other")
	return c
}

// checked writes the faults as data and the verdict as the last word.
func (s *Session) checked(path string, r checkReport) error {
	if len(r.Faults) > 0 {
		rows, err := s.rows(
			format.Column{Name: "file", Kind: format.Text}, format.Column{Name: "offset", Kind: format.Int},
			format.Column{Name: "rev", Kind: format.Int}, format.Column{Name: "reason", Kind: format.Text},
			format.Column{Name: "keys", Kind: format.Int})
		if err != nil {
			return err
		}
		for _, f := range r.Faults {
			if err := rows.Row(f.File, f.Offset, uint64(f.Rev), f.Reason, len(f.Keys)); err != nil {
				return err
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		return fmt.Errorf("check %q: %w: %s", path, engine.ErrDamaged, plural(int64(len(r.Faults)), "fault"))
	}
	s.remark(fmt.Sprintf("%s: %s, %s, %s", path, r.Verdict, plural(int64(r.Files), "file"), plural(r.Records, "record")))
	return nil
}
