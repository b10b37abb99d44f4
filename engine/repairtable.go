package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Mending tables. A damaged table is written anew from its good blocks and,
// for the keys of the bad ones, from the records of the log.

// A spanOfTable is a span of keys of which a table may have lost versions.
type spanOfTable struct {
	keySpan
	table  string
	maxRev Rev // of the versions it had
}

// tables mends the tables that MANIFEST names.
func (m *mender) tables() error {
	next := m.man.clone()
	next.tables = nil
	for i := range m.man.tables {
		line := m.man.tables[i]
		anew, err := m.table(&line)
		if err != nil {
			return err
		}
		if anew {
			next.tables = append(next.tables, line)
		}
	}
	if slices.Equal(next.tables, m.man.tables) {
		return nil
	}
	if err := m.keep(manifestFile); err != nil {
		return err
	}
	old := m.man
	if err := m.putManifest(next); err != nil {
		return err
	}
	return m.retire(old)
}

// retire removes the tables that MANIFEST does not name any more. A copy of
// each lies in quarantine/.
func (m *mender) retire(old *manifest) error {
	for i := range old.tables {
		ref := old.tables[i].ref
		if slices.ContainsFunc(m.man.tables, func(t tableLine) bool { return t.ref.id == ref.id }) {
			continue
		}
		if err := m.remove(tableName(ref.id)); err != nil {
			return err
		}
	}
	return nil
}

// table mends one table and its line. It reports whether there is anything left
// of it.
func (m *mender) table(line *tableLine) (left bool, err error) {
	name := tableName(line.ref.id)
	s, err := openSalvage(m.fsys, m.dir, name, line.ref, line.as)
	if err != nil {
		return false, err
	}
	defer s.close()
	sound := m.sound(s)
	if !sound {
		if err := s.each(m.ctx, func(*version) error { return nil }); err != nil {
			return false, err
		}
		sound = s.whole() && m.verifies(s.t)
	}
	if sound {
		if reason := line.differs(&s.t.inf, m.man); reason != "" {
			return m.relabel(line, &s.t.inf, reason)
		}
		return true, nil
	}
	if !s.opened && s.read == line.ref.entries {
		s.spans = nil // only what leads to the blocks is damaged
	}
	extra, covered, err := m.fromLog(line, s)
	if err != nil {
		return false, err
	}
	if err := m.keep(name); err != nil {
		return false, err
	}
	info, err := m.writeTable(s, kindMerge, extra, func(v *version) bool { return string(v.key) > line.lower })
	if err != nil {
		return false, err
	}
	a := Action{What: ActRebuild, File: name, Bytes: line.ref.size, First: line.minRev, Last: line.maxRev, Lossless: true}
	lost := int64(0)
	if !covered && (len(s.spans) > 0 || len(s.known) > 0) {
		lost = max(line.ref.entries-s.read-int64(len(extra)), 1)
		a.Lossless = false
		m.loseVersions(line, s, lost)
	}
	a.Note = fmt.Sprintf("%d of %d entries are whole", s.read, line.ref.entries)
	switch {
	case lost > 0 && info == nil:
		a.What, a.Note = ActDrop, a.Note+"; nothing of it can be read"
	case lost > 0:
		a.Note += fmt.Sprintf(", %d are lost; %d come from the log", lost, len(extra))
	case len(extra) > 0 || s.read < line.ref.entries:
		a.Note += "; all others come from the records in the log"
	default:
		a.Note += "; only what leads to them is damaged"
	}
	m.act(a)
	if info == nil {
		return false, nil
	}
	fresh := lineOf(info, line.run)
	fresh.lower = line.lower
	*line = fresh
	return true, nil
}

// verifies reports whether a table is without fault in every respect.
func (m *mender) verifies(t *table) bool {
	good := true
	t.verify(m.ctx, func(error) { good = false })
	return good
}

// relabel mends a line that does not fit its table, which is whole and the one
// that the line means: its digest says so.
func (m *mender) relabel(line *tableLine, info *tableInfo, reason string) (bool, error) {
	if info.database != m.man.database || info.maxRev > m.man.folded.rev {
		return false, unmendable(manifestFile, "%s: %s", tableName(info.id), reason)
	}
	fresh := lineOf(info, line.run)
	fresh.lower, fresh.as = line.lower, line.as
	*line = fresh
	m.act(Action{What: ActRewrite, File: manifestFile, Lossless: true, Note: tableName(info.id) + ": " + reason})
	return true, nil
}

// writeTable writes a table of what can be read of one and of extra versions,
// which are sorted. It returns nil if there is none at all.
func (m *mender) writeTable(s *tableSalvage, kind tableKind, extra []version, alive func(*version) bool) (*tableInfo, error) {
	w, err := m.db.newTable(kind)
	if err != nil {
		return nil, err
	}
	defer discardTable(m.db.fsys, w)
	n := 0
	add := func(v *version) error {
		for ; len(extra) > 0 && compareVersions(&extra[0], v) <= 0; extra = extra[1:] {
			if compareVersions(&extra[0], v) < 0 {
				n++
				if err := w.add(&extra[0]); err != nil {
					return err
				}
			}
		}
		if !alive(v) {
			return nil
		}
		n++
		return w.add(v)
	}
	if err := s.each(m.ctx, add); err != nil {
		return nil, err
	}
	for i := range extra {
		n++
		if err := w.add(&extra[i]); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		w.abort()
		return nil, nil
	}
	info, err := w.finish()
	if err != nil {
		return nil, err
	}
	return &info, m.db.adopt(w)
}

// fromLog collects what the log has of the keys of which a table lost versions.
// covered says that this is all that the table had of them: the log has every
// record from the oldest of those versions on.
//
// All revisions up to the folded one are taken, also those of other tables: a
// delete that a merge has dropped, because nothing older was left for it to
// hide, must not stay away when what it hid comes back.
func (m *mender) fromLog(line *tableLine, s *tableSalvage) (extra []version, covered bool, err error) {
	if len(s.spans) == 0 && len(s.known) == 0 {
		return nil, true, nil
	}
	wanted := func(v *version) bool {
		if string(v.key) <= line.lower || string(v.key) < line.first || string(v.key) > line.last {
			return false
		}
		return slices.ContainsFunc(s.spans, func(p keySpan) bool { return p.has(v.key) }) ||
			slices.ContainsFunc(s.known, func(k version) bool { return bytes.Equal(k.key, v.key) })
	}
	known := make(map[string]bool)
	for i := range s.known {
		known[string(s.known[i].key)] = true
	}
	covered = line.minRev >= m.firstRecord() && line.as == assigned{}
	take := func(v *version) error {
		if len(s.spans) == 0 && !known[string(v.key)] || !wanted(v) {
			return nil
		}
		c := copyVersion(*v)
		c.key = bytes.Clone(v.key)
		extra = append(extra, c)
		return nil
	}
	from := max(m.firstRecord(), line.minRev)
	if from > m.man.folded.rev {
		return nil, false, nil
	}
	err = m.db.records(m.ctx, from, m.man.folded.rev, func(r *record) error {
		if r.isVoid() {
			covered = false
			return nil
		}
		var inner error
		err := r.each(func(o *operation) bool {
			if o.op == OpIngest {
				var all bool
				all, inner = m.fromIngest(r, o.table, take)
				covered = covered && all
				return inner == nil
			}
			v := versionOf(r, o)
			inner = take(&v)
			return inner == nil
		})
		return errors.Join(inner, err)
	})
	sortVersions(extra)
	return slices.CompactFunc(extra, func(a, b version) bool { return compareVersions(&a, &b) == 0 }), covered, err
}

// fromIngest calls take with the versions of a table that a record ingested,
// and reports whether the table is still there, whole.
func (m *mender) fromIngest(r *record, ref tableRef, take func(*version) error) (bool, error) {
	s, err := openSalvage(m.fsys, m.dir, tableName(ref.id), ref, assigned{rev: r.rev, stamp: r.stamp, origin: r.origin})
	if err != nil {
		return false, err
	}
	defer s.close()
	err = s.each(m.ctx, take)
	return s.whole(), err
}

// firstRecord is the first revision from which on the log has every record, or
// a void.
func (m *mender) firstRecord() Rev {
	places, _, err := listLog(m.fsys, m.dir)
	if err != nil || len(places) == 0 {
		return m.man.folded.rev + 1
	}
	return places[0].first
}

// ingestAnew looks after the tables that a record of the tail names. Where one
// is damaged it is written anew, and the operations are returned that name it.
func (m *mender) ingestAnew(r *record) (ops []operation, err error) {
	changed := false
	each := r.each(func(o *operation) bool {
		op := operation{op: o.op, table: o.table}
		if o.op == OpIngest {
			var ref tableRef
			if ref, err = m.ingestTable(r, o.table); ref != o.table {
				op.table, changed = ref, true
			}
		}
		ops = append(ops, op)
		return err == nil
	})
	if err = errors.Join(err, each); err != nil || !changed {
		return nil, err
	}
	ops = slices.DeleteFunc(ops, func(o operation) bool { return o.table.size == 0 })
	if len(ops) == 0 {
		ops = voidOperation(fmt.Sprintf("lost in repair: nothing of the tables of revision %d could be read", r.rev))
	}
	slices.SortFunc(ops, func(a, b operation) int {
		if a.precedes(&b) {
			return -1
		}
		return 1
	})
	return ops, nil
}

// ingestTable returns the table that is to be named in the place of one: that
// itself if it is whole, and the zero tableRef if nothing of it can be read.
func (m *mender) ingestTable(r *record, ref tableRef) (tableRef, error) {
	name := tableName(ref.id)
	s, err := openSalvage(m.fsys, m.dir, name, ref, assigned{})
	if err != nil {
		return ref, err
	}
	defer s.close()
	if m.sound(s) {
		return ref, nil
	}
	if err := s.each(m.ctx, func(*version) error { return nil }); err != nil {
		return ref, err
	}
	if s.whole() && m.verifies(s.t) {
		return ref, nil
	}
	if !s.opened && s.read == ref.entries {
		s.spans = nil
	}
	lost := len(s.spans) > 0 || len(s.known) > 0
	if err := m.keep(name); err != nil {
		return ref, err
	}
	info, err := m.writeTable(s, kindIngest, nil, func(*version) bool { return true })
	if err != nil {
		return ref, err
	}
	a := Action{
		What: ActRebuild, File: name, Bytes: ref.size, First: r.rev, Last: r.rev, Lossless: !lost,
		Note: fmt.Sprintf("%d of %d entries are whole", s.read, ref.entries),
	}
	if info == nil {
		a.What = ActDrop
	}
	m.act(a)
	if lost {
		line := tableLine{ref: ref, minRev: r.rev, maxRev: r.rev, as: assigned{rev: r.rev}}
		m.loseVersions(&line, s, max(ref.entries-s.read, 1))
	}
	if info == nil {
		return tableRef{}, nil
	}
	return tableRef{id: info.id, size: info.size, sum: info.sum, entries: int64(info.entries)}, nil
}
