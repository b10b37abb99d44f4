package engine

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sort"
	"time"
)

// Mem keeps its whole history, so its past begins with revision 1.

// Beginning implements Historian.
func (m *Mem) Beginning(ctx context.Context) (Rev, Stamp, error) {
	if err := m.enter(ctx); err != nil {
		return 0, 0, err
	}
	defer m.calls.Done()
	first := min(m.newest(), 1)
	return first, m.stampOf(first), nil
}

// RevAt implements Historian.
func (m *Mem) RevAt(ctx context.Context, t time.Time) (Rev, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.calls.Done()
	return m.revAt(t)
}

func (m *Mem) revAt(t time.Time) (Rev, error) {
	newest := m.newest()
	if err := inFuture(t, m.now(), m.stampOf(newest)); err != nil {
		return 0, err
	}
	if newest == 0 {
		return 0, fmt.Errorf("%s: nothing was committed so far: %w", t.UTC().Format(timeLayout), ErrNotYet)
	}
	n := sort.Search(int(newest), func(i int) bool { return m.stampOf(Rev(i + 1)).Time().After(t) })
	if n == 0 {
		return 0, goneBefore(t.UTC().Format(timeLayout), 1, m.stampOf(1))
	}
	return Rev(n), nil
}

// ViewTime implements Historian.
func (m *Mem) ViewTime(ctx context.Context, t time.Time, fn func(Tx) error) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.calls.Done()
	rev, err := m.revAt(t)
	if err != nil {
		return err
	}
	tx := m.newTx(false)
	tx.rev, tx.now = rev, t
	defer tx.end()
	return fn(tx)
}

// Versions implements Historian.
func (m *Mem) Versions(ctx context.Context, family, key string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		if err := m.enter(ctx); err != nil {
			yield(Version{}, err)
			return
		}
		defer m.calls.Done()
		tx := m.newTx(false)
		tx.name = family
		if err := tx.check(ctx, key); err != nil {
			yield(Version{}, err)
			return
		}
		n := m.family(family).find(key)
		for v := n.at(tx.rev); v != nil; v = n.at(v.rev - 1) {
			if err := ctx.Err(); err != nil {
				yield(Version{}, err)
				return
			}
			if !yield(v.public(), nil) {
				return
			}
		}
	}
}

// public is a version that the caller may keep.
func (v *memVersion) public() Version {
	e := v.event("", "")
	return Version{Rev: v.rev, Stamp: v.stamp, Op: e.Op, Value: bytes.Clone(e.Value), Expires: e.Expires}
}
