package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newCf(s *Session) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "cf",
		Short: "Column families: separate spaces of keys",
		Long: `A column family is a space of keys of its own; --cf NAME chooses it for any
command on data. It exists as long as it holds a key.`,
	}, newCfLs(s), newCfRm(s))
}

func newCfLs(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "ls",
		Short:       "List the column families",
		Example:     "kvsh cf ls\nkvsh cf ls --json",
		Args:        operands(0, 0),
		Annotations: exits("0"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.listFamilies(c.Context()); err != nil {
				return fmt.Errorf("cf ls: %w", err)
			}
			return nil
		},
	}
}

func (s *Session) listFamilies(ctx context.Context) error {
	var names []string
	err := s.view(ctx, func(tx engine.Tx) (err error) {
		names, err = tx.Families(ctx)
		return err
	})
	if err != nil {
		return err
	}
	rows, err := s.rows(format.Column{Name: "family", Kind: format.Text})
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue // the database's own
		}
		if err := rows.Row(name); err != nil {
			return err
		}
	}
	return rows.Close()
}

func newCfRm(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:         "rm NAME",
		Short:       "Delete a column family with its keys",
		Example:     "kvsh cf rm -y drafts\nkvsh --dry-run cf rm drafts",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 no such family, 6 needs -y"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.removeFamily(c.Context(), args[0]); err != nil {
				return named("cf rm", args[0], err)
			}
			return nil
		},
	}
	s.set.bindRev(c)
	return c
}

// removeFamily deletes all keys of a family after asking.
func (s *Session) removeFamily(ctx context.Context, name string) error {
	if name == "" || strings.HasPrefix(name, ".") {
		return usagef("not a family of yours")
	}
	if s.set.ReadOnly {
		return engine.ErrReadOnly
	}
	family := s.set.Family
	s.set.Family = name
	defer func() { s.set.Family = family }()
	n, err := s.countRange(ctx, engine.Range{})
	if err != nil {
		return err
	}
	if n == 0 {
		return answerNo("no such column family")
	}
	if err := s.confirm(fmt.Sprintf("delete family %s with %s", name, counted(n, "key"))); err != nil {
		return err
	}
	n, w, err := s.deleteRange(ctx, engine.Range{KeysOnly: true})
	if err != nil {
		return err
	}
	if err := s.number("deleted", n); err != nil {
		return err
	}
	return s.acknowledge(w)
}
