package engine

import (
	"bytes"
	"encoding/binary"
)

// A plainRun is versions that a source yields next, of which more is known:
// they lie one behind the other in a block, and differ from each other and from
// the one that the source stands on in nothing but key and value. What goes over
// many entries takes them from the block, and spares each the way through the
// sources. The zero plainRun is none.
type plainRun struct {
	table *tableIter // stands on the version before the first
	n     int        // how many there are
}

// ahead returns what src yields next in one run, up to before the internal key
// bound, if that is not nil. src stands on a version.
func ahead(src source, bound []byte) plainRun {
	switch s := src.(type) {
	case *tableIter:
		return plainRun{s, s.ahead(bound)}
	case *runIter:
		return ahead(s.source, bound)
	case *mergeSource:
		// What comes before the others comes from the first alone.
		for i := 1; i < min(len(s.heap), 3); i++ {
			if key := s.heap[i].v.key; bound == nil || bytes.Compare(key, bound) < 0 {
				bound = key
			}
		}
		return ahead(s.heap[0].src, bound)
	}
	return plainRun{}
}

// ahead is how many versions of the block come next that have what the current
// one has, but for key and value, and lie before the internal key bound, if
// that is not nil.
func (it *tableIter) ahead(bound []byte) int {
	if !it.uniform || it.o.match != nil || it.o.reverse {
		return 0
	}
	n := it.stop - it.i
	if bound == nil || n == 0 || bytes.Compare(it.run.key(it.stop-1), bound) < 0 {
		return n
	}
	// As a rule the bound is near: other sources have keys of the same kind.
	lo, hi := 0, 1 // lo versions lie before the bound, hi+1 do not
	for hi < n && bytes.Compare(it.run.key(it.i+hi-1), bound) < 0 {
		lo, hi = hi, 2*hi
	}
	for hi = min(hi, n) - 1; lo < hi; {
		if m := int(uint(lo+hi+1) / 2); bytes.Compare(it.run.key(it.i+m-1), bound) < 0 {
			lo = m
		} else {
			hi = m - 1
		}
	}
	return lo
}

// skip takes the first n versions of the run, from 1 on. The source stands on
// the last of them then.
func (r *plainRun) skip(n int) {
	it := r.table
	it.i += n
	it.load(it.i - 1) // of a block of which values were loaded
	r.n -= n
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
