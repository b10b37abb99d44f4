package enginetest

import (
	"errors"
	"maps"

	"kvsh/engine"
)

var historyLaws = []law{
	{"Each earlier revision reads as it was", engine.CanWrite | engine.CanReadPast, everyRevision},
	{"A revision that is not there yet is refused", engine.CanWrite | engine.CanReadPast, notYet},
	{"The families of the past are those of the past", engine.CanWrite | engine.CanReadPast | engine.CanFamilies, pastFamilies},
}

func everyRevision(e *env) {
	r := e.random()
	m := model{}
	states := []model{{}} // states[rev] is the state at that revision
	for range 60 {
		e.clock.advance(1e9)
		e.update(func(tx engine.Tx) error { e.change(tx, r, m, 1+r.IntN(6)); return nil })
		states = append(states, maps.Clone(m))
	}
	for _, i := range r.Perm(len(states)) {
		if i == 0 {
			continue // 0 means the newest
		}
		rev := engine.Rev(i)
		e.view(rev, func(tx engine.Tx) {
			if tx.Rev() != rev {
				e.Errorf("View(%d) reads at revision %d", rev, tx.Rev())
			}
			e.wantIn(tx, engine.Range{}, states[i].entries(engine.Range{})...)
			for range 5 {
				rng := randomRange(r)
				want := states[i].entries(rng)
				e.wantIn(tx, rng, want...)
				e.wantCount(tx, rng, int64(len(want)))
				k := shortKey(r)
				if v, ok := states[i][k]; ok {
					e.wantGet(tx, k, v)
				} else {
					e.wantNone(tx, k)
				}
			}
			e.wantError("Set at an earlier revision", tx.Set(e.ctx, "a", nil), engine.ErrReadOnly, engine.ClassRefused)
		})
	}
}

func notYet(e *env) {
	check := func(at engine.Rev) {
		e.Helper()
		called := false
		err := e.store.View(e.ctx, at, func(engine.Tx) error { called = true; return nil })
		e.wantError("View of a later revision", err, engine.ErrNotYet, engine.ClassHistoryGone)
		if called {
			e.Errorf("View(%d) ran its function on a store at revision %d", at, e.newest())
		}
	}
	check(1)
	e.set("a", "1")
	e.view(1, func(tx engine.Tx) { e.wantGet(tx, "a", "1") })
	check(2)
	check(1 << 63)
}

func pastFamilies(e *env) {
	e.update(func(tx engine.Tx) error {
		return errors.Join(tx.In("one").Set(e.ctx, "k", nil), tx.In("two").Set(e.ctx, "k", nil))
	})
	e.update(func(tx engine.Tx) error { return tx.In("one").Delete(e.ctx, "k") })
	e.update(func(tx engine.Tx) error { return tx.In("three").Set(e.ctx, "k", nil) })
	e.view(1, func(tx engine.Tx) { e.wantFamilies(tx, "one", "two") })
	e.view(2, func(tx engine.Tx) { e.wantFamilies(tx, "two") })
	e.view(3, func(tx engine.Tx) { e.wantFamilies(tx, "three", "two") })
}
