package engine

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
)

// A segmentEdit makes the new content of a segment.
type segmentEdit struct {
	l       *logMender
	s       *segmentPlan
	data    []byte // as it is
	out     []byte // as it will be
	cuts    []logItem
	pending []logItem // cuts of which it is not known yet what stood there
	changed bool
}

// item goes over a record or bad place. next is the first record that is kept
// from there on.
func (e *segmentEdit) item(it *logItem, next *logItem) error {
	if it.reason != "" {
		it.raw = e.data[it.offset:min(it.end, int64(len(e.data)))]
		e.cuts, e.pending = append(e.cuts, *it), append(e.pending, *it)
		e.l.m.act(Action{
			What: ActCut, File: e.s.place.file(), Offset: it.offset, Bytes: int64(len(it.raw)), Lossless: true, Note: it.reason,
		})
		return nil
	}
	if it.rev > e.l.last.rev+1 {
		if err := e.voids(it.rev-1, next); err != nil {
			return err
		}
	}
	e.pending = nil // no revision is missing here
	if it.replacements != nil {
		return e.replace(it)
	}
	e.out = append(e.out, e.data[it.offset:it.end]...)
	e.l.last = *it
	return nil
}

// replace puts a record that names other tables in the place of one.
func (e *segmentEdit) replace(it *logItem) error {
	r := record{rev: it.rev, stamp: it.stamp, origin: e.l.m.id.copy, prev: it.prev}
	if it.allDurable {
		r.flags = flagAllDurable
	}
	rec, _, err := appendSealed(nil, &r, it.replacements, &it.sum)
	if err != nil {
		return err
	}
	e.out = appendFrame(e.out, rec)
	e.changed = true
	e.l.last = *it
	e.l.m.act(Action{
		What: ActRewrite, File: e.s.place.file(), Offset: it.offset, Bytes: it.end - it.offset, First: it.rev, Last: it.rev,
		Lossless: true, Note: "the record names the table that was written anew",
	})
	return nil
}

// voids gives every revision from the last one up to to a record: a void, or,
// where what is left of the lost one names tables that are there, the ingest
// of those. next is the record behind them, or nil.
func (e *segmentEdit) voids(to Rev, next *logItem) error {
	l, m := e.l, e.l.m
	from := l.last.rev + 1
	lost := e.guess(from, to)
	e.pending = nil
	m.lose(lost, next)
	for rev := from; rev <= to; rev++ {
		g := lost[rev-from]
		r := record{rev: rev, stamp: l.last.stamp + 1, origin: m.id.copy, prev: l.last.sum}
		if l.last.stamp == 0 && next != nil {
			r.stamp = next.stamp - Stamp(next.rev-rev)
		}
		if next != nil && g.stamp > r.stamp && g.stamp < next.stamp-Stamp(to-rev) {
			r.stamp = g.stamp // unproven, but where it belongs
		}
		ops := g.ingests
		if ops == nil {
			ops = voidOperation(g.text())
		}
		rec, sum, err := appendSealed(nil, &r, ops, m.wanted(rev, next))
		if err != nil {
			return err
		}
		e.out = appendFrame(e.out, rec)
		e.changed = true
		l.last = logItem{rev: rev, sum: sum, stamp: r.stamp}
	}
	return nil
}

// wanted is the checksum that others know the record of a revision by, or nil.
func (m *mender) wanted(rev Rev, next *logItem) *uint32 {
	switch {
	case next != nil && next.rev == rev+1:
		return &next.prev
	case rev == m.man.folded.rev && !m.man.folded.anySum:
		return &m.man.folded.sum
	case m.markBad == "" && rev == m.mark.pos.rev && !m.mark.pos.anySum:
		return &m.mark.pos.sum
	}
	return nil
}

// A lostRecord is what is known of a record that cannot be read.
type lostRecord struct {
	rev     Rev
	file    string
	offset  int64
	bytes   int64       // 0: nothing of it is there
	stamp   Stamp       // made out of damaged bytes, unproven
	ops     []operation // made out of damaged bytes, unproven
	ingests []operation // of tables that are there, proven by their digests
}

func (g *lostRecord) text() string {
	if g.bytes == 0 {
		return fmt.Sprintf("lost in repair: nothing of revision %d was there", g.rev)
	}
	return fmt.Sprintf("lost in repair: %d bytes at %d of %s, kept in %s/", g.bytes, g.offset, g.file, quarantineDir)
}

// guess shares out what was cut among the revisions that are missing.
func (e *segmentEdit) guess(from, to Rev) []lostRecord {
	lost := make([]lostRecord, to-from+1)
	for i := range lost {
		lost[i].rev = from + Rev(i)
	}
	next := 0
	for _, cut := range e.pending {
		for at := 0; at < len(cut.raw); {
			raw := cut.raw[at:]
			if n, length, _, err := parseFrame(raw[:min(len(raw), 10)]); err == nil && n+length < len(raw) && len(lost) > 1 {
				raw = raw[:n+length]
			}
			if next < len(lost) {
				g := &lost[next]
				g.file, g.offset, g.bytes = e.s.place.file(), cut.offset+int64(at), int64(len(raw))
				g.ops, g.stamp = guessAll(raw), rawStamp(raw)
				if len(g.ops) > 0 && len(g.ops) == guessCount(raw) {
					g.ingests = e.l.m.provenIngests(g.ops)
				}
				next++
			}
			at += len(raw)
		}
	}
	return lost
}

// guessCount is the number of operations that a damaged wal entry says it has.
func guessCount(raw []byte) int {
	n, _, _, err := parseFrame(raw[:min(len(raw), 10)])
	if err != nil || len(raw) < n+recordMinSize {
		return 0
	}
	at := n + recordHeaderSize + int(raw[n+recordHeaderSize-1])
	if at+4 > len(raw) {
		return 0
	}
	return int(binary.LittleEndian.Uint32(raw[at:]))
}

// provenIngests returns operations if they are ingests of tables that are all
// there: a table has exactly one digest, so what names it was read right.
func (m *mender) provenIngests(ops []operation) []operation {
	for i := range ops {
		if ops[i].op != OpIngest || i > 0 && !ops[i-1].precedes(&ops[i]) {
			return nil
		}
		name := tableName(ops[i].table.id)
		t, err := openTable(m.fsys, filepath.Join(m.dir, filepath.FromSlash(name)), name, assigned{})
		if err != nil {
			return nil
		}
		info := t.info()
		t.release()
		if info.size != ops[i].table.size || info.sum != ops[i].table.sum || int64(info.entries) != ops[i].table.entries ||
			info.database != m.id.id || info.minRev != 0 {
			return nil
		}
	}
	return ops
}

// write puts the new content in place. What it cuts is kept.
func (e *segmentEdit) write() error {
	m, file := e.l.m, e.s.place.file()
	for _, cut := range e.cuts {
		if err := m.cut(file, cut.offset, cut.raw, cut.reason); err != nil {
			return err
		}
	}
	return m.replace(file, e.out)
}
