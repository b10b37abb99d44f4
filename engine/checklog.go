package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// log checks every segment of log/ and history/.
func (c *checker) log() error {
	places, _, err := listLog(c.fsys, c.dir)
	if err != nil {
		return err
	}
	if c.man != nil {
		// What lies wholly before history is no part of it any more. Of these
		// segments a loss of power may bring back one and not the next.
		places = slices.DeleteFunc(places, func(p *segmentPlace) bool { return p.next != 0 && p.next <= c.man.historyFrom })
	}
	if len(places) > 0 && c.man != nil && places[0].first > c.man.historyFrom {
		if c.overtaken() {
			return errCheckAgain
		}
		rev := c.man.historyFrom
		c.fault(Fault{
			File: historyDir, Rev: rev, Acknowledged: c.acknowledged(rev),
			Reason: fmt.Sprintf("the segment with this revision is missing, the first is that of revision %d", places[0].first),
		})
	}
	if err := c.misplaced(places); err != nil {
		return err
	}
	// What came behind the end that recovery found is younger than this check.
	var until *position
	if c.end != nil && c.end.end.segment != 0 && c.end.torn == nil && c.Verdict != VerdictDamaged {
		until = &c.end.end
	}
	total := int64(0)
	for _, p := range places {
		if info, err := c.fsys.Stat(filepath.Join(c.dir, p.file())); err == nil {
			total += info.Size()
		}
	}
	w := logCheck{c: c, unproven: len(c.Faults) > 0, step: withStep(c.ctx, Progress{Doing: "verify", Total: total, Bytes: true})}
	if err := walkLog(c.ctx, c.fsys, c.dir, places, until, w.piece); err != nil {
		return err
	}
	for _, p := range places {
		c.counted(p.file())
	}
	if c.end == nil {
		c.Rev = w.last.rev
	}
	return w.err
}

// misplaced notes segments of history/ with records that no table has: readers
// and writers look for these in log/.
func (c *checker) misplaced(places []*segmentPlace) error {
	for i, p := range places {
		if c.man == nil || p.folder != historyDir || i+1 < len(places) && places[i+1].first <= c.man.folded.rev+1 {
			continue
		}
		if c.overtaken() {
			return errCheckAgain
		}
		c.fault(Fault{
			File: p.file(), Rev: max(p.first, c.man.folded.rev+1), Acknowledged: AcknowledgedYes,
			Reason: fmt.Sprintf("the tables hold revisions up to %d: a later one belongs into %s/", c.man.folded.rev, logDir),
		})
	}
	return nil
}

// A logCheck checks what a walk through the log finds.
type logCheck struct {
	c    *checker
	step context.Context // to tell how far it is
	last position        // of the last record

	// unproven says that of a fault so far it is not known whether it had been
	// acknowledged.
	unproven bool
	err      error
}

func (w *logCheck) piece(p *logPiece) bool {
	c := w.c
	progressed(w.step, p.end-p.before.offset)
	switch {
	case p.newer:
		w.err = fmt.Errorf("%s: %w", p.seg.file(), ErrNewer)
		return false
	case p.bad != "":
		w.bad(p)
		return true
	}
	c.Records++
	r := p.rec
	if w.unproven && r.durableBefore() {
		c.proven(r.rev)
		w.unproven = false
	}
	reason := ""
	switch {
	case r.stamp <= w.last.stamp && w.last.rev != 0:
		reason = "its stamp is not later than that of the record before"
	case c.man != nil && r.rev == c.man.folded.rev && !c.man.folded.anySum && r.sum != c.man.folded.sum:
		reason = fmt.Sprintf("%s knows this record with the checksum %08x, it has %08x", manifestFile, c.man.folded.sum, r.sum)
	case c.marked && r.rev == c.mark.pos.rev && !c.mark.pos.anySum && r.sum != c.mark.pos.sum:
		reason = fmt.Sprintf("%s knows this record with the checksum %08x, it has %08x", markFile, c.mark.pos.sum, r.sum)
	}
	w.last = position{rev: r.rev, stamp: r.stamp}
	var keys []string
	err := r.each(func(o *operation) bool {
		if o.op == OpIngest && c.man != nil && r.rev > c.man.folded.rev {
			c.ingest(r, o.table)
		}
		if reason != "" && len(keys) < maxFaultKeys {
			keys = append(keys, string(o.key))
		}
		return true
	})
	if err != nil {
		reason = err.Error()
	}
	if reason != "" {
		c.add(Fault{
			File: p.seg.file(), Offset: p.before.offset, Rev: r.rev, Reason: reason,
			Acknowledged: AcknowledgedYes, Keys: keys,
		})
	}
	return true
}

// proven notes that every record before a revision had been durable, as a whole
// record of that revision says: so what is bad among them had been acknowledged.
func (c *checker) proven(before Rev) {
	for i := range c.Faults {
		f := &c.Faults[i]
		isLog := strings.HasPrefix(f.File, logDir+"/") || strings.HasPrefix(f.File, historyDir+"/")
		if isLog && f.Rev != 0 && f.Rev < before && f.Acknowledged == AcknowledgedUnknown {
			f.Acknowledged = AcknowledgedYes
		}
	}
}

// bad notes a bad place.
func (w *logCheck) bad(p *logPiece) {
	c := w.c
	f := Fault{File: p.seg.file(), Offset: p.before.offset, Rev: p.before.rev + 1, Reason: p.bad}
	f.Acknowledged = c.acknowledged(f.Rev)
	if c.end != nil && c.end.torn != nil {
		if at := c.end.torn.at; p.seg.first > at.segment || p.seg.first == at.segment && f.Offset >= at.offset {
			f.Acknowledged = AcknowledgedNo
		}
	}
	note := func(o *operation) bool {
		if o.op != OpIngest && len(f.Keys) < maxFaultKeys {
			f.Keys = append(f.Keys, string(o.key))
		}
		return true
	}
	if p.rec != nil {
		c.Records++
		_ = p.rec.each(note) // whatever it breaks, it is bad already
		w.last = position{rev: p.rec.rev, stamp: p.rec.stamp}
	} else {
		for _, o := range guessOperations(p.raw) {
			note(&o)
		}
	}
	w.unproven = w.unproven || f.Acknowledged == AcknowledgedUnknown
	c.add(f)
}

// add notes a fault of the log, unless recovery named that place already: then
// it adds what it knows more.
func (c *checker) add(f Fault) {
	for i := range c.Faults {
		if g := &c.Faults[i]; g.File == f.File && g.Offset == f.Offset {
			g.Keys = f.Keys
			return
		}
	}
	c.fault(f)
}

// ingest notes a table that a record of the tail names.
func (c *checker) ingest(r *record, ref tableRef) {
	c.named[ref.id] = true
	c.live = append(c.live, tableLine{ref: ref, minRev: r.rev, maxRev: r.rev, as: assigned{rev: r.rev, stamp: r.stamp, origin: r.origin}})
}
