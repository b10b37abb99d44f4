package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kvsh/engine"
)

var pastLaws = []law{
	{"A moment is that of the newest revision before it", engine.CanWrite | engine.CanReadPast, momentOfRevision},
	{"The versions of a key are listed, the newest first", engine.CanWrite | engine.CanReadPast, versionsOfKey},
	{"The difference of two states turns one into the other", engine.CanWrite | engine.CanReadPast, differenceOfStates},
	{"Undo gives back what was there, and undo of that what came", engine.CanWrite | engine.CanReadPast, undoAndRedo},
	{"What was changed since is not undone unless forced", engine.CanWrite | engine.CanReadPast, undoChangedSince},
}

// historian is the store as one that can be asked about its past.
func (e *env) historian() engine.Historian {
	e.Helper()
	h, ok := e.store.(engine.Historian)
	if !ok {
		e.Skip("the store reads the past, but cannot be asked about it")
	}
	return h
}

func momentOfRevision(e *env) {
	h := e.historian()
	start := e.clock.Now()
	_, err := h.RevAt(e.ctx, start)
	e.wantError("RevAt of an empty store", err, engine.ErrNotYet, engine.ClassHistoryGone)
	for _, value := range []string{"1", "2", "3"} {
		e.clock.advance(time.Second)
		e.set("a", value)
	}
	e.setExpiring("b", "4", start.Add(5*time.Second))
	e.clock.advance(10 * time.Second)
	for at, want := range map[time.Duration]engine.Rev{
		time.Second: 1, 2*time.Second - time.Millisecond: 1, 2 * time.Second: 2, 3*time.Second - 1: 2, 13 * time.Second: 4,
	} {
		if rev, err := h.RevAt(e.ctx, start.Add(at)); rev != want || err != nil {
			e.Errorf("RevAt(%v) = %d, %v, want %d", at, rev, err, want)
		}
	}
	_, err = h.RevAt(e.ctx, start)
	e.wantError("RevAt before the first revision", err, engine.ErrHistoryGone, engine.ClassHistoryGone)
	_, err = h.RevAt(e.ctx, start.Add(13*time.Second+1))
	e.wantError("RevAt of the future", err, engine.ErrNotYet, engine.ClassHistoryGone)
	for at, want := range map[time.Duration][]string{
		time.Second: {"a=1"}, 5*time.Second - time.Millisecond: {"a=3", "b=4"}, 5 * time.Second: {"a=3"},
	} {
		err := h.ViewTime(e.ctx, start.Add(at), func(tx engine.Tx) error {
			e.wantIn(tx, engine.Range{}, want...)
			if !tx.Now().Equal(start.Add(at)) {
				e.Errorf("Now() = %v in the view of %v", tx.Now(), start.Add(at))
			}
			return nil
		})
		if err != nil {
			e.Errorf("ViewTime(%v) = %v", at, err)
		}
	}
	if rev, stamp, err := h.Beginning(e.ctx); rev != 1 || !stamp.Time().Equal(start.Add(time.Second)) || err != nil {
		e.Errorf("Beginning() = %d, %v, %v, want revision 1", rev, stamp.Time(), err)
	}
}

func versionsOfKey(e *env) {
	h := e.historian()
	at := e.clock.Now().Add(time.Hour).Truncate(time.Millisecond)
	e.set("a", "1")
	e.set("aa", "x")
	e.setExpiring("a", "", at)
	e.del("a")
	e.set("a", "4")
	var got []string
	for v, err := range h.Versions(e.ctx, "", "a") {
		if err != nil {
			e.Fatalf("Versions: %v", err)
		}
		got = append(got, fmt.Sprintf("%d %v %s %v %v %v", v.Rev, v.Op, v.Value, v.Value == nil, v.Expires.Equal(at), v.Stamp > 0))
	}
	want := []string{"5 set 4 false false true", "4 del  true false true", "3 set  false true true", "1 set 1 false false true"}
	if !slices.Equal(got, want) {
		e.Errorf("Versions() = %q, want %q", got, want)
	}
	for v, err := range h.Versions(e.ctx, "", "none") {
		e.Errorf("Versions of a key that never was yields %+v, %v", v, err)
	}
	for _, err := range h.Versions(e.ctx, "", "") {
		e.wantError("Versions of the empty key", err, engine.ErrInvalid, engine.ClassInvalid)
	}
}

func differenceOfStates(e *env) {
	e.historian()
	r := e.random()
	m := model{}
	for range 30 {
		e.clock.advance(time.Second)
		e.update(func(tx engine.Tx) error { e.change(tx, r, m, 1+r.IntN(6)); return nil })
	}
	for range 50 {
		a, b := engine.Rev(1+r.IntN(30)), engine.Rev(1+r.IntN(30))
		state := model{}
		rng := randomRange(r)
		rng.Limit, rng.KeysOnly = 0, false
		e.view(a, func(from engine.Tx) {
			e.view(b, func(to engine.Tx) {
				for _, entry := range e.scan(from, rng) {
					state[entry[:slices.Index([]byte(entry), '=')]] = entry[slices.Index([]byte(entry), '=')+1:]
				}
				for d, err := range engine.Diff(e.ctx, from, to, rng) {
					if err != nil {
						e.Fatalf("Diff(%d, %d, %s): %v", a, b, describe(rng), err)
					}
					before, had := state[d.Key]
					if had != (d.Old != nil) || had && before != string(d.Old.Value) {
						e.Errorf("Diff(%d, %d) says that %q was %+v, want %q, %t", a, b, d.Key, d.Old, before, had)
					}
					if delete(state, d.Key); d.New != nil {
						state[d.Key] = string(d.New.Value)
					}
				}
				e.wantIn(to, rng, state.entries(rng)...)
			})
		})
	}
}

func undoAndRedo(e *env) {
	e.historian()
	at := e.clock.Now().Add(time.Hour).Truncate(time.Millisecond)
	e.setExpiring("a", "1", at)
	e.setExpiring("brief", "x", e.clock.Now().Add(time.Second))
	e.update(func(tx engine.Tx) error {
		return errors.Join(tx.Set(e.ctx, "a", []byte("2")), tx.Set(e.ctx, "b", []byte("3")), tx.Delete(e.ctx, "brief"))
	})
	e.clock.advance(time.Minute)
	undo := func(o engine.UndoOptions, keys int64, want ...string) {
		e.Helper()
		res, err := engine.Undo(e.ctx, e.store, o)
		if err != nil || res.Keys != keys || res.Outcome != engine.Committed {
			e.Fatalf("Undo(%+v) = %+v, %v, want %d keys", o, res, err, keys)
		}
		e.want(want...)
	}
	undo(engine.UndoOptions{}, 2, "a=1")
	e.view(engine.Newest, func(tx engine.Tx) {
		if entry, err := tx.Get(e.ctx, "a"); err != nil || !entry.Expires.Equal(at) {
			e.Errorf("the expiry that came back is %v, %v, want %v", entry.Expires, err, at)
		}
	})
	undo(engine.UndoOptions{}, 2, "a=2", "b=3")
	undo(engine.UndoOptions{Key: "a"}, 1, "a=1", "b=3")
	zero := engine.Rev(0)
	undo(engine.UndoOptions{To: &zero}, 2)
	undo(engine.UndoOptions{Last: 2}, 2, "a=2", "b=3")
	undo(engine.UndoOptions{Rev: 2}, 0, "a=2", "b=3") // it has expired anyway
	_, err := engine.Undo(e.ctx, e.store, engine.UndoOptions{Rev: 99})
	e.wantError("Undo of a later revision", err, engine.ErrNotYet, engine.ClassHistoryGone)
	_, err = engine.Undo(e.ctx, e.store, engine.UndoOptions{Key: "none"})
	e.wantError("Undo of a key that never was", err, engine.ErrNotFound, engine.ClassNotFound)
}

func undoChangedSince(e *env) {
	e.historian()
	e.update(func(tx engine.Tx) error {
		return errors.Join(tx.Set(e.ctx, "a", []byte("1")), tx.Set(e.ctx, "b", []byte("1")), tx.Set(e.ctx, "c", []byte("1")))
	})
	e.set("b", "2")
	e.del("c") // as it was before
	newest := e.newest()
	_, err := engine.Undo(e.ctx, e.store, engine.UndoOptions{Rev: 1})
	e.wantError("Undo of what was changed since", err, engine.ErrChanged, engine.ClassRefused)
	var changed *engine.ChangedError
	if want := (engine.ChangedKey{Key: "b", Rev: 2}); !errors.As(err, &changed) || !slices.Equal(changed.Keys, []engine.ChangedKey{want}) || changed.Total != 1 {
		e.Errorf("Undo = %v, want that b was changed by revision 2", err)
	}
	if e.newest() != newest {
		e.Error("what was refused was committed")
	}
	told := ""
	o := engine.UndoOptions{Rev: 1, Force: true, DryRun: true, Each: func(_ string, d engine.Difference) { told += d.Key }}
	if res, err := engine.Undo(e.ctx, e.store, o); err != nil || res.Keys != 2 || told != "ab" || e.newest() != newest {
		e.Errorf("a dry run = %+v, %v, told of %q", res, err, told)
	}
	if _, err := engine.Undo(e.ctx, e.store, engine.UndoOptions{Rev: 1, Force: true}); err != nil {
		e.Errorf("Undo = %v", err)
	}
	e.want()
}
