package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

// diffOptions are the flags of diff.
type diffOptions struct {
	patch bool // a file for import
	stat  bool // numbers only
}

func newDiff(s *Session) *cobra.Command {
	var (
		sel selector
		o   diffOptions
	)
	c := &cobra.Command{
		Use:   "diff [A [B]]",
		Short: "Compare two states of the database, or two databases",
		Long: `Prints the keys that two states do not have alike: + is only in B, - only in A,
~ has another value or expiry in B. Without A and B it is what the last commit
did; without B, A is compared with now. Each is a state of this database, a
snapshot file, or another database: a name that holds a / or ends in .kv or .kvs
is a file. All column families are compared, or that of --cf.

` + momentHelp + `

--patch writes commands that turn A into B: "kvsh import" applies them.`,
		Example:     "kvsh diff\nkvsh diff 1 2 --prefix user:\nkvsh diff --patch 1",
		Args:        operands(0, 2),
		Annotations: exits("0 the same, 1 they differ, or there is no such revision, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.patch && o.stat {
				return usageOf(c, "--patch and --stat do not go together")
			}
			differ, err := s.diff(c.Context(), args, sel, o)
			switch {
			case err != nil:
				return fmt.Errorf("diff: %w", err)
			case differ:
				return errNo
			}
			return nil
		},
	}
	sel.bind(c)
	c.Flags().BoolVar(&o.patch, "patch", false, "write a file for import that turns A into B")
	c.Flags().BoolVar(&o.stat, "stat", false, "print only how many keys differ")
	return c
}

// diff writes the differences of two states, and reports whether there are any.
func (s *Session) diff(ctx context.Context, args []string, sel selector, o diffOptions) (bool, error) {
	if s.tx != nil {
		return false, usagef("not within a transaction")
	}
	r, none, err := sel.resolve()
	if err != nil {
		return false, err
	}
	sides := make([]diffSide, len(args))
	for i, text := range args {
		if sides[i], err = s.diffSide(text); err != nil {
			return false, err
		}
	}
	w, err := s.differenceWriter(o)
	if err != nil {
		return false, err
	}
	ctx, endProgress := s.withProgress(ctx, "diff")
	defer endProgress()
	err = s.viewSides(ctx, sides, func(from, to engine.Tx) error {
		families, err := s.diffFamilies(ctx, from, to)
		if err != nil || none {
			return err
		}
		limit := r.Limit
		for _, family := range families {
			for d, err := range engine.Diff(ctx, from.In(family), to.In(family), r) {
				if err != nil {
					return err
				}
				if err := w.add(family, d); err != nil {
					return err
				}
			}
			if limit == 0 {
				continue
			}
			if r.Limit = limit - int(w.total()); r.Limit == 0 {
				break
			}
		}
		return nil
	})
	endProgress()
	if err != nil {
		return false, err
	}
	return w.total() > 0, w.end()
}

func (s *Session) differenceWriter(o diffOptions) (*differenceWriter, error) {
	switch {
	case o.patch:
		return s.newPatch()
	case o.stat:
		return s.newDifferenceCount(), nil
	}
	return s.newDifferences()
}

// A diffSide is one of the states that are compared: a moment of the database,
// or the newest state of another one.
type diffSide struct {
	at   moment
	path string // of the other database or snapshot; empty: this one
}

func (s *Session) diffSide(text string) (diffSide, error) {
	if namesDatabase(text) {
		return diffSide{path: text}, s.otherFiles("comparing with " + text)
	}
	at, err := parseMoment(text, time.Now())
	if err != nil {
		err = &usageError{
			reason: fmt.Sprintf("not a revision, moment or database: %q", text),
			hint:   "say 913, 10m (ago), '2026-01-31 08:00', or the name of a file with a / or with .kv or .kvs",
		}
	}
	return diffSide{at: at}, err
}

// viewSides runs fn on the two states that the operands of diff name.
func (s *Session) viewSides(ctx context.Context, sides []diffSide, fn func(from, to engine.Tx) error) error {
	switch len(sides) {
	case 0:
		return s.viewLastCommit(ctx, fn)
	case 1:
		sides = append(sides, diffSide{})
	}
	return s.viewSide(ctx, sides[0], func(from engine.Tx) error {
		return s.viewSide(ctx, sides[1], func(to engine.Tx) error { return fn(from, to) })
	})
}

func (s *Session) viewSide(ctx context.Context, side diffSide, fn func(engine.Tx) error) (err error) {
	if side.path == "" {
		store, err := s.open(ctx, toRead)
		if err != nil {
			return err
		}
		return viewMoment(ctx, store, side.at, fn)
	}
	key := s.openedAs
	key.path, key.readOnly = side.path, true
	store, err := openStore(ctx, key, toRead, s.remark)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.View(ctx, engine.Newest, fn)
}

// viewLastCommit runs fn on the state before the last commit and that after it.
// Before the first one there was nothing.
func (s *Session) viewLastCommit(ctx context.Context, fn func(from, to engine.Tx) error) error {
	store, err := s.open(ctx, toRead)
	if err != nil {
		return err
	}
	var newest engine.Rev
	err = store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		newest = tx.Rev()
		return nil
	})
	if err != nil || newest == 0 {
		return err
	}
	return store.View(ctx, newest, func(to engine.Tx) error {
		if newest == 1 {
			store = engine.NewMem(engine.MemOptions{})
		}
		return store.View(ctx, newest-1, func(from engine.Tx) error { return fn(from, to) })
	})
}

// diffFamilies are the families to compare: that of --cf, or all there are but
// the database's own.
func (s *Session) diffFamilies(ctx context.Context, from, to engine.Tx) ([]string, error) {
	if s.set.Family != "" {
		return []string{s.set.Family}, nil
	}
	a, err := userFamilies(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := userFamilies(ctx, to)
	if err != nil {
		return nil, err
	}
	all := append(append([]string{""}, a...), b...)
	slices.Sort(all)
	return slices.Compact(all), nil
}
