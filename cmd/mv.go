package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newMv(s *Session) *cobra.Command {
	return newTransfer(s, "mv", "Rename a key", true)
}

func newCp(s *Session) *cobra.Command {
	return newTransfer(s, "cp", "Copy a key", false)
}

// newTransfer is mv and cp, which differ in what becomes of the first key.
func newTransfer(s *Session, name, short string, move bool) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:         name + " FROM TO",
		Short:       short,
		Long:        short + ", with its value and expiry, in one transaction.",
		Example:     fmt.Sprintf("kvsh %[1]s user:1 person:1\nkvsh %[1]s -f user:1 user:2", name),
		Args:        operands(2, 2),
		Annotations: oneCommit(exits("0, 1 FROM not found, 6 TO is there and no -f")),
		RunE: func(c *cobra.Command, args []string) error {
			return s.transfer(c.Context(), name, args[0], args[1], move, force)
		},
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "replace TO")
	s.set.bindRev(c)
	return c
}

// transfer writes the entry of one key to another and, to move, deletes the
// first.
func (s *Session) transfer(ctx context.Context, name, from, to string, move, force bool) error {
	w, err := s.update(ctx, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, from)
		if err != nil {
			return err
		}
		if from == to {
			return nil
		}
		switch _, err := tx.Get(ctx, to); {
		case err == nil && !force:
			return &refusedError{reason: fmt.Sprintf("target %s exists", quoted(to)), hint: "-f replaces it"}
		case err != nil && !errors.Is(err, engine.ErrNotFound):
			return err
		}
		e.Key = to
		if err := put(ctx, tx, e); err != nil {
			return err
		}
		if move {
			return tx.Delete(ctx, from)
		}
		return nil
	})
	if err != nil {
		return named(name, from, err)
	}
	return s.acknowledge(w)
}
