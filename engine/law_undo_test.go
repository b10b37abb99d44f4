package engine

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// lawUndo is what an undo is to take back, and what the model says of it.
type lawUndo struct {
	o           UndoOptions
	after, upTo Rev
	keys        []string // by ikey; nil: all
	redo        bool     // takes back an undo
}

// undo takes something back that is drawn, as the model does.
func (m *modelRun) undo(store Historian, first Rev) {
	newest := m.model.rev()
	low := first
	if first == 1 && m.model.stamps[1] != 0 {
		low = 0 // the empty state is known too
	}
	if low == 0 && m.dir != "" && !m.keepsAll(store) {
		low = 1
	}
	u := lawUndo{upTo: newest}
	back := low + Rev(m.r.Uint64N(uint64(newest-low+1)))
	switch m.r.IntN(5) {
	case 0:
		u.o.To, u.after = &back, back
	case 1:
		if back == newest {
			return
		}
		u.o.Rev, u.after, u.upTo = back+1, back, back+1
	case 2:
		u.o.Last, u.after = int(newest-back), back
		if back == newest {
			u.after = newest - 1 // none means the last one
		}
		if u.after < low {
			return
		}
	case 3:
		ikey := m.key()
		family, key := splitIKey([]byte(ikey))
		u.o.Family, u.o.Key, u.keys = string(family), string(key), []string{ikey}
		for u.upTo > low && !m.wrote(u.upTo, ikey) {
			u.upTo--
		}
		if u.upTo == low {
			return // never written, or before what is kept
		}
		u.after = u.upTo - 1
	default:
		if u.after = newest - 1; u.after < low {
			return
		}
	}
	u.o.Force, u.o.DryRun = m.r.IntN(3) == 0, m.r.IntN(6) == 0
	m.take(store, u)
}

// keepsAll reports whether a store knows what was before revision 1.
func (m *modelRun) keepsAll(store Historian) bool {
	zero := Rev(0)
	_, err := Undo(m.ctx, store, UndoOptions{To: &zero, DryRun: true})
	return err == nil
}

func (m *modelRun) wrote(rev Rev, ikey string) bool {
	_, ok := m.model.writes[rev][ikey]
	return ok
}

// take carries an undo out, and compares.
func (m *modelRun) take(store Historian, u lawUndo) {
	now := m.clock.ms
	seen := func(rev Rev) lawState { return m.model.states[rev].at(now) }
	before, then, is := seen(u.after), seen(u.upTo), seen(m.model.rev())
	writes := make(map[string]*cell)
	var changed []string
	keys := u.keys
	if keys == nil {
		all := maps.Clone(before)
		maps.Copy(all, then)
		maps.Copy(all, is)
		keys = slices.Sorted(maps.Keys(all))
	}
	for _, ikey := range keys {
		c, had := before[ikey]
		old, was := then[ikey]
		cur, has := is[ikey]
		if !slices.ContainsFunc(m.model.writes[u.after+1:u.upTo+1], func(w map[string]*cell) bool { _, ok := w[ikey]; return ok }) {
			continue
		}
		later := m.model.rev()
		for later > u.upTo && !m.wrote(later, ikey) {
			later--
		}
		switch {
		case had == has && c == cur:
		case later > u.upTo && had == was && c == old:
		case later > u.upTo && !u.o.Force:
			changed = append(changed, fmt.Sprintf("%q %d", ikey, later))
		case had:
			writes[ikey] = &c
		default:
			writes[ikey] = nil
		}
	}
	told := 0
	u.o.Each = func(string, Difference) { told++ }
	run := undo{o: u.o, mostKeys: []int64{2, math.MaxInt64}[m.r.IntN(2)]}
	res, err := run.run(m.ctx, store)
	m.did("undo %+v: %+v, %v", u, res, err)
	var conflict *ChangedError
	if errors.As(err, &conflict) {
		var got []string
		for _, k := range conflict.Keys {
			got = append(got, fmt.Sprintf("%q %d", appendIKey(nil, k.Family, k.Key), k.Rev))
		}
		if !slices.Equal(got, changed) || conflict.Total != int64(len(changed)) {
			m.failf("Undo finds these changed since: %q, %d, want %q", got, conflict.Total, changed)
		}
		return
	}
	if err != nil || len(changed) > 0 {
		m.failf("Undo = %v, want these changed since: %q", err, changed)
	}
	if res.After != u.after || res.UpTo != u.upTo || res.Keys != int64(len(writes)) || told < len(writes) {
		m.failf("Undo = %+v, told of %d keys, want %d from behind %d to %d", res, told, len(writes), u.after, u.upTo)
	}
	if u.o.DryRun {
		return
	}
	m.committed(res.Result, err, writes)
	if u.redo || len(writes) == 0 || m.r.IntN(2) == 0 {
		return
	}
	// Undo of the undo is redo.
	last := m.model.rev()
	m.take(store, lawUndo{after: last - 1, upTo: last, redo: true})
	if d := differ(seen(m.model.rev()), is); d != "" {
		m.failf("undo, then undo: %s", d)
	}
}

// Ensure that an undo of more keys than fit into a transaction in memory gives
// back what was there, and that a second one restores the keys.
func TestUndoOfLargeLoad(t *testing.T) {
	const n = 3 * undoKeys
	ctx := t.Context()
	db := mustOpen(t, filepath.Join(t.TempDir(), "t.kv"), Options{Create: true})
	defer db.Close()
	if _, err := db.Update(ctx, func(tx Tx) error { return tx.Set(ctx, "key-00007", []byte("before")) }); err != nil {
		t.Fatal(err)
	}
	_, err := db.Load(ctx, func(yield func(Item, error) bool) {
		for i := range n {
			if !yield(Item{Key: fmt.Appendf(nil, "key-%05d", i), Value: make([]byte, 100)}, nil) {
				return
			}
		}
	}, Replace)
	if err != nil {
		t.Fatal(err)
	}
	loaded, _, err := dump(db, Newest)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []lawState{{"\x00key-00007": {value: "before"}}, loaded} {
		res, err := Undo(ctx, db, UndoOptions{})
		if err != nil || res.Keys != n {
			t.Fatalf("Undo = %+v, %v, want %d keys", res, err, n)
		}
		got, _, err := dump(db, Newest)
		if d := differ(got, want); err != nil || d != "" {
			t.Errorf("after the undo of revision %d: %v, %s", res.UpTo, err, d)
		}
	}
}

// Ensure that a large undo does not overwrite what others commit meanwhile.
func TestUndoWhileOthersWrite(t *testing.T) {
	ctx := t.Context()
	now := func() time.Time { return time.UnixMilli(1_770_000_000_000) }
	for name, store := range map[string]Historian{
		"mem": NewMem(MemOptions{Now: now}),
		"dir": mustOpen(t, filepath.Join(t.TempDir(), "t.kv"), Options{Create: true, Now: now}),
	} {
		set := func(key, value string) {
			t.Helper()
			if _, err := store.Update(ctx, func(tx Tx) error { return tx.Set(ctx, key, []byte(value)) }); err != nil {
				t.Fatal(err)
			}
		}
		set("a", "1")
		set("a", "2")
		tries := 0
		u := undo{mostKeys: 0, o: UndoOptions{Rev: 2}}
		u.o.Each = func(string, Difference) {
			if tries++; tries == 2 { // the first one was by Update, in which nobody else can write
				set("a", "3")
			}
		}
		_, err := u.run(ctx, store)
		var changed *ChangedError
		if !errors.As(err, &changed) || changed.Total != 1 || changed.Keys[0].Rev != 3 {
			t.Errorf("%s: Undo = %v, want that a was changed by revision 3", name, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Ensure that an undo takes back what another transaction of the same round
// wrote, which is not committed before it.
func TestUndoInRound(t *testing.T) {
	ctx := t.Context()
	db := mustOpen(t, filepath.Join(t.TempDir(), "t.kv"), Options{Create: true})
	defer db.Close()
	set := func(key, value string) error {
		_, err := db.Update(ctx, func(tx Tx) error { return tx.Set(ctx, key, []byte(value)) })
		return err
	}
	if err := set("a", "1"); err != nil {
		t.Fatal(err)
	}
	db.waiting.Add(1) // somebody comes, so the round stays open
	var other error
	var wait sync.WaitGroup
	wait.Go(func() { other = set("a", "2") })
	for open := false; !open; runtime.Gosched() {
		db.turn.Lock()
		open = db.round != nil && len(db.round.records) == 1
		db.turn.Unlock()
	}
	db.waiting.Add(-1)
	res, err := Undo(ctx, db, UndoOptions{})
	wait.Wait()
	if err != nil || other != nil || res.Keys != 1 || res.Rev != 3 || res.UpTo != 2 {
		t.Errorf("Undo = %+v, %v, want it to take back revision 2 (%v)", res, err, other)
	}
	for at, want := range map[Rev]string{1: "1", 2: "2", 3: "1"} {
		got, _, err := dump(db, at)
		if d := differ(got, lawState{"\x00a": {value: want}}); err != nil || d != "" {
			t.Errorf("revision %d: %v, %s", at, err, d)
		}
	}
}
