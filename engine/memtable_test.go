package engine

import (
	"fmt"
	"slices"
	"testing"
)

// A source of a memtable yields the versions of the range, in both orders, and
// keeps to the keys that were there when it began.
func TestMemtableSource(t *testing.T) {
	r := tableRand(t)
	for range 300 {
		var m memtable
		keys, revs := 1+r.IntN(4000), Rev(0)
		add := func() {
			revs++
			m.add(version{key: fmt.Appendf(nil, "\x00%04d", r.IntN(keys)), rev: revs})
		}
		for range r.IntN(3000) {
			add()
		}
		o := iterOptions{reverse: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			o.lo = fmt.Appendf(nil, "\x00%04d", r.IntN(keys))
		}
		if r.IntN(2) == 0 {
			o.hi = fmt.Appendf(nil, "\x00%04d", r.IntN(keys))
		}
		if r.IntN(2) == 0 {
			o.match = func(key []byte) bool { return key[3] < '5' }
		}
		at := Rev(r.Uint64N(uint64(revs) + 1))
		want := m.versions(&o, at)
		if o.reverse {
			slices.Reverse(want)
		}
		src := m.source(&o, at)
		for range r.IntN(100) { // later than at, some of keys that are new
			add()
		}
		checkSource(t, fmt.Sprintf("memtable at %d, %+v", at, o), src, want)
	}
}
