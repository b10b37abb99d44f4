package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// A base is what reads go to: the tables of one MANIFEST and the tail of the
// log behind them. Its tables never change and its tail only grows, so any
// number of transactions read one base, each at its revision.
type base struct {
	man   *manifest
	runs  []*run // newest first, by their greatest revision
	tail  *tail
	refs  atomic.Int64
	cache *tableCache
}

// A run is a sorted sequence of tables with disjoint spans of keys.
type run struct {
	id     uint64
	maxRev Rev
	tables []*lazyTable
}

// A lazyTable is opened when it is first asked for: a database of ten
// gigabytes has hundreds, and a command needs a few.
type lazyTable struct {
	line  tableLine
	cache *tableCache
	mu    sync.Mutex // held to open it
	t     atomic.Pointer[table]
}

// errVanished says that a table of this base was merged away before it was
// opened. The next MANIFEST names those that took its place.
var errVanished = errors.New("a table was merged away meanwhile")

// errUnsettled says that tables vanished again and again while a call read.
var errUnsettled = fmt.Errorf("%w: tables change faster than they can be read", ErrUnavailable)

func (l *lazyTable) open() (*table, error) {
	if t := l.t.Load(); t != nil {
		return t, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.t.Load(); t != nil {
		return t, nil
	}
	t, err := l.cache.open(l.line.ref, l.line.as)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errVanished
	}
	if err != nil {
		return nil, err
	}
	l.t.Store(t)
	return t, nil
}

// newRuns groups the tables of a manifest.
func newRuns(lines []tableLine, cache *tableCache) []*run {
	byID := make(map[uint64]*run)
	var runs []*run
	for _, line := range lines {
		r := byID[line.run]
		if r == nil {
			r = &run{id: line.run}
			byID[line.run] = r
			runs = append(runs, r)
		}
		r.maxRev = max(r.maxRev, line.maxRev)
		r.tables = append(r.tables, &lazyTable{line: line, cache: cache})
	}
	for _, r := range runs {
		slices.SortFunc(r.tables, func(a, b *lazyTable) int { return strings.Compare(a.line.first, b.line.first) })
	}
	slices.SortStableFunc(runs, func(a, b *run) int {
		switch {
		case a.maxRev > b.maxRev:
			return -1
		case a.maxRev < b.maxRev:
			return 1
		}
		return 0
	})
	return runs
}

func (b *base) retain() { b.refs.Add(1) }

// release gives a reference back; the last one closes the base.
func (b *base) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	b.tail.close()
	for _, r := range b.runs {
		for _, l := range r.tables {
			if t := l.t.Load(); t != nil {
				t.release()
			}
		}
	}
}

// get finds the newest version of a key with a revision of at most at.
func (b *base) get(ikey []byte, at Rev) (v version, ok bool, err error) {
	if !b.tail.empty() {
		v, ok, err = b.tail.get(ikey, at)
		if ok || err != nil {
			return v, ok, err
		}
	}
	for _, r := range b.runs {
		if ok && v.rev >= r.maxRev {
			break
		}
		var w version
		found, err := r.get(ikey, at, &w)
		if err != nil {
			return v, false, err
		}
		if found && (!ok || w.rev > v.rev) {
			v, ok = w, true
		}
	}
	return v, ok, nil
}

// get fills dst with what the run has of a key, as table.get does.
func (r *run) get(ikey []byte, at Rev, dst *version) (bool, error) {
	i := sort.Search(len(r.tables), func(i int) bool { return r.tables[i].line.last >= string(ikey) })
	if i == len(r.tables) {
		return false, nil
	}
	l := r.tables[i]
	if l.line.first > string(ikey) || (l.line.lower != "" && l.line.lower >= string(ikey)) {
		return false, nil
	}
	t, err := l.open()
	if err != nil {
		return false, err
	}
	return t.get(ikey, at, dst)
}

// sources returns everything of a range with revisions of at most at, and more:
// tables yield all revisions they hold.
func (b *base) sources(o *iterOptions, at Rev) (sources []source, err error) {
	if !b.tail.empty() {
		if sources, err = b.tail.sources(o, at); err != nil {
			return nil, err
		}
	}
	for _, r := range b.runs {
		if s := r.source(o); s != nil {
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// empty reports whether nothing is committed behind the tables. What comes
// behind them later is newer than the revision of any reader that asked.
func (t *tail) empty() bool {
	t.mu.Lock()
	none := t.loaded && len(t.ingested) == 0
	t.mu.Unlock()
	return none && t.mem.empty()
}

// source yields the tables of a run one after the other, or is nil if none has
// keys in the range.
func (r *run) source(o *iterOptions) source {
	in := r.tables
	in = in[sort.Search(len(in), func(i int) bool { return in[i].line.last >= string(o.lo) }):]
	if o.hi != nil {
		in = in[:sort.Search(len(in), func(i int) bool { return in[i].line.first >= string(o.hi) })]
	}
	switch {
	case len(in) == 0:
		return nil
	case len(in) == 1:
		if t := in[0].opened(); t != nil {
			return t.iter(in[0].bounded(*o))
		}
	case o.reverse:
		in = slices.Clone(in)
		slices.Reverse(in)
	}
	return &runIter{o: *o, tables: in}
}

// opened is the table, or nil if it has not been asked for so far.
func (l *lazyTable) opened() *table { return l.t.Load() }

// runIter is the concatenation of the tables of a run. It opens each when the
// one before is at its end.
type runIter struct {
	o      iterOptions
	tables []*lazyTable // not begun yet
	source              // of the table under way; nil at the start
	begun  []source
	failed error
}

func (s *runIter) next() bool {
	for {
		if s.source != nil {
			if s.source.next() {
				return true
			}
			if s.failed = s.source.err(); s.failed != nil {
				return false
			}
		}
		if s.failed != nil || len(s.tables) == 0 {
			return false
		}
		l := s.tables[0]
		s.tables = s.tables[1:]
		t, err := l.open()
		if err != nil {
			s.failed = err
			return false
		}
		// What was yielded stays valid until close, so none is closed before.
		s.source = t.iter(l.bounded(s.o))
		s.begun = append(s.begun, s.source)
	}
}

// bounded narrows a range to what of the table is still alive.
func (l *lazyTable) bounded(o iterOptions) iterOptions {
	if l.line.lower != "" && l.line.lower >= string(o.lo) {
		o.lo = append([]byte(l.line.lower), 0)
	}
	return o
}

func (s *runIter) err() error { return s.failed }

func (s *runIter) close() {
	for _, t := range s.begun {
		t.close()
	}
}

// loadBase opens the state of the database in dir as it stands on the disk,
// without a lock, and returns it with the position of its newest record. mk is
// MARK if it is current, so that it says exactly where the committed records
// end; else the end is found by reading.
func loadBase(fsys FS, dir string, id identity, boot bootID, mk *mark, cache *tableCache) (*base, position, error) {
	var last error
	for range 10 {
		man, err := readManifest(fsys, dir, id.id)
		if err != nil {
			return nil, position{}, err
		}
		b, end, err := loadBaseOf(fsys, dir, id, boot, mk, man, cache)
		if err == nil {
			return b, end, nil
		}
		// A segment or table that is not there may have been moved since
		// MANIFEST was read: then there is a new one.
		now, errNow := readManifest(fsys, dir, id.id)
		if errNow != nil {
			return nil, position{}, errNow
		}
		last = err
		if now.generation == man.generation {
			break
		}
	}
	if errors.Is(last, fs.ErrNotExist) {
		last = &CorruptError{File: logDir, Reason: last.Error()}
	}
	return nil, position{}, last
}

func loadBaseOf(fsys FS, dir string, id identity, boot bootID, mk *mark, man *manifest, cache *tableCache) (*base, position, error) {
	var end position
	var firsts []Rev
	switch {
	case mk != nil && mk.pos.rev <= man.folded.rev:
		// Everything is in the tables. MARK may be of a moment before they
		// were made, when it said less.
		end = man.folded
		if mk.pos.rev == end.rev {
			end = mk.pos
		}
	case mk != nil:
		end = mk.pos
		var err error
		if firsts, _, err = listSegments(fsys, filepath.Join(dir, logDir)); err != nil {
			return nil, end, err
		}
		if i, ok := slices.BinarySearch(firsts, man.folded.rev+1); !ok && i == 0 {
			return nil, end, fmt.Errorf("the segment with revision %d is missing: %w", man.folded.rev+1, fs.ErrNotExist)
		}
	default:
		e, err := inspectLog(fsys, dir, id, boot)
		if err != nil {
			return nil, end, err
		}
		if e.man.generation != man.generation {
			return nil, end, errVanished
		}
		end, firsts = e.end, e.firsts
	}
	t, err := openTail(fsys, dir, firsts, man.folded, end, cache)
	if err != nil {
		return nil, end, err
	}
	b := &base{man: man, runs: newRuns(man.tables, cache), tail: t, cache: cache}
	b.refs.Store(1)
	return b, end, nil
}
