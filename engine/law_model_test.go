package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A modelRun is a database under random operations, through two handles as two
// processes would have them, beside a model of all its states.
type modelRun struct {
	t     *testing.T
	r     *rand.Rand
	ctx   context.Context
	dir   string
	clock *lawClock
	model *lawModel
	dbs   [2]*DB
	from  Rev // the first revision whose state can be read
	steps []string
}

func (m *modelRun) failf(format string, args ...any) {
	m.t.Helper()
	last := m.steps[max(0, len(m.steps)-12):]
	m.t.Fatalf("%s\nlast steps:\n  %s", fmt.Sprintf(format, args...), strings.Join(last, "\n  "))
}

func (m *modelRun) did(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf("%d: ", m.model.rev())+fmt.Sprintf(format, args...))
}

func (m *modelRun) options() Options {
	return Options{
		Create: true, Now: m.clock.now, Writer: "w", sizes: lawSizes,
		Notice: func(s string) {
			if !strings.HasPrefix(s, "created ") {
				m.t.Errorf("notice %q, want none", s)
			}
		},
	}
}

func (m *modelRun) db() *DB {
	i := m.r.IntN(len(m.dbs))
	if m.dbs[i] == nil {
		m.dbs[i] = mustOpen(m.t, m.dir, m.options())
	}
	return m.dbs[i]
}

func (m *modelRun) key() string {
	families := []string{"", "", "", "a", "b.c"}
	alphabet := "ab\x00\xff"
	n := 1 + m.r.IntN(3)
	key := make([]byte, n)
	for i := range key {
		key[i] = alphabet[m.r.IntN(len(alphabet))]
	}
	return string(appendIKey(nil, families[m.r.IntN(len(families))], string(key)))
}

// writes draws the writes of a transaction.
func (m *modelRun) writes(n int) map[string]*cell {
	writes := make(map[string]*cell)
	for range n {
		var c *cell
		switch k := m.r.IntN(10); {
		case k < 3:
		case k < 5:
			c = &cell{value: m.value(), expires: max(m.clock.ms+int64(m.r.IntN(400)-40), 1)}
		default:
			c = &cell{value: m.value()}
		}
		writes[m.key()] = c
	}
	return writes
}

func (m *modelRun) value() string {
	n := m.r.IntN(30)
	if m.r.IntN(40) == 0 {
		n = m.r.IntN(3000)
	}
	return strings.Repeat(string(rune('a'+m.r.IntN(26))), n)
}

// committed brings the model to what a transaction made.
func (m *modelRun) committed(res Result, err error, writes map[string]*cell) {
	m.t.Helper()
	if err != nil || res.Outcome != Committed {
		m.failf("commit of %d keys = %v, %v, want committed", len(writes), res.Outcome, err)
	}
	if len(writes) == 0 {
		return
	}
	for ikey, c := range writes {
		if c != nil && c.expires != 0 && c.expires <= m.clock.ms {
			writes[ikey] = nil
		}
	}
	if res.Rev != m.model.rev()+1 {
		m.failf("commit made revision %d, want %d", res.Rev, m.model.rev()+1)
	}
	if res.Stamp <= m.model.stamps[m.model.rev()] {
		m.failf("stamp %d after %d", res.Stamp, m.model.stamps[m.model.rev()])
	}
	m.model.commit(writes, res.Stamp)
}

func (m *modelRun) step() {
	m.clock.ms += int64(m.r.IntN(20))
	switch k := m.r.IntN(100); {
	case k < 45:
		m.update()
	case k < 57:
		m.optimistic()
	case k < 67:
		m.load()
	case k < 72 && m.model.rev() == 0: // there is no database yet
	case k < 70:
		db := m.db()
		m.did("maintain")
		if err := db.maintain(m.ctx, m.r.IntN(4)); err != nil {
			m.failf("maintain: %v", err)
		}
	case k < 72:
		m.compact()
	case k < 80:
		i := m.r.IntN(len(m.dbs))
		if m.dbs[i] != nil {
			m.did("close handle %d", i)
			if err := m.dbs[i].Close(); err != nil {
				m.failf("Close: %v", err)
			}
			m.dbs[i] = nil
		}
	default:
		m.look()
	}
}

func (m *modelRun) update() {
	writes := m.writes(1 + m.r.IntN(4))
	if m.r.IntN(60) == 0 {
		writes = nil
	}
	m.did("update %d", len(writes))
	db := m.db()
	res, err := db.Update(m.ctx, func(tx Tx) error {
		if m.r.IntN(2) == 0 {
			if d := m.get(tx, m.model.newest().at(m.clock.ms)); d != "" {
				m.failf("in Update: %s", d)
			}
		}
		return put(m.ctx, tx, writes)
	})
	m.committed(res, err, writes)
}

// optimistic runs a transaction between Begin and Commit, and others meanwhile.
func (m *modelRun) optimistic() {
	tx, err := m.db().Begin(m.ctx)
	if err != nil {
		m.failf("Begin: %v", err)
	}
	defer tx.Rollback()
	read, now := m.key(), m.clock.ms
	seen := m.model.newest().at(now)
	family, key := splitIKey([]byte(read))
	e, err := tx.In(string(family)).Get(m.ctx, string(key))
	if c, ok := seen[read]; ok != (err == nil) || ok && cellOf(e) != c {
		m.failf("Begin: Get(%q) = %q, %v, want %q, %t", read, e.Value, err, c.value, ok)
	}
	before := m.model.rev()
	for range m.r.IntN(3) {
		m.update()
	}
	if m.r.IntN(4) == 0 {
		m.load()
	}
	touched := false
	for _, s := range m.model.states[before+1:] {
		_, had := m.model.states[before][read]
		c, has := s[read]
		touched = touched || had != has || c != m.model.states[before][read]
	}
	again, err := tx.In(string(family)).Get(m.ctx, string(key))
	if c, ok := seen[read]; ok != (err == nil) || ok && cellOf(again) != c {
		m.failf("Begin, later: Get(%q) = %q, %v, want %q, %t", read, again.Value, err, c.value, ok)
	}
	writes := m.writes(1 + m.r.IntN(2))
	if err := put(m.ctx, tx, writes); err != nil {
		m.failf("write: %v", err)
	}
	res, err := tx.Commit(m.ctx)
	m.did("optimistic commit from %d: %v", before, err)
	if errors.Is(err, ErrConflict) {
		if m.model.rev() == before {
			m.failf("Commit = %v, though nothing was committed meanwhile", err)
		}
		if res.Outcome != NotCommitted {
			m.failf("Commit = %v, %v", res.Outcome, err)
		}
		return
	}
	if touched {
		m.failf("Commit = %v, %v, though %q had changed", res, err, read)
	}
	m.committed(res, err, writes)
}

func (m *modelRun) load() {
	items := m.writes(1 + m.r.IntN(12))
	if m.r.IntN(2) == 0 {
		maps.Copy(items, m.writes(40)) // a table
	}
	if m.r.IntN(5) == 0 { // of a higher tier than folds are
		for _, c := range items {
			if c != nil {
				c.value = strings.Repeat(c.value+"x", 100)
			}
		}
	}
	on := []OnConflict{Replace, Keep}[m.r.IntN(2)]
	if on == Keep {
		maps.DeleteFunc(items, func(_ string, c *cell) bool { return c == nil })
	}
	writes := make(map[string]*cell)
	now := m.model.newest().at(m.clock.ms)
	for ikey, c := range items {
		old, there := now[ikey]
		gone := c == nil || c.expires != 0 && c.expires <= m.clock.ms
		switch {
		case there && (on == Keep || !gone && old == *c), !there && gone:
		case gone:
			writes[ikey] = nil
		default:
			writes[ikey] = c
		}
	}
	order := slices.Collect(maps.Keys(items))
	db := m.db()
	if m.r.IntN(3) == 0 && m.model.rev() > 0 {
		// Another process is at the tables: what is loaded stays in the log.
		if unlock, err := db.maintainer(); unlock != nil && err == nil {
			defer unlock()
		}
	}
	res, err := db.Load(m.ctx, func(yield func(Item, error) bool) {
		for _, ikey := range order {
			family, key := splitIKey([]byte(ikey))
			it := Item{Family: string(family), Key: key, Delete: items[ikey] == nil}
			if c := items[ikey]; c != nil {
				it.Value = []byte(c.value)
				if c.expires != 0 {
					it.Expires = time.UnixMilli(c.expires)
				}
			}
			if !yield(it, nil) {
				return
			}
		}
	}, on)
	m.did("load %d, %d changes: %+v", len(items), len(writes), res)
	if n := res.Added + res.Changed + res.Deleted; err == nil && n != int64(len(writes)) {
		m.failf("Load = %+v, want %d changes", res, len(writes))
	}
	m.committed(res.Result, err, writes)
}

func (m *modelRun) compact() {
	keep := time.Duration(m.r.IntN(2000)) * time.Millisecond
	o := CompactOptions{Keep: &keep}
	if m.r.IntN(2) == 0 {
		o.Keep = nil
	}
	res, err := m.db().Compact(m.ctx, o)
	m.did("compact, keep %v: %+v", o.Keep != nil, res)
	if err != nil {
		m.failf("Compact: %v", err)
	}
	if o.Keep == nil {
		return
	}
	cutoff := m.clock.now().Add(-keep)
	for rev := res.HistoryFrom; rev <= m.model.rev(); rev++ {
		if !m.model.stamps[rev].Time().After(cutoff) {
			m.failf("Compact keeps revision %d of %v, longer than %v", rev, m.model.stamps[rev].Time(), cutoff)
		}
	}
}

// Ensure that a database under random operations reads as a model that keeps
// every state, at every revision it still has.
func TestLawModel(t *testing.T) {
	r := lawRand(t)
	for range effort(2, 12, 150) {
		m := &modelRun{t: t, r: r, ctx: t.Context(), dir: filepath.Join(lawDir(t), "m.kv"), clock: newLawClock(), model: newLawModel()}
		for range 100 + r.IntN(400) {
			m.step()
		}
		for i, db := range m.dbs {
			if db != nil {
				if err := db.Close(); err != nil {
					m.failf("Close of handle %d: %v", i, err)
				}
			}
		}
		m.everything()
	}
}
