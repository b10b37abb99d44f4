package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newDel(s *Session) *cobra.Command {
	var (
		strict bool
		sel    selector
	)
	c := &cobra.Command{
		Use:     "del KEY…",
		Aliases: []string{"rm"},
		Short:   "Delete keys, print how many there were",
		Long: `Deletes the keys named, or, with the flags of a selection instead of keys, all
that are selected. Deleting a selection asks, or needs -y.`,
		Example:     "kvsh del user:1\nkvsh del --strict user:1 user:2\nkvsh del -y --prefix session:",
		Args:        operands(0, -1),
		Annotations: oneCommit(exits("0 deleted, 1 none was there (--strict: one was missing)")),
		RunE: func(c *cobra.Command, args []string) error {
			switch used := sel.isUsed(c); {
			case used && len(args) > 0:
				return usageOf(c, "keys and a selection exclude each other")
			case used && strict:
				return usageOf(c, "--strict is for keys, not for a selection")
			case used:
				return s.delSelected(c.Context(), sel)
			case len(args) == 0:
				return usageOf(c, "KEY is missing")
			}
			return s.del(c.Context(), args, strict)
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "all keys are there, or nothing is deleted")
	sel.bind(c)
	s.set.bindRev(c)
	return c
}

// del deletes keys and prints how many were there.
func (s *Session) del(ctx context.Context, keys []string, strict bool) error {
	keys = unique(keys)
	var deleted int64
	w, err := s.update(ctx, func(tx engine.Tx) error {
		deleted = 0
		for _, key := range keys {
			_, err := tx.Get(ctx, key)
			if errors.Is(err, engine.ErrNotFound) && !strict {
				continue
			}
			if err == nil {
				err = tx.Delete(ctx, key)
			}
			if err != nil {
				return fmt.Errorf("del %s: %w", quoted(key), err)
			}
			deleted++
		}
		return nil
	})
	if err != nil {
		return named("del", keys[0], err)
	}
	return s.deleted(w, deleted, keys[0])
}

// unique leaves out the keys that were named before: what is deleted twice
// counts once.
func unique(keys []string) []string {
	if len(keys) < 2 {
		return keys
	}
	seen := make(map[string]bool, len(keys))
	kept := make([]string, 0, len(keys))
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			kept = append(kept, key)
		}
	}
	return kept
}

// deleted prints what came of a deletion.
func (s *Session) deleted(w written, n int64, missing string) error {
	if err := s.number("deleted", n); err != nil {
		return err
	}
	if n == 0 {
		if missing != "" {
			s.report(named("del", missing, engine.ErrNotFound))
		}
		return errNo
	}
	return s.acknowledge(w)
}

// delSelected deletes a selection after asking.
func (s *Session) delSelected(ctx context.Context, sel selector) error {
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	if s.set.ReadOnly {
		return fmt.Errorf("del: %w", engine.ErrReadOnly)
	}
	r.KeysOnly = true
	if none {
		return s.deleted(written{}, 0, "")
	}
	if !s.set.Yes && !s.set.DryRun {
		n, err := s.countRange(ctx, r)
		if err != nil {
			return fmt.Errorf("del: %w", err)
		}
		if n == 0 {
			return s.deleted(written{}, 0, "")
		}
		if err := s.confirm(s.deletion(n, &sel)); err != nil {
			return fmt.Errorf("del: %w", err)
		}
	}
	n, w, err := s.deleteRange(ctx, r)
	if err != nil {
		return fmt.Errorf("del: %w", err)
	}
	return s.deleted(w, n, "")
}

// deleteRange deletes the keys of a range and returns how many there were.
func (s *Session) deleteRange(ctx context.Context, r engine.Range) (n int64, w written, err error) {
	w, err = s.update(ctx, func(tx engine.Tx) error {
		// Deleting during a scan would change what is scanned.
		var keys []string
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			keys = append(keys, e.Key)
		}
		for _, key := range keys {
			if err := tx.Delete(ctx, key); err != nil {
				return err
			}
		}
		n = int64(len(keys))
		return nil
	})
	return n, w, err
}

// plural is a number with a noun in the form that fits it.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "ry"); ok {
		noun = stem + "rie"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
