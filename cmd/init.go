package cmd

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newInit(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "init",
		Short:       "Create an empty database",
		Long:        "Creates an empty database at the path of --db. A write does so by itself.",
		Example:     "kvsh -d notes.kv init\nkvsh notes.kv init",
		Args:        operands(0, 0),
		Annotations: exits("0, 6 there is one already"),
		RunE: func(c *cobra.Command, _ []string) error {
			if s.set.ReadOnly {
				return fmt.Errorf("init: %w", engine.ErrReadOnly)
			}
			if isMemory(s.path()) {
				return fmt.Errorf("init: %w", errInMemory)
			}
			if s.set.DryRun {
				if _, err := os.Stat(s.path()); err == nil {
					return fmt.Errorf("init: %s: %w", s.path(), engine.ErrExists)
				}
				s.remark("dry run: would create " + s.path())
				return nil
			}
			err := s.makeParents()
			if err == nil {
				err = engine.Create(c.Context(), s.path(), engine.Options{Notice: s.remark})
			}
			if err != nil {
				return fmt.Errorf("init: %w", err)
			}
			return nil
		},
	}
}
