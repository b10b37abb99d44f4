package cmd

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newClear(s *Session) *cobra.Command {
	var sel selector
	c := &cobra.Command{
		Use:   "clear [PATTERN]",
		Short: "Delete all keys, or a selection, as one transaction",
		Long: `Deletes all keys of the column family, or those selected, however many they are,
as one transaction, and prints how many there were. It asks, or needs -y. A key
that comes up while it works is not deleted. Earlier revisions keep the values
as long as history is kept.`,
		Example:     "kvsh clear -y 'session:*'\nkvsh --dry-run clear --prefix user:",
		Args:        operands(0, 1),
		Annotations: exits("0, 6 not confirmed"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				sel.pattern = args[0]
			}
			if err := s.clear(c.Context(), sel); err != nil {
				return fmt.Errorf("clear: %w", err)
			}
			return nil
		},
	}
	sel.bind(c)
	s.set.bindRev(c)
	return c
}

// clear deletes a selection after asking, and prints how many keys it had.
func (s *Session) clear(ctx context.Context, sel selector) error {
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	if s.set.ReadOnly {
		return engine.ErrReadOnly
	}
	r.KeysOnly = true
	var n int64
	if !none {
		if n, err = s.countRange(ctx, r); err != nil {
			return err
		}
	}
	if n == 0 {
		return s.number("deleted", 0)
	}
	if err := s.confirm(s.deletion(n, &sel)); err != nil {
		return err
	}
	var w written
	if s.tx != nil || s.set.DryRun {
		n, w, err = s.deleteRange(ctx, r)
	} else {
		n, w, err = s.loadDeletes(ctx, r)
	}
	if err != nil {
		return err
	}
	if err := s.number("deleted", n); err != nil {
		return err
	}
	return s.acknowledge(w)
}

// loadDeletes deletes the keys of a range in bounded memory, as a bulk load,
// and returns how many there were. The keys are those of one state; Load counts
// against the state on which it commits.
func (s *Session) loadDeletes(ctx context.Context, r engine.Range) (n int64, w written, err error) {
	store, err := s.open(ctx, toRead) // nothing is deleted where nothing is
	if err != nil {
		return 0, w, err
	}
	var result engine.LoadResult
	err = store.View(ctx, engine.Newest, func(tx engine.Tx) (err error) {
		result, err = store.Load(ctx, deletions(ctx, s.family(tx), s.set.Family, r), engine.Replace)
		return err
	})
	return result.Deleted, written{rev: result.Rev}, err
}

// deletions are the items that delete the keys of a range.
func deletions(ctx context.Context, tx engine.Tx, family string, r engine.Range) iter.Seq2[engine.Item, error] {
	r.Lend = true
	return func(yield func(engine.Item, error) bool) {
		var key []byte
		for e, err := range tx.Scan(ctx, r) {
			key = append(key[:0], e.Key...)
			item := engine.Item{Family: family, Key: key, Delete: true}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}
