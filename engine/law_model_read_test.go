package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What the model law reads, and what that has to be.

// look compares some of a state, at the newest or an earlier revision.
func (m *modelRun) look() {
	db := m.db()
	at := Newest
	if m.r.IntN(3) > 0 && m.model.rev() > 0 {
		at = 1 + Rev(m.r.Uint64N(uint64(m.model.rev())))
	}
	err := db.View(m.ctx, at, func(tx Tx) error {
		if want := m.model.rev(); at == Newest && tx.Rev() != want {
			m.failf("the newest revision is %d, want %d", tx.Rev(), want)
		}
		if d := m.get(tx, m.want(at)); d != "" {
			m.failf("revision %d: %s", at, d)
		}
		if d := m.scan(tx, m.want(at)); d != "" {
			m.failf("revision %d: %s", at, d)
		}
		return nil
	})
	if errors.Is(err, ErrHistoryGone) && at != Newest {
		m.from = max(m.from, at+1)
		return
	}
	if err != nil || at != Newest && at < m.from {
		m.failf("View(%d) = %v, revisions up to %d were gone", at, err, m.from-1)
	}
}

func (m *modelRun) want(at Rev) lawState {
	if at == Newest {
		return m.model.newest().at(m.clock.ms)
	}
	return m.model.past(at)
}

// get compares one key, drawn.
func (m *modelRun) get(tx Tx, want lawState) string {
	return m.getKey(tx, m.key(), want)
}

func (m *modelRun) getKey(tx Tx, ikey string, want lawState) string {
	family, key := splitIKey([]byte(ikey))
	e, err := tx.In(string(family)).Get(m.ctx, string(key))
	c, ok := want[ikey]
	if ok && (err != nil || cellOf(e) != c) || !ok && !errors.Is(err, ErrNotFound) {
		return fmt.Sprintf("Get(%q) = %q, %v, want %q, %t", ikey, e.Value, err, c.value, ok)
	}
	return ""
}

// scan compares a random range, read in either direction and up to a limit.
func (m *modelRun) scan(tx Tx, want lawState) string {
	family := []string{"", "a", "b.c", "none"}[m.r.IntN(4)]
	r := Range{Reverse: m.r.IntN(2) == 0, KeysOnly: m.r.IntN(3) == 0}
	bound := func() string { _, k := splitIKey([]byte(m.key())); return string(k) }
	if m.r.IntN(2) == 0 {
		r.From = bound()
	}
	if m.r.IntN(2) == 0 {
		r.To = bound()
	}
	if m.r.IntN(4) == 0 {
		r.Prefix = bound()[:1]
	}
	if m.r.IntN(3) == 0 {
		r.Limit = 1 + m.r.IntN(9)
	}
	if m.r.IntN(4) == 0 {
		r.Match = func(key []byte) bool { return key[len(key)-1] == 'a' }
	}
	var keys []string
	for ikey := range want {
		f, k := splitIKey([]byte(ikey))
		key := string(k)
		if string(f) == family && key >= r.From && (r.To == "" || key < r.To) &&
			strings.HasPrefix(key, r.Prefix) && (r.Match == nil || r.Match(k)) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if r.Reverse {
		slices.Reverse(keys)
	}
	if r.Limit > 0 {
		keys = keys[:min(len(keys), r.Limit)]
	}
	n := 0
	for e, err := range tx.In(family).Scan(m.ctx, r) {
		if err != nil {
			return fmt.Sprintf("Scan(%+v) of %q: %v", r, family, err)
		}
		if n == len(keys) || e.Key != keys[n] {
			return fmt.Sprintf("Scan(%+v) of %q yields %q as number %d, want %q", r, family, e.Key, n, keys)
		}
		c := want[string(appendIKey(nil, family, e.Key))]
		if r.KeysOnly {
			if e.Value != nil || e.Size != len(c.value) {
				return fmt.Sprintf("Scan(%+v) of %q: key %q has size %d, want %d", r, family, e.Key, e.Size, len(c.value))
			}
		} else if cellOf(e) != c {
			return fmt.Sprintf("Scan(%+v) of %q: key %q = %q, want %q", r, family, e.Key, e.Value, c.value)
		}
		n++
	}
	if n != len(keys) {
		return fmt.Sprintf("Scan(%+v) of %q yields %d keys, want %q", r, family, n, keys)
	}
	if count, err := tx.In(family).Count(m.ctx, r); err != nil || count != int64(n) {
		return fmt.Sprintf("Count(%+v) of %q = %d, %v, want %d", r, family, count, err, n)
	}
	return ""
}

// everything compares every revision that is kept, completely.
func (m *modelRun) everything() {
	db := mustOpen(m.t, m.dir, m.options())
	defer db.Close()
	kept := 0
	for at := Rev(1); at <= m.model.rev(); at++ {
		got, _, err := dump(db, at)
		if errors.Is(err, ErrHistoryGone) && kept == 0 {
			continue
		}
		if d := differ(got, m.want(at)); err != nil || d != "" {
			m.failf("at the end, revision %d: %v, %s", at, err, d)
		}
		kept++
		if at%7 == 0 || at == m.model.rev() {
			m.getAll(db, at)
		}
	}
	if m.model.rev() > 0 && kept == 0 {
		m.failf("not even the newest revision is kept")
	}
	m.watched(db)
	m.t.Logf("%d revisions, %d of them kept", m.model.rev(), kept)
}

// getAll asks for every key that ever was, one by one.
func (m *modelRun) getAll(db *DB, at Rev) {
	want := m.want(at)
	keys := make(lawState)
	for _, s := range m.model.states {
		maps.Copy(keys, s)
	}
	err := db.View(m.ctx, at, func(tx Tx) error {
		for ikey := range keys {
			if d := m.getKey(tx, ikey, want); d != "" {
				m.failf("at the end, revision %d: %s", at, d)
			}
		}
		return nil
	})
	if err != nil {
		m.failf("View(%d) = %v", at, err)
	}
}

// watched compares what a watch yields, from every place where it may begin.
func (m *modelRun) watched(db *DB) {
	for range 40 {
		if m.model.rev() == 0 {
			return
		}
		next := 1 + Rev(m.r.Uint64N(uint64(m.model.rev())))
		state := maps.Clone(m.model.states[next-1])
		for c, err := range db.Watch(m.ctx, next) {
			if errors.Is(err, ErrHistoryGone) {
				break
			}
			if err != nil || c.Rev != next {
				m.failf("Watch yields revision %d, %v, want %d", c.Rev, err, next)
			}
			gone := false
			for ev, err := range c.Events {
				if errors.Is(err, ErrHistoryGone) {
					gone = true
					break
				}
				if err != nil {
					m.failf("Watch: events of revision %d: %v", c.Rev, err)
				}
				ikey := string(appendIKey(nil, ev.Family, ev.Key))
				delete(state, ikey)
				if ev.Op != OpDelete {
					w := cell{value: string(ev.Value)}
					if !ev.Expires.IsZero() {
						w.expires = ev.Expires.UnixMilli()
					}
					state[ikey] = w
				}
			}
			if gone {
				break
			}
			if d := differ(state, m.model.states[next]); d != "" {
				m.failf("Watch from %d: after revision %d: %s", next, c.Rev, d)
			}
			if next == m.model.rev() || m.r.IntN(20) == 0 {
				break
			}
			next++
		}
	}
}
