package engine

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// A search by fences finds what one without them finds, whatever the bounds
// have in common, also where 8 bytes do not tell them apart.
func TestFences(t *testing.T) {
	r := lawRand(t)
	word := func(letters string, n int) []byte {
		b := make([]byte, r.IntN(n+1))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return b
	}
	for range effort(300, 2000, 20000) {
		letters := []string{"\x00\x01", "ab", "\x00\xff", "0123456789", "\xff"}[r.IntN(5)]
		shared := word(letters, 12)
		key := func() []byte { return slices.Concat(shared, word(letters, 14)) }
		var l boundList
		l.size = 12
		bounds := make([][]byte, r.IntN(40))
		for i := range bounds {
			bounds[i] = key()
		}
		slices.SortFunc(bounds, bytes.Compare)
		for i, bound := range bounds {
			l.keys = append(l.keys, bound...)
			l.entries = binary.LittleEndian.AppendUint64(l.entries, uint64(len(bounds)-i)) // newest first
			l.entries = binary.LittleEndian.AppendUint32(l.entries, uint32(len(l.keys)))
		}
		l.n = len(bounds)
		with := l
		with.fences = newFences(&l)
		for range 60 {
			k, at := key(), Rev(r.IntN(len(bounds)+2))
			switch r.IntN(4) {
			case 0:
				k = word("\x00a\xff", 14) // perhaps without what they share
			case 1:
				if len(bounds) > 0 {
					k = bounds[r.IntN(len(bounds))]
				}
			}
			if got, want := with.search(k, at), l.search(k, at); got != want {
				t.Fatalf("search(%q, %d) in %q = %d with fences, %d without", k, at, bounds, got, want)
			}
		}
	}
}
