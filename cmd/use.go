package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newUse(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "use [NAME]",
		Short: "Choose the column family of the lines to come",
		Long: `Chooses the column family for the lines to come, as --cf does for one command.
Without NAME it is the default one again. For the shell and for scripts.`,
		Example:     "kvsh -c 'use drafts; set a 1; use; set a 2'\nkvsh -c 'use drafts; list'",
		Args:        operands(0, 1),
		Annotations: exits("0, 2 not the name of a family, or not in the shell or a script"),
		RunE: func(c *cobra.Command, args []string) error {
			if s.door == doorProcess {
				return &usageError{reason: "use: a choice ends with its process", hint: "--cf NAME chooses the family of one command"}
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			// An empty store knows which names are possible; the database need
			// not be there.
			empty := engine.NewMem(engine.MemOptions{})
			defer empty.Close()
			err := empty.View(c.Context(), engine.Newest, func(tx engine.Tx) error {
				_, err := tx.In(name).Count(c.Context(), engine.Range{})
				return err
			})
			if err != nil {
				return fmt.Errorf("use: %w", err)
			}
			s.use = &name
			return nil
		},
	}
}
