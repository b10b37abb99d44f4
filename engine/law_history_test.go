package engine

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Ensure that the past of a database under random operations is that of a model
// that keeps every state: what is forgotten is refused, and all else is exact.
func TestLawHistory(t *testing.T) {
	r := lawRand(t)
	for range effort(2, 12, 150) {
		m := &modelRun{t: t, r: r, ctx: t.Context(), dir: filepath.Join(lawDir(t), "m.kv"), clock: newLawClock(), model: newLawModel()}
		for range 50 + r.IntN(200) {
			m.step()
			if m.model.rev() > 0 && r.IntN(3) == 0 {
				m.lookBack(m.db())
			}
		}
		for _, db := range m.dbs {
			if db != nil {
				db.Close()
			}
		}
	}
}

// Ensure the same of a store in memory, which forgets nothing.
func TestLawMemHistory(t *testing.T) {
	r := lawRand(t)
	for range effort(2, 12, 150) {
		m := &modelRun{t: t, r: r, ctx: t.Context(), clock: newLawClock(), model: newLawModel()}
		store := NewMem(MemOptions{Now: m.clock.now})
		for range 50 + r.IntN(100) {
			m.clock.ms += int64(r.IntN(20))
			writes := m.writes(1 + r.IntN(5))
			res, err := store.Update(m.ctx, func(tx Tx) error { return put(m.ctx, tx, writes) })
			m.committed(res, err, writes)
			m.lookBack(store)
		}
	}
}

// lookBack compares some of what a store says of its past, or takes some of it
// back.
func (m *modelRun) lookBack(store Historian) {
	first, stamp, err := store.Beginning(m.ctx)
	if err != nil || first < 1 || stamp != m.model.stamps[first] {
		m.failf("Beginning() = %d, %d, %v, want the stamp %d", first, stamp, err, m.model.stamps[max(first, 1)])
	}
	if first > 1 {
		if err := store.View(m.ctx, first-1, func(Tx) error { return nil }); !errors.Is(err, ErrHistoryGone) {
			m.failf("View(%d) = %v before the beginning at %d, want ErrHistoryGone", first-1, err, first)
		}
	}
	switch m.r.IntN(5) {
	case 0:
		m.lookAtTime(store, first)
	case 1:
		m.lookAtVersions(store, first)
	case 2, 3:
		m.lookAtDiff(store, first)
	default:
		m.undo(store, first)
	}
}

// lookAtTime asks for the state at a moment that is drawn.
func (m *modelRun) lookAtTime(store Historian, first Rev) {
	newest := m.model.stamps[m.model.rev()].Time().UnixMilli()
	begin := m.model.stamps[1].Time().UnixMilli() - 20
	ms := begin + m.r.Int64N(max(newest, m.clock.ms)+20-begin)
	at := time.UnixMilli(ms)
	want, wantErr := Rev(0), error(nil)
	for rev := first; rev <= m.model.rev(); rev++ {
		if !m.model.stamps[rev].Time().After(at) {
			want = rev
		}
	}
	switch {
	case ms > m.clock.ms && ms > newest:
		want, wantErr = 0, ErrNotYet
	case want == 0:
		wantErr = ErrHistoryGone
	}
	got, err := store.RevAt(m.ctx, at)
	if got != want || !errors.Is(err, wantErr) {
		m.failf("RevAt(%d) = %d, %v, want %d, %v; history begins at %d", ms, got, err, want, wantErr, first)
	}
	err = store.ViewTime(m.ctx, at, func(tx Tx) error {
		state, err := readAll(m.ctx, tx)
		if d := differ(state, m.model.states[want].at(ms)); err != nil || d != "" || tx.Rev() != want {
			m.failf("ViewTime(%d) reads revision %d, want %d: %v, %s", ms, tx.Rev(), want, err, d)
		}
		return nil
	})
	if !errors.Is(err, wantErr) {
		m.failf("ViewTime(%d) = %v, want %v", ms, err, wantErr)
	}
}

// lookAtVersions lists the versions of a key.
func (m *modelRun) lookAtVersions(store Historian, first Rev) {
	ikey := m.key()
	var want []string
	line := func(rev Rev, c *cell) string { return fmt.Sprint(rev, m.model.stamps[rev], c) }
	for rev := m.model.rev(); rev > 0; rev-- {
		c, ok := m.model.writes[rev][ikey]
		if !ok {
			continue
		}
		if rev <= first && first > 1 {
			if c != nil && (c.expires == 0 || c.expires > m.model.stamps[first].Time().UnixMilli()) {
				want = append(want, line(rev, c))
			}
			break
		}
		want = append(want, line(rev, c))
	}
	var got []string
	limit := m.r.IntN(2 * (len(want) + 1))
	family, key := splitIKey([]byte(ikey))
	for v, err := range store.Versions(m.ctx, string(family), string(key)) {
		if err != nil {
			m.failf("Versions(%q): %v", ikey, err)
		}
		c := &cell{value: string(v.Value)}
		switch v.Op {
		case OpDelete:
			c = nil
		case OpSetExpiring:
			c.expires = v.Expires.UnixMilli()
		}
		if got = append(got, fmt.Sprint(v.Rev, v.Stamp, c)); len(got) == limit {
			break
		}
	}
	if limit > 0 {
		want = want[:min(len(want), limit)]
	}
	if !slices.Equal(got, want) {
		m.failf("Versions(%q) = %q, want %q; history begins at %d", ikey, got, want, first)
	}
}

// lookAtDiff compares two states that are drawn, each in one of the ways there
// are to name it.
func (m *modelRun) lookAtDiff(store Historian, first Rev) {
	var states [2]lawState
	view := func(i int, fn func(tx Tx) error) error {
		rev := first + Rev(m.r.Uint64N(uint64(m.model.rev()-first+1)))
		switch stamp := m.model.stamps[rev].Time(); {
		case m.r.IntN(5) == 0:
			states[i] = m.model.newest().at(m.clock.ms)
			return store.View(m.ctx, Newest, fn)
		case m.r.IntN(3) == 0 && stamp.UnixMilli() <= m.clock.ms:
			ms := stamp.UnixMilli() + m.r.Int64N(m.clock.ms-stamp.UnixMilli()+1)
			for rev < m.model.rev() && m.model.stamps[rev+1].Time().UnixMilli() <= ms {
				rev++
			}
			states[i] = m.model.states[rev].at(ms)
			return store.ViewTime(m.ctx, time.UnixMilli(ms), fn)
		}
		states[i] = m.model.past(rev)
		return store.View(m.ctx, rev, fn)
	}
	family := []string{"", "", "a", "b.c"}[m.r.IntN(4)]
	r := Range{Reverse: m.r.IntN(2) == 0, Limit: m.r.IntN(4)}
	err := view(0, func(from Tx) error {
		return view(1, func(to Tx) error {
			m.diff(from.In(family), to.In(family), family, r, states)
			return nil
		})
	})
	if err != nil {
		m.failf("a state to compare: %v", err)
	}
}

// diff compares by both of the ways that Diff knows.
func (m *modelRun) diff(from, to Tx, family string, r Range, states [2]lawState) {
	var keys []string
	for _, s := range states {
		keys = slices.AppendSeq(keys, maps.Keys(s))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if r.Reverse {
		slices.Reverse(keys)
	}
	var want []string
	for _, ikey := range keys {
		f, key := splitIKey([]byte(ikey))
		before, had := states[0][ikey]
		now, has := states[1][ikey]
		if string(f) != family || had == has && before == now {
			continue
		}
		if want = append(want, fmt.Sprint(string(key), had, before, has, now)); len(want) == r.Limit {
			break
		}
	}
	line := func(d Difference) string {
		var before, now cell
		if d.Old != nil {
			before = cellOf(*d.Old)
		}
		if d.New != nil {
			now = cellOf(*d.New)
		}
		return fmt.Sprint(d.Key, d.Old != nil, before, d.New != nil, now)
	}
	var got, plain []string
	for d, err := range Diff(m.ctx, from, to, r) {
		if err != nil {
			m.failf("Diff: %v", err)
		}
		got = append(got, line(d))
	}
	left := r.Limit
	r.Limit = 0
	err := (&diffRun{ctx: m.ctx, from: from, to: to, r: r, left: left, yield: func(d Difference, _ error) bool {
		plain = append(plain, line(d))
		return true
	}}).both()
	if err != nil || !slices.Equal(got, want) || !slices.Equal(plain, want) {
		m.failf("Diff(%d, %d) of %q = %q,\nside by side %q, %v,\nwant %q", from.Rev(), to.Rev(), family, got, plain, err, want)
	}
}
