package engine

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
)

// Mending the log. Every record that is whole stays where it is and as it is.
// What is no record goes to quarantine/, and each revision that is missing is
// given a void (see void.go), so that the log is without gaps again and later
// transactions keep their revisions.

// A logItem is a record or a bad place of a segment.
type logItem struct {
	offset, end  int64
	rev          Rev // 0: a bad place
	sum, prev    uint32
	anySum       bool // sum is not known
	stamp        Stamp
	allDurable   bool
	raw          []byte      // of what is not kept: its bytes
	reason       string      // why it is not kept; empty: it is
	replacements []operation // that take the place of its own; nil: none do
}

// A segmentPlan is one segment of a log that is being mended.
type segmentPlan struct {
	place *segmentPlace
	size  int64
	items []logItem
	whole bool // nothing is wrong within: items are its first and last record
}

// A logMender mends the log of a database.
type logMender struct {
	m        *mender
	segments []*segmentPlan
	under    *segmentPlan // that is being read
	last     logItem      // the last record that is kept
	err      error
}

// log mends the segments of log/ and history/.
func (m *mender) log() error {
	l := &logMender{m: m}
	places, _, err := listLog(m.fsys, m.dir)
	if err != nil {
		return err
	}
	l.last = l.start(places)
	if err := walkLog(m.ctx, m.fsys, m.dir, places, nil, l.piece); err != nil {
		return err
	}
	if l.err != nil {
		return l.err
	}
	l.finishSegment()
	// walkLog says nothing of a segment without records.
	for i, p := range places {
		if i >= len(l.segments) || l.segments[i].place != p {
			l.segments = slices.Insert(l.segments, i, &segmentPlan{place: p, whole: true})
		}
	}
	return l.rebuild()
}

// piece collects what the walk finds, and decides segment by segment.
func (l *logMender) piece(p *logPiece) bool {
	if p.newer {
		l.err = fmt.Errorf("%s: %w", p.seg.file(), ErrNewer)
		return false
	}
	if l.under == nil || l.under.place != p.seg {
		l.finishSegment()
		l.under = &segmentPlan{place: p.seg, whole: true}
		l.segments = append(l.segments, l.under)
	}
	if p.rec == nil && p.end == p.before.offset {
		return true // a gap before the next segment: seen there
	}
	it := logItem{offset: p.before.offset, end: p.end}
	l.under.size = p.end
	if p.rec == nil {
		it.reason = p.bad
	} else {
		r := p.rec
		it.rev, it.sum, it.prev, it.stamp, it.allDurable = r.rev, r.sum, r.prev, r.stamp, r.durableBefore()
		it.reason = l.foreign(r)
		if it.reason == "" && r.rev > l.m.man.folded.rev {
			it.replacements, l.err = l.m.ingestAnew(r)
		}
	}
	l.under.whole = l.under.whole && p.bad == "" && it.reason == "" && it.replacements == nil
	l.under.items = append(l.under.items, it)
	return l.err == nil
}

// foreign says why a record that is whole cannot be one of this log.
func (l *logMender) foreign(r *record) string {
	m := l.m
	if err := r.each(func(*operation) bool { return true }); err != nil {
		return err.Error()
	}
	switch {
	case r.origin != m.id.copy:
		return "the record is of another copy of a database"
	case r.rev == m.man.folded.rev && !m.man.folded.anySum && r.sum != m.man.folded.sum:
		return fmt.Sprintf("%s knows this record with the checksum %08x, it has %08x", manifestFile, m.man.folded.sum, r.sum)
	case m.markBad == "" && r.rev == m.mark.pos.rev && !m.mark.pos.anySum && r.sum != m.mark.pos.sum:
		return fmt.Sprintf("%s knows this record with the checksum %08x, it has %08x", markFile, m.mark.pos.sum, r.sum)
	}
	return ""
}

// finishSegment decides which records of a segment are kept: as many as can
// stand there in the order of their revisions. A record within a value, which
// the walk may take for one of the log when what is around it is damaged, loses
// against those that follow.
func (l *logMender) finishSegment() {
	s := l.under
	l.under = nil
	if s == nil {
		return
	}
	if n := len(s.items); n > 0 && s.whole && s.items[0].rev == s.place.first && l.follows(&s.items[0]) {
		l.last = s.items[n-1]
		s.items = []logItem{s.items[0], s.items[n-1]}
		return
	}
	s.whole = false
	keep := make([]bool, len(s.items))
	for _, i := range ascending(s.items, func(rev Rev) bool {
		return rev > l.last.rev && rev >= s.place.first && (s.place.next == 0 || rev < s.place.next)
	}) {
		keep[i] = true
	}
	for i := range s.items {
		it := &s.items[i]
		switch {
		case it.reason != "":
		case !keep[i]:
			it.reason = fmt.Sprintf("the record of revision %d stands here", it.rev)
		case !l.follows(it):
			it.reason = fmt.Sprintf("the record before has the checksum %08x, this one follows %08x", l.last.sum, it.prev)
		default:
			l.last = *it
		}
	}
}

// follows reports whether a record may come after the last one that is kept,
// directly or behind a gap.
func (l *logMender) follows(it *logItem) bool {
	return it.rev > l.last.rev && (it.rev > l.last.rev+1 || l.last.anySum || it.prev == l.last.sum)
}

// ascending returns the indices of the most items whose revisions ascend, of
// those that may stand there and have nothing against them.
func ascending(items []logItem, may func(Rev) bool) (longest []int) {
	// ends[n] is the item with the least revision that ends a run of n+1; the
	// one before it in that run is in before (patience sorting).
	var ends []int
	before := make([]int, len(items))
	for i := range items {
		if items[i].rev == 0 || items[i].reason != "" || !may(items[i].rev) {
			continue
		}
		n := sort.Search(len(ends), func(n int) bool { return items[ends[n]].rev >= items[i].rev })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		ends = append(ends[:n], append([]int{i}, ends[min(n+1, len(ends)):]...)...)
	}
	if len(ends) == 0 {
		return nil
	}
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		longest = append(longest, i)
	}
	slices.Reverse(longest)
	return longest
}

// next is the first record kept in segment i from item j on, or later.
func (l *logMender) next(i, j int) *logItem {
	for ; i < len(l.segments); i, j = i+1, 0 {
		for ; j < len(l.segments[i].items); j++ {
			if it := &l.segments[i].items[j]; it.reason == "" && it.rev != 0 {
				return it
			}
		}
	}
	return nil
}

// rebuild writes anew what is not whole.
func (l *logMender) rebuild() error {
	m := l.m
	places := make([]*segmentPlace, len(l.segments))
	for i := range l.segments {
		places[i] = l.segments[i].place
	}
	l.last = l.start(places)
	first := l.last.rev + 1
	if first > m.man.historyFrom {
		if err := l.forget(first); err != nil {
			return err
		}
	}
	if n := len(l.segments); n == 0 || l.segments[0].place.first > first {
		p := &segmentPlace{folder: logDir, first: first}
		if n > 0 {
			p.folder, p.next = l.segments[0].place.folder, l.segments[0].place.first
		}
		l.segments = slices.Insert(l.segments, 0, &segmentPlan{place: p})
	}
	l.border()
	for i := range l.segments {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		if err := l.segment(i); err != nil {
			return err
		}
	}
	return nil
}

// border begins a segment in log/ behind the last one of history/, if there is
// none: what is not folded must not stand in history/.
func (l *logMender) border() {
	i := len(l.segments) - 1
	for ; i >= 0 && l.segments[i].place.folder != historyDir; i-- {
		if i == 0 {
			return
		}
	}
	before := &logMender{m: l.m, segments: l.segments[:i+1]}
	first := max(before.lastRev(), l.m.man.folded.rev) + 1
	p := l.segments[i].place
	if p.next != 0 && p.next <= first {
		return
	}
	l.segments = slices.Insert(l.segments, i+1, &segmentPlan{place: &segmentPlace{folder: logDir, first: first, next: p.next}})
	p.next = first
}

// start is what the log is to begin behind.
func (l *logMender) start(places []*segmentPlace) logItem {
	man := l.m.man
	if len(places) > 0 && places[0].first <= man.folded.rev {
		it := logItem{rev: places[0].first - 1, anySum: places[0].first > 1}
		if places[0].first == man.historyFrom {
			it.stamp = man.historyStamp
		}
		return it
	}
	return logItem{rev: man.folded.rev, sum: man.folded.sum, anySum: man.folded.anySum, stamp: man.folded.stamp}
}

// lastRev is the revision of the last record that is kept.
func (l *logMender) lastRev() Rev {
	for _, s := range slices.Backward(l.segments) {
		for _, it := range slices.Backward(s.items) {
			if it.reason == "" && it.rev != 0 {
				return it.rev
			}
		}
	}
	return l.last.rev
}

// forget moves the beginning of history to the first segment that is there.
func (l *logMender) forget(first Rev) error {
	next := l.m.man.clone()
	next.historyFrom, next.historyStamp = first, l.m.man.folded.stamp
	if it := l.next(0, 0); it != nil && first <= l.m.man.folded.rev && it.stamp > 0 {
		next.historyStamp = it.stamp - 1
	}
	l.m.act(Action{
		What: ActRewrite, File: manifestFile, First: l.m.man.historyFrom, Last: first - 1, Lossless: true,
		Note: fmt.Sprintf("segments of %s/ are missing: history begins at revision %d; what it led to is in the tables", historyDir, first),
	})
	return l.m.putManifest(next)
}

// segment mends segment i.
func (l *logMender) segment(i int) error {
	s := l.segments[i]
	end := s.place.next // the first revision that is not to be here
	if end == 0 {
		end = l.m.endOfLog(max(l.last.rev, l.lastRev())) + 1
		if n := len(s.items); n > 0 && s.items[n-1].reason != "" && l.m.markBad != "" {
			end = max(end, l.lastRev()+2) // something stood there, and may have been acknowledged
		}
	}
	e := segmentEdit{l: l, s: s}
	path := filepath.Join(l.m.dir, s.place.folder, segmentName(s.place.first))
	if _, err := l.m.fsys.Stat(path); err == nil {
		if e.data, err = readSegmentFrom(l.m.fsys, path, 0); err != nil {
			return err
		}
	} else {
		e.changed = true
	}
	if s.whole {
		e.out = e.data
		if n := len(s.items); n > 0 {
			l.last = s.items[n-1]
		}
	}
	for j := range s.items {
		if s.whole {
			break
		}
		if err := e.item(&s.items[j], l.next(i, j)); err != nil {
			return err
		}
	}
	if l.last.rev+1 < end {
		if err := e.voids(end-1, l.next(i+1, 0)); err != nil {
			return err
		}
	}
	if !e.changed && len(e.cuts) == 0 {
		return nil
	}
	return e.write()
}
