package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newMset(s *Session) *cobra.Command {
	var ifAbsent bool
	c := &cobra.Command{
		Use:         "mset KEY VALUE…",
		Short:       "Write several keys in one transaction",
		Example:     "kvsh mset user:3 Edsger user:4 Barbara\nkvsh mset --if-absent a 1 b 2",
		Args:        operands(2, -1),
		Annotations: oneCommit(exits("0 all are written, 1 --if-absent and a key is there: none is written")),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args)%2 != 0 {
				return operandError(c, args, "key %s has no VALUE", quoted(args[len(args)-1]))
			}
			return s.mset(c.Context(), args, ifAbsent)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().BoolVar(&ifAbsent, "if-absent", false, "all, or none if one of the keys is there")
	s.set.bindRev(c)
	return c
}

// mset writes pairs of key and value.
func (s *Session) mset(ctx context.Context, pairs []string, ifAbsent bool) error {
	w, err := s.update(ctx, func(tx engine.Tx) error {
		if ifAbsent {
			if err := allAbsent(ctx, tx, pairs); err != nil {
				return err
			}
		}
		for i := 0; i < len(pairs); i += 2 {
			if err := tx.Set(ctx, pairs[i], []byte(pairs[i+1])); err != nil {
				return fmt.Errorf("%s: %w", quoted(pairs[i]), err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mset: %w", err)
	}
	return s.acknowledge(w)
}

// allAbsent is an answer "no" that names the keys of the pairs that are there.
func allAbsent(ctx context.Context, tx engine.Tx, pairs []string) error {
	var found []string
	for i := 0; i < len(pairs); i += 2 {
		_, err := tx.Get(ctx, pairs[i])
		switch {
		case err == nil:
			found = append(found, quoted(pairs[i]))
		case !errors.Is(err, engine.ErrNotFound):
			return fmt.Errorf("%s: %w", quoted(pairs[i]), err)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return answerNo("key exists: %s", strings.Join(found, ", "))
}
