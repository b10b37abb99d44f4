package engine

import (
	"context"
	"fmt"
	"slices"
)

// A memOpenTx is a transaction of Mem.Begin.
type memOpenTx struct{ memTx }

// Writes implements OpenTx.
func (t *memOpenTx) Writes() int { return t.keys }

// Rollback implements OpenTx.
func (t *memOpenTx) Rollback() { t.end() }

// Commit implements OpenTx. A transaction that wrote nothing has nothing to
// check: all it read was true at one revision.
func (t *memOpenTx) Commit(ctx context.Context) (Result, error) {
	refused := Result{Outcome: NotCommitted, Rev: t.rev}
	if err := t.usable(ctx); err != nil {
		t.end()
		return refused, err
	}
	defer t.end()
	if err := t.m.enter(ctx); err != nil {
		return refused, err
	}
	defer t.m.calls.Done()
	if t.keys == 0 {
		return Result{Outcome: Committed, Rev: t.rev, Stamp: t.m.stampOf(t.rev)}, nil
	}
	if err := t.m.takeTurn(ctx); err != nil {
		return refused, err
	}
	defer t.m.endTurn()
	if err := t.reads.check(t.memState, t.m.newTx(false).memState); err != nil {
		return refused, err
	}
	return t.m.commit(t.writes), nil
}

// A memReads is what an optimistic transaction read of the state below its own
// writes. A nil one takes no notes.
type memReads struct {
	keys     map[memKey]struct{}
	ranges   []*memRead
	families bool // the list of families was read
}

type memKey struct{ family, key string }

// A memRead is a range that was scanned or counted, as far as it was read.
type memRead struct {
	family     string
	span       memSpan
	match      func([]byte) bool // nil: all keys
	keysMatter bool              // which keys are there, but not their values
}

func newMemReads() *memReads { return &memReads{keys: make(map[memKey]struct{})} }

func (r *memReads) addKey(family, key string) {
	if r != nil {
		r.keys[memKey{family, key}] = struct{}{}
	}
}

// addRange notes a range, which counts as read to its end unless endAt is
// called.
func (r *memReads) addRange(family string, rng Range, keysMatter bool) *memRead {
	if r == nil {
		return nil
	}
	read := &memRead{family: family, span: newMemSpan(rng), match: rng.Match, keysMatter: keysMatter}
	r.ranges = append(r.ranges, read)
	return read
}

// endAt says that key was the last that was read of the range.
func (r *memRead) endAt(key string) {
	switch {
	case r == nil:
	case r.span.reverse:
		r.span.lo = key
	default:
		r.span.hi = key + "\x00"
	}
}

// check returns an ErrConflict if a transaction that now begins would not read
// all of it as then. Keys that have expired since then are read otherwise too.
func (r *memReads) check(then, now *memState) error {
	for k := range r.keys {
		if n := now.m.family(k.family).find(k.key); n.differs(then, now, false) {
			return fmt.Errorf("key %q: %w", k.key, ErrConflict)
		}
	}
	for _, read := range r.ranges {
		for c := newMemCursor(now.m.family(read.family), read.span); c.node != nil; c.advance() {
			if c.node.differs(then, now, read.keysMatter) && (read.match == nil || read.match([]byte(c.node.key))) {
				return fmt.Errorf("key %q in a range that was read: %w", c.node.key, ErrConflict)
			}
		}
	}
	if r.families {
		before := now.m.familiesAt(then.rev, then.now.UnixMilli())
		if !slices.Equal(before, now.m.familiesAt(now.rev, now.now.UnixMilli())) {
			return fmt.Errorf("the column families: %w", ErrConflict)
		}
	}
	return nil
}

// differs reports whether the two transactions find another version of the
// key, or, for keysMatter, whether only one of them finds any.
func (n *memNode) differs(then, now *memState, keysMatter bool) bool {
	a := n.liveAt(then.rev, then.now.UnixMilli())
	b := n.liveAt(now.rev, now.now.UnixMilli())
	if a == nil || b == nil || keysMatter {
		return (a == nil) != (b == nil)
	}
	return a.rev != b.rev
}
