package engine

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// Gets that use blocks again and again find what is there, whatever the keys
// have in common, also where 8 bytes do not tell them apart and where the
// versions of a key fill blocks.
func TestHeads(t *testing.T) {
	r := lawRand(t)
	word := func(letters string, n int) []byte {
		b := make([]byte, r.IntN(n+1))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return b
	}
	made := 0
	for range effort(10, 60, 600) {
		letters := []string{"\x00\x01", "ab", "\x00\xff", "0123456789", "\xff"}[r.IntN(5)]
		shared := append([]byte{0}, word(letters, 12)...)
		key := func() []byte { return slices.Concat(shared, word(letters, 14)) }
		var vs []version
		for range 1 + r.IntN(400) {
			v := version{key: key(), rev: Rev(1 + r.IntN(50)), deleted: r.IntN(5) == 0}
			if !v.deleted {
				v.value = word("v", 20)
				v.size = len(v.value)
			}
			vs = append(vs, v)
		}
		sortVersions(vs)
		vs = slices.CompactFunc(vs, func(a, b version) bool { return bytes.Equal(a.key, b.key) && a.rev == b.rev })
		o := tableOptions{kind: kindFold, blockSize: 1 + r.IntN(2000), pageSize: r.IntN(500), compress: r.IntN(4) == 0}
		tab := makeTable(t, o, vs)
		for i := range 4 * len(vs) {
			k, at := vs[r.IntN(len(vs))].key, Rev(r.IntN(52))
			if i%4 == 0 {
				k = key()
			}
			n := slices.IndexFunc(vs, func(v version) bool { return bytes.Equal(v.key, k) && v.rev <= at })
			if n < 0 {
				checkGet(t, tab, k, at, nil)
			} else {
				checkGet(t, tab, k, at, &vs[n])
			}
		}
		for i := range tab.pages {
			if p := tab.pages[i].Load(); p != nil && p.heads != nil {
				for b := range p.n {
					if p.heads.of(b) != nil {
						made++
					}
				}
			}
		}
	}
	if made == 0 {
		t.Error("no get made a head")
	}
}

// Nothing that a table says is believed: keys of a block that lie beyond its
// bounds, or are shorter than those have in common, end no get.
func TestHeadsForged(t *testing.T) {
	r := lawRand(t)
	random := func() []byte {
		b := make([]byte, 1+r.IntN(12))
		for i := range b {
			b[i] = byte(r.IntN(3))
		}
		return b
	}
	for range 1000 {
		var b blockBuilder
		for range 1 + r.IntN(40) {
			b.add(&version{key: random(), rev: 1})
		}
		raw := b.appendKeyRun(nil)
		var run keyRun
		if err := errors.Join(run.parse(raw, b.len()), run.check(0)); err != nil {
			t.Fatal(err)
		}
		heads := blockHeads{heads: make([]blockHead, 1)}
		lower := random()
		heads.put(0, &run, uint32(len(raw)), lower, append(bytes.Clone(lower), 5))
		for range 10 {
			key := random()
			h := heads.of(0)
			if i := h.search(h.find(key), &run, key, 1, assigned{}); i < 0 || i > run.n {
				t.Fatalf("search of %q = %d, want at most %d", key, i, run.n)
			}
		}
	}
}

// Heads are counted against maxHeads while their table is open, and beyond it
// gets do without.
func TestHeadsBounded(t *testing.T) {
	before := headsTaken.Load()
	var vs []version
	for i := range 200 {
		vs = append(vs, version{key: benchKey(nil, i), rev: 1, value: []byte("v"), size: 1})
	}
	use := func() *table {
		path, _ := writeTable(t, tableOptions{kind: kindFold, blockSize: 300}, vs)
		tab, err := openTable(OS, path, "t", assigned{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for i := range vs {
				checkGet(t, tab, vs[i].key, 1, &vs[i])
			}
		}
		return tab
	}
	tab := use()
	if got, want := headsTaken.Load()-before, int64(tab.inf.blocks*headSize); got != want {
		t.Errorf("heads of %d blocks take %d bytes, want %d", tab.inf.blocks, got, want)
	}
	tab.release()
	if got := headsTaken.Load(); got != before {
		t.Errorf("heads take %d bytes after release, want %d as before", got, before)
	}
	headsTaken.Add(maxHeads)
	defer headsTaken.Add(-maxHeads)
	tab = use()
	defer tab.release()
	if got, want := headsTaken.Load(), before+maxHeads; got != want {
		t.Errorf("heads take %d bytes, want no more than the %d that were taken", got, want)
	}
}

// A key that is not there is looked for in a block only by one get of those
// that follow gets which found theirs, but for the filter's errors.
func TestFilterAskedAfterMisses(t *testing.T) {
	var vs []version
	for i := range 4000 {
		vs = append(vs, version{key: benchKey(nil, i), rev: 1})
	}
	tab := makeTable(t, tableOptions{kind: kindFold, blockSize: 200}, vs)
	read := func() (n int) { // blocks that were read
		for b := range tab.inf.blocks {
			if hasBit(tab.keysOK, b) {
				n++
			}
		}
		return n
	}
	miss := func() {
		for i := range vs {
			key := benchKey(nil, i)
			key[len(key)-1]++ // odd: not there
			checkGet(t, tab, key, 1, nil)
		}
	}
	if doubt := tab.doubt.Load(); doubt != maxDoubt {
		t.Errorf("a table just opened has its filter asked for %d gets, want %d", doubt, maxDoubt)
	}
	miss()
	fresh := read()
	if most := int(tab.inf.blocks) / 4; fresh > most {
		t.Errorf("gets of missing keys read %d blocks of %d, want at most %d", fresh, tab.inf.blocks, most)
	}
	for range maxDoubt {
		checkGet(t, tab, vs[0].key, 1, &vs[0])
	}
	if doubt := tab.doubt.Load(); doubt != 0 {
		t.Errorf("after %d gets that found their key the filter is asked for %d more, want 0", maxDoubt, doubt)
	}
	miss()
	if got, want := read(), fresh+2; got > want { // the block of the hits, and of the first miss
		t.Errorf("gets of missing keys read %d blocks after gets that found theirs, want at most %d", got, want)
	}
}
