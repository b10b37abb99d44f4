package engine

import "bytes"

// newVisible yields what a reader at revision at sees of src: of each key the
// newest version with a revision up to at, unless that is a delete or has
// expired at nowMillis (Unix milliseconds). reverse says in which order src
// comes, whose slices must stay valid until close. Closing it closes src.
func newVisible(src source, at Rev, nowMillis int64, reverse bool) source {
	if reverse {
		return &visibleReverse{src: src, at: at, now: nowMillis}
	}
	if t, ok := src.(*tableIter); ok {
		t.seen = visible{src: src, table: t, at: at, now: nowMillis}
		return &t.seen
	}
	return &visible{src: src, at: at, now: nowMillis}
}

// visible takes the first version of each key that is old enough.
type visible struct {
	src     source
	table   *tableIter // src, if it is one: most scans end in a single table
	at      Rev
	now     int64
	v       *version // cur
	key     []byte   // the key that is decided, if any; a slice of src
	decided bool
	plain   plainRun // what src yields next that is visible, all of it
}

func (s *visible) cur() *version { return s.v }
func (s *visible) err() error    { return s.src.err() }
func (s *visible) close()        { s.src.close() }

func (s *visible) next() bool {
	if s.plain.n > 0 {
		s.skip(1)
		return true
	}
	for v := s.step(); v != nil; v = s.step() {
		if v.rev > s.at || s.decided && bytes.Equal(v.key, s.key) {
			continue
		}
		s.key, s.decided = v.key, true
		if !v.deleted && !v.expired(s.now) {
			s.v, s.plain = v, ahead(s.src, nil, s.at)
			return true
		}
	}
	return false
}

// skip goes over n versions of plain, to the last of them.
func (s *visible) skip(n int) {
	s.plain.skip(n)
	s.key = s.v.key
}

// step is the next version of src, or nil. For a table it goes no way through
// interfaces.
func (s *visible) step() *version {
	if s.table != nil {
		if s.table.next() {
			return &s.table.v
		}
		return nil
	}
	if s.src.next() {
		return s.src.cur()
	}
	return nil
}

// visibleReverse sees the oldest version of a key first, so it knows which one
// counts only when the next key has begun.
type visibleReverse struct {
	src   source
	at    Rev
	now   int64
	v     version // the newest version so far of the key under way
	has   bool    // v is set
	ahead bool    // src stands on the first version of the next key
	ended bool
}

func (s *visibleReverse) cur() *version { return &s.v }
func (s *visibleReverse) err() error    { return s.src.err() }
func (s *visibleReverse) close()        { s.src.close() }

func (s *visibleReverse) next() bool {
	for !s.ended {
		s.has = false
		for s.ahead || s.src.next() {
			s.ahead = false
			v := s.src.cur()
			if v.rev > s.at {
				continue
			}
			if s.has && !bytes.Equal(v.key, s.v.key) {
				s.ahead = true
				break
			}
			s.v, s.has = *v, true
		}
		if !s.ahead {
			s.ended = true
			if s.src.err() != nil {
				return false
			}
		}
		if s.has && !s.v.deleted && !s.v.expired(s.now) {
			return true
		}
	}
	return false
}

// A retention says what a merge of tables must keep.
type retention struct {
	from   Rev   // the state at this revision, and at every later one, stays readable
	before int64 // Unix milliseconds; nobody asks any more for what expired up to then

	// bottom reports whether no table outside the merge, and not the log
	// either, holds an older version of the internal key.
	bottom func(ikey []byte) bool
}

// newRetained yields of src, which comes in forward order, what r keeps: of
// each key every version later than r.from and the newest of the others, so
// that a read at r.from or any later revision gives what it gave before.
//
// That newest one of the others is needed only to be read or to hide older
// ones. A delete can only hide, and so can a version that expired up to
// r.before: where there is nothing older to hide, both go; else the expired one
// becomes a delete of the same revision, without its value. Closing it closes
// src.
func newRetained(src source, r retention) source {
	return &retained{src: src, r: r}
}

type retained struct {
	src   source
	r     retention
	v     version // cur
	key   []byte  // the key under way, if any
	has   bool    // key is set
	floor bool    // the newest version up to r.from has passed
}

func (s *retained) cur() *version { return &s.v }
func (s *retained) err() error    { return s.src.err() }
func (s *retained) close()        { s.src.close() }

func (s *retained) next() bool {
	for s.src.next() {
		s.v = *s.src.cur()
		if !s.has || !bytes.Equal(s.v.key, s.key) {
			s.key, s.has, s.floor = append(s.key[:0], s.v.key...), true, false
		}
		if s.v.rev > s.r.from {
			return true
		}
		if s.floor {
			continue
		}
		s.floor = true
		gone := s.v.expired(s.r.before)
		if !gone && !s.v.deleted {
			return true
		}
		if s.r.bottom(s.key) {
			continue
		}
		if gone {
			s.v.value, s.v.size, s.v.expires, s.v.deleted = nil, 0, 0, true
		}
		return true
	}
	return false
}
