package engine

import (
	"bytes"
	"math"
	"slices"
)

// Fences are what a search in a list of bounds looks at first: of each bound
// the 8 bytes behind those that all of them share, as a number. They lie
// together, where a bound is three places of memory, and most searches need no
// other look than the last. They take 8 bytes for each block of a table, and
// are made of a page of the index when it is used for the second time.
type fences struct {
	shared  []byte // what all bounds begin with; a slice of the first
	numbers []uint64
}

func newFences(l *boundList) *fences {
	if l.n == 0 {
		return nil
	}
	first, _ := l.bound(0)
	last, _ := l.bound(l.n - 1)
	n := 0
	for n < len(first) && n < len(last) && first[n] == last[n] {
		n++
	}
	f := &fences{shared: first[:n], numbers: make([]uint64, l.n)}
	for i := range f.numbers {
		bound, _ := l.bound(i)
		f.numbers[i] = keyPrefix(bound[n:])
	}
	return f
}

// find returns a range of bounds in which the answer of a search for key lies:
// those before lo are before key, and those from hi on behind it.
func (f *fences) find(key []byte) (lo, hi int) {
	n := len(f.shared)
	if len(key) < n || string(key[:n]) != string(f.shared) {
		if bytes.Compare(key, f.shared) < 0 {
			return 0, 0
		}
		return len(f.numbers), len(f.numbers)
	}
	x := keyPrefix(key[n:])
	lo, equal := slices.BinarySearch(f.numbers, x)
	if !equal {
		return lo, lo
	}
	// Bounds that the 8 bytes do not tell apart: as a rule one.
	if hi = len(f.numbers); x < math.MaxUint64 {
		more, _ := slices.BinarySearch(f.numbers[lo:], x+1)
		hi = lo + more
	}
	return lo, hi
}
