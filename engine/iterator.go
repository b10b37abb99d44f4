package engine

import (
	"bytes"
	"slices"
)

// A version is one key at one revision, as tables and the log tail hold it.
// Its slices may point into a mapped file: they are not to be changed, and
// whoever hands them to a user copies them.
type version struct {
	key     []byte // internal key, see appendIKey
	value   []byte // nil for a delete, or where only keys were asked for
	size    int    // length of the value in bytes, known without the value
	rev     Rev    // the transaction that wrote it
	stamp   Stamp  // when that was
	origin  uint64 // the copy of the database that first made the change
	expires int64  // Unix milliseconds from which on it is gone; 0: never
	deleted bool   // the key has no value from this revision on
}

// expired reports whether the version is gone at a time in Unix milliseconds.
func (v *version) expired(nowMillis int64) bool {
	return v.expires != 0 && v.expires <= nowMillis
}

// A source yields versions in order: keys ascending, and of one key the newest
// first; or in exactly the reverse of that order. No two have both the same
// key and the same revision.
//
// cur is the version that next went to. The struct is valid until the next
// call of next and may be used again by it. The slices in it stay valid until
// close, but for sources that say otherwise. After next has returned false,
// err tells the end from a failure. close releases what the source holds; it
// is called exactly once, and nothing after it.
type source interface {
	next() bool
	cur() *version
	err() error
	close()
}

// compareVersions orders two versions as a source yields them: by key, then
// the newer first.
func compareVersions(a, b *version) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	switch {
	case a.rev > b.rev:
		return -1
	case a.rev < b.rev:
		return 1
	}
	return 0
}

// newSliceSource yields versions that lie in memory in the order of a source,
// or from the last to the first. It neither copies nor changes them.
func newSliceSource(vs []version, reverse bool) source {
	if reverse {
		return &sliceSource{vs: vs, i: len(vs), step: -1}
	}
	return &sliceSource{vs: vs, i: -1, step: 1}
}

type sliceSource struct {
	vs   []version
	i    int // index of cur
	step int // 1 or -1
}

// isEmpty reports whether a source yields nothing for certain, and holds
// nothing: the tail of most databases, of which most is in tables.
func isEmpty(s source) bool {
	vs, ok := s.(*sliceSource)
	return ok && len(vs.vs) == 0
}

func (s *sliceSource) next() bool {
	s.i += s.step
	return s.i >= 0 && s.i < len(s.vs)
}

func (s *sliceSource) cur() *version { return &s.vs[s.i] }
func (s *sliceSource) err() error    { return nil }
func (s *sliceSource) close()        {}

// errorSource yields nothing but an error.
type errorSource struct{ e error }

func (s errorSource) next() bool    { return false }
func (s errorSource) cur() *version { return nil }
func (s errorSource) err() error    { return s.e }
func (s errorSource) close()        {}

// newMergeSource merges sources, all in the same order, into one in that
// order. Where several have the same key at the same revision, as when a
// record is in a table and still in the log, the one listed first is yielded
// and the others are skipped. Closing the merge closes the sources. It ends at
// the first error of any of them.
func newMergeSource(sources []source, reverse bool) source {
	if len(sources) > 1 {
		sources = slices.DeleteFunc(sources, isEmpty)
	}
	if len(sources) == 1 {
		return sources[0]
	}
	sign := 1
	if reverse {
		sign = -1
	}
	return &mergeSource{sources: sources, sign: sign}
}

// mergeSource is a heap of the sources that are not at their end, the one
// whose version comes next at the top.
type mergeSource struct {
	sources []source
	heap    []mergeHead
	sign    int // 1, or -1 for the reverse order
	started bool
	e       error
}

// A mergeHead is a source, its current version and its place in the list.
type mergeHead struct {
	src   source
	v     *version
	index int
}

func (m *mergeSource) cur() *version { return m.heap[0].v }
func (m *mergeSource) err() error    { return m.e }

func (m *mergeSource) close() {
	for _, s := range m.sources {
		s.close()
	}
}

func (m *mergeSource) next() bool {
	switch {
	case m.e != nil:
		return false
	case !m.started:
		m.started = true
		m.fill()
	case len(m.heap) > 0:
		m.advance(0)
	}
	// What equals the top lies below a chain of its equals, so as long as
	// neither child of the top equals it nothing does.
	for m.e == nil {
		switch {
		case len(m.heap) > 1 && compareVersions(m.heap[1].v, m.heap[0].v) == 0:
			m.advance(1)
		case len(m.heap) > 2 && compareVersions(m.heap[2].v, m.heap[0].v) == 0:
			m.advance(2)
		default:
			return len(m.heap) > 0
		}
	}
	return false
}

// fill builds the heap of the first versions.
func (m *mergeSource) fill() {
	for i, s := range m.sources {
		if s.next() {
			m.heap = append(m.heap, mergeHead{s, s.cur(), i})
		} else if m.e = s.err(); m.e != nil {
			return
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
}

// advance moves the source at place i of the heap on, and restores the heap.
// Nothing above i may come after what then stands there, which holds for the
// top and its children.
func (m *mergeSource) advance(i int) {
	h := &m.heap[i]
	if h.src.next() {
		h.v = h.src.cur()
		m.down(i)
		return
	}
	if m.e = h.src.err(); m.e != nil {
		return
	}
	last := len(m.heap) - 1
	m.heap[i] = m.heap[last]
	m.heap = m.heap[:last]
	if i < last {
		m.down(i)
	}
}

// down lets the head at place i sink to where it belongs.
func (m *mergeSource) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(m.heap) {
			return
		}
		if c+1 < len(m.heap) && m.less(c+1, c) {
			c++
		}
		if !m.less(c, i) {
			return
		}
		m.heap[i], m.heap[c] = m.heap[c], m.heap[i]
		i = c
	}
}

func (m *mergeSource) less(i, j int) bool {
	a, b := &m.heap[i], &m.heap[j]
	if c := compareVersions(a.v, b.v) * m.sign; c != 0 {
		return c < 0
	}
	return a.index < b.index
}
