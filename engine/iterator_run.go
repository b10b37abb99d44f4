package engine

import (
	"bytes"
	"encoding/binary"
)

// A plainRun is versions that a source yields next, of which more is known:
// they lie one behind the other in a block, are of different keys and as
// visible as the one that the source stands on. What goes over many entries
// takes them from the block, and spares each the way through the sources. The
// zero plainRun is none.
type plainRun struct {
	table *tableIter // stands on the version before the first
	n     int        // how many there are
}

// plainMost is how many versions of a block that is not uniform are looked
// through at once.
const plainMost = 32

// ahead returns what src yields next in one run, up to before the internal key
// bound, if that is not nil. src stands on a version that a reader at revision
// at sees.
func ahead(src source, bound []byte, at Rev) plainRun {
	switch s := src.(type) {
	case *tableIter:
		return plainRun{s, s.ahead(bound, at)}
	case *runIter:
		return ahead(s.source, bound, at)
	case *mergeSource:
		// What comes before the others comes from the first alone.
		for i := 1; i < min(len(s.heap), 3); i++ {
			if key := s.heap[i].v.key; bound == nil || bytes.Compare(key, bound) < 0 {
				bound = key
			}
		}
		return ahead(s.heap[0].src, bound, at)
	}
	return plainRun{}
}

// ahead is how many versions of the block come next that are of different keys
// and visible, and lie before the internal key bound, if that is not nil.
func (it *tableIter) ahead(bound []byte, at Rev) int {
	if it.o.match != nil || it.o.reverse {
		return 0
	}
	n := it.stop - it.i
	if n > 0 && bound != nil && bytes.Compare(it.run.key(it.stop-1), bound) >= 0 {
		n = it.before(bound)
	}
	if it.uniform || n == 0 {
		return n // of one revision there are no two versions of a key
	}
	return it.differing(min(n, plainMost), at)
}

// before is how many of the versions that come next in the block lie before the
// internal key bound, before which not all do.
func (it *tableIter) before(bound []byte) int {
	// As a rule the bound is near: other sources have keys of the same kind.
	lo, hi := 0, 1 // lo versions lie before the bound, and perhaps hi
	for hi < it.stop-it.i && bytes.Compare(it.run.key(it.i+hi-1), bound) < 0 {
		lo, hi = hi, 2*hi
	}
	for hi = min(hi, it.stop-it.i) - 1; lo < hi; {
		if m := int(uint(lo+hi+1) / 2); bytes.Compare(it.run.key(it.i+m-1), bound) < 0 {
			lo = m
		} else {
			hi = m - 1
		}
	}
	return lo
}

// differing is how many of the n versions, at most plainMost, that come next in
// the block are of a key other than the one before and of a revision up to at,
// which they know themselves. It is 0 where some version of the block expires
// otherwise or is a delete.
func (it *tableIter) differing(n int, at Rev) int {
	r := &it.run
	if d := &r.cols[colDeleted]; !d.constant() || !r.cols[colExpires].constant() {
		return 0
	}
	var revs [plainMost]uint64
	var ends [plainMost + 1]uint64
	r.cols[colRev].numbers(it.i, revs[:n])
	r.cols[colKeyEnd].bounds(it.i, ends[:n+1])
	last := it.v.key
	for i := range n {
		key := r.keys[ends[i]:ends[i+1]]
		if revs[i] == 0 || Rev(revs[i]) > at || bytes.Equal(key, last) {
			return i
		}
		last = key
	}
	return n
}

// skip takes the first n versions of the run, from 1 on. The source stands on
// the last of them then.
func (r *plainRun) skip(n int) {
	it := r.table
	it.i += n
	it.load(it.i - 1) // of a block of which values were loaded
	r.n -= n
}

// sizes is how many bytes versions i to i+n-1 have, in keys without their
// families and in values.
func (r *keyRun) sizes(i, n int) (keys, values int64) {
	from, _ := r.cols[colValueEnd].span(i)
	values = int64(r.cols[colValueEnd].at(i+n-1) - from)
	first, last := r.key(i), r.key(i+n-1)
	prefix := len(first) - len(userKey(first))
	if bytes.HasPrefix(last, first[:prefix]) { // and so all between
		from, _ = r.cols[colKeyEnd].span(i)
		return int64(r.cols[colKeyEnd].at(i+n-1)-from) - int64(n*prefix), values
	}
	for k := range n {
		keys += int64(len(userKey(r.key(i + k))))
	}
	return keys, values
}

// bounds fills dst with where item i begins and where it and those behind it
// end, by a column of ends.
func (c *column) bounds(i int, dst []uint64) {
	dst[0] = 0
	if i > 0 {
		dst[0] = c.at(i - 1)
	}
	c.numbers(i, dst[1:])
}

// numbers fills dst with the numbers of the column from i on.
func (c *column) numbers(i int, dst []uint64) {
	x := c.base + c.slope*uint64(i)
	switch c.width {
	case 0:
		for k := range dst {
			dst[k] = x
			x += c.slope
		}
	case 1:
		for k, d := range c.deltas[i:][:len(dst)] {
			dst[k] = x + uint64(d)
			x += c.slope
		}
	case 2:
		deltas := c.deltas[2*i:]
		for k := range dst {
			dst[k] = x + uint64(binary.LittleEndian.Uint16(deltas[2*k:]))
			x += c.slope
		}
	default: // long keys or values, which take their time by themselves
		for k := range dst {
			dst[k] = c.at(i + k)
		}
	}
}
