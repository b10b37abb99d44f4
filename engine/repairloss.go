package engine

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// What a repair gives up: which transactions and versions, which keys that
// concerns, and what those have afterwards.

// maxLostKeys is how many keys of spans a plan names. The keys of records are
// all named: a record is bounded.
const maxLostKeys = 10_000

// lose notes records that are given voids. next is the first record behind
// them that is whole, or nil.
func (m *mender) lose(lost []lostRecord, next *logItem) {
	for i := range lost {
		g := &lost[i]
		a := Action{What: ActVoid, File: g.file, Offset: g.offset, Bytes: g.bytes, First: g.rev, Last: g.rev, Lossless: true}
		acknowledged := m.wasAcknowledged(g.rev, next)
		switch {
		case g.ingests != nil:
			a.Note = "rebuilt from the tables that it names"
		case g.rev <= m.man.folded.rev:
			a.Note = "what it did is in the tables; only the record of it is lost"
		case acknowledged == AcknowledgedNo:
			a.Note = "lost, and had not been acknowledged"
		default:
			a.Note, a.Lossless = "lost; acknowledged: "+acknowledged, false
			m.plan.LossN++
			m.plan.Complete = false // nothing that is made out of it is proven
		}
		if last := len(m.plan.Actions) - 1; g.bytes == 0 && last >= 0 {
			// Thousands of records may be missing in one place.
			if b := &m.plan.Actions[last]; b.What == ActVoid && b.Bytes == 0 && b.Note == a.Note && b.Last+1 == a.First {
				b.Last = a.Last
				continue
			}
		}
		m.act(a)
		if g.ingests != nil || g.rev <= m.man.folded.rev {
			continue
		}
		for j := range g.ops {
			if o := &g.ops[j]; o.op != OpIngest {
				m.plan.Lost = append(m.plan.Lost, LostKey{
					Family: string(o.family), Key: string(o.key), Op: o.op.String(), Rev: g.rev, Acknowledged: acknowledged,
				})
			}
		}
	}
}

// wasAcknowledged says whether a record had been acknowledged to its writer.
func (m *mender) wasAcknowledged(rev Rev, next *logItem) string {
	switch {
	case rev <= m.acknowledged(), rev <= m.man.folded.rev, next != nil && next.allDurable,
		m.markBad == "" && rev <= m.mark.pos.rev:
		return AcknowledgedYes
	case m.markBad == "" && m.mark.current(m.boot):
		return AcknowledgedNo
	}
	return AcknowledgedUnknown
}

// loseVersions notes what a table has lost.
func (m *mender) loseVersions(line *tableLine, s *tableSalvage, lost int64) {
	name := tableName(line.ref.id)
	m.plan.LossN += lost
	for i := range s.known {
		v := &s.known[i]
		rev := v.rev
		if rev == 0 {
			rev = line.as.rev
		}
		family, key := splitIKey(v.key)
		m.plan.Lost = append(m.plan.Lost, LostKey{
			Family: string(family), Key: string(key), Op: OpSet.String(), Rev: rev, Acknowledged: AcknowledgedYes, Proven: true,
		})
	}
	for _, span := range s.spans {
		if len(span.lo) == 0 || string(span.lo) < line.first && line.first != "" {
			span.lo = []byte(line.first)
		}
		if span.hi == nil && line.last != "" || line.last != "" && string(span.hi) > line.last {
			span.hi = []byte(line.last)
		}
		// The span outlives the table that it points into.
		span.lo, span.hi = bytes.Clone(span.lo), bytes.Clone(span.hi)
		m.plan.Complete = false
		m.spans = append(m.spans, spanOfTable{keySpan: span, table: name, maxRev: line.maxRev})
		fromFamily, from := splitIKey(span.lo)
		toFamily, to := splitIKey(span.hi)
		m.plan.Spans = append(m.plan.Spans, LostSpan{
			File: name, Offset: span.offset, Entries: span.entries,
			FromFamily: string(fromFamily), From: string(from), ToFamily: string(toFamily), To: string(to),
		})
	}
}

// remove removes a file of which a copy lies in quarantine/.
func (m *mender) remove(file string) error {
	path := filepath.Join(m.dir, filepath.FromSlash(file))
	if err := m.fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return m.fsys.SyncDir(filepath.Dir(path))
}

// fallBacks reads the repaired database for what the keys concerned have now.
func (m *mender) fallBacks() error {
	if len(m.plan.Lost) == 0 && len(m.spans) == 0 {
		return nil
	}
	db, err := Open(m.ctx, m.dir, Options{ReadOnly: true, FS: m.fsys, Now: m.now})
	var b *base
	var at Rev
	if err == nil {
		defer db.Close()
		if b, at, err = db.pin(); err == nil {
			defer b.release()
		}
	}
	if err != nil {
		if !errors.Is(err, ErrDamaged) {
			return err
		}
		for i := range m.plan.Lost {
			m.plan.Lost[i].Falls = FallsUnknown
		}
		return nil
	}
	for i := range m.plan.Lost {
		l := &m.plan.Lost[i]
		v, ok, err := b.get(appendIKey(nil, l.Family, l.Key), at)
		l.fall(&v, ok, err)
	}
	for i := range m.spans {
		if err := m.keysOf(b, at, &m.spans[i]); err != nil {
			return err
		}
	}
	slices.SortStableFunc(m.plan.Lost, func(a, b LostKey) int {
		return bytes.Compare(appendIKey(nil, a.Family, a.Key), appendIKey(nil, b.Family, b.Key))
	})
	return nil
}

// fall notes what a key has after the repair.
func (l *LostKey) fall(v *version, ok bool, err error) {
	switch {
	case err != nil:
		l.Falls = FallsUnknown
	case !ok:
		l.Falls = FallsAbsent
	case v.deleted:
		l.Falls, l.FromRev = FallsDeleted, v.rev
	default:
		l.Falls, l.FromRev, l.Value = FallsValue, v.rev, bytes.Clone(v.value)
	}
}

// keysOf names the keys that are left in a span. A key that was written since
// the lost versions were is not concerned.
func (m *mender) keysOf(b *base, at Rev, span *spanOfTable) error {
	o := iterOptions{lo: span.lo}
	if span.hi != nil {
		o.hi = append(bytes.Clone(span.hi), 0)
	}
	sources, err := b.sources(&o, at)
	if err != nil {
		return err
	}
	var last []byte
	return each(m.ctx, newMergeSource(sources, false), func(v *version) error {
		if last != nil && bytes.Equal(last, v.key) {
			return nil
		}
		last = append(last[:0], v.key...)
		if v.rev > span.maxRev || len(m.plan.Lost) >= maxLostKeys {
			return nil
		}
		family, key := splitIKey(v.key)
		l := LostKey{Family: string(family), Key: string(key), Acknowledged: AcknowledgedYes}
		l.fall(v, true, nil)
		m.plan.Lost = append(m.plan.Lost, l)
		return nil
	})
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC().Truncate(time.Second) }
