package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// tableRand returns a source of chance whose seed the log of a failed test has.
func tableRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// smallTable are options that make many blocks and pages of few versions.
var smallTable = tableOptions{id: 7, database: [16]byte{1, 2, 3}, kind: kindMerge, created: 1e12, blockSize: 256, pageSize: 300}

// writeTable writes versions to a file and returns its path and description.
func writeTable(t testing.TB, o tableOptions, vs []version) (string, tableInfo) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.kvt")
	w, err := newTableWriter(OS, path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.abort()
	for i := range vs {
		if err := w.add(&vs[i]); err != nil {
			t.Fatalf("add(%d) = %v", i, err)
		}
	}
	info, err := w.finish()
	if err != nil {
		t.Fatalf("finish() = %v", err)
	}
	return path, info
}

// makeTable writes versions and opens what it wrote.
func makeTable(t testing.TB, o tableOptions, vs []version) *table {
	t.Helper()
	path, info := writeTable(t, o, vs)
	tab, err := openTable(OS, path, "tables/t.kvt", assigned{})
	if err != nil {
		t.Fatalf("openTable() = %v", err)
	}
	t.Cleanup(tab.release)
	if got := fmt.Sprintf("%+v", tab.info()); got != fmt.Sprintf("%+v", info) {
		t.Fatalf("info() = %s, want what finish returned: %+v", got, info)
	}
	return tab
}

// randomVersions makes versions in order. Every so often a key has many of
// them, a number fills its width, a key or value is large.
func randomVersions(r *rand.Rand, n int) []version {
	var vs []version
	seen := map[string]bool{}
	for len(vs) < n {
		family := []string{"", "", "", "a", "a.b", "zz"}[r.IntN(6)]
		size := 1 + r.IntN(12)
		if r.IntN(200) == 0 {
			size = 1 + r.IntN(MaxKeySize)
		}
		key := make([]byte, size)
		for i := range key {
			key[i] = "\x00\x01abc\xff"[r.IntN(6)]
		}
		ikey := appendIKey(nil, family, string(key))
		if seen[string(ikey)] {
			continue
		}
		seen[string(ikey)] = true
		versions := 1
		if r.IntN(20) == 0 {
			versions = 1 + r.IntN(60)
		}
		rev := Rev(0)
		for range versions {
			rev += Rev(1 + r.Uint64N(1<<r.IntN(20)))
			v := version{key: ikey, rev: rev, stamp: Stamp(r.Uint64() >> r.IntN(64)), origin: uint64(r.IntN(3) / 2 * r.IntN(1<<30))}
			switch r.IntN(8) {
			case 0:
				v.deleted = true
			case 1:
				v.expires = int64(r.Uint64() >> (1 + r.IntN(60)))
				fallthrough
			default:
				n := r.IntN(40)
				if r.IntN(300) == 0 {
					n = r.IntN(1 << 20)
				}
				v.value = make([]byte, n)
				for i := range v.value {
					v.value[i] = byte(r.IntN(4))
				}
				v.size = n
			}
			vs = append(vs, v)
		}
	}
	sortVersions(vs)
	return vs
}

func sameVersion(a, b *version) bool {
	return bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value) && a.size == b.size && a.rev == b.rev &&
		a.stamp == b.stamp && a.origin == b.origin && a.expires == b.expires && a.deleted == b.deleted
}

func (v *version) String() string {
	key, value := v.key[:min(20, len(v.key))], v.value[:min(20, len(v.value))]
	return fmt.Sprintf("{%q=%q size %d rev %d stamp %d origin %d expires %d deleted %t}", key, value, v.size, v.rev, v.stamp, v.origin, v.expires, v.deleted)
}

// wantGet is what get must find, by looking at every version of the key.
func wantGet(byKey map[string][]version, key []byte, at Rev) *version {
	vs := byKey[string(key)]
	for i := range vs {
		if vs[i].rev <= at {
			return &vs[i]
		}
	}
	return nil
}

// versionsByKey groups versions, which keep their order, by key.
func versionsByKey(vs []version) map[string][]version {
	m := map[string][]version{}
	for _, v := range vs {
		m[string(v.key)] = append(m[string(v.key)], v)
	}
	return m
}

func checkGet(t *testing.T, tab *table, key []byte, at Rev, want *version) {
	t.Helper()
	var got version
	ok, err := tab.get(key, at, &got)
	switch {
	case err != nil:
		t.Fatalf("get(%.40q, %d) = %v", key, at, err)
	case ok != (want != nil):
		t.Fatalf("get(%.40q, %d) = %t, want %v", key, at, ok, want)
	case ok && !sameVersion(&got, want):
		t.Fatalf("get(%.40q, %d) = %v, want %v", key, at, &got, want)
	}
}

// checkSource reads a source to its end and compares it with want.
func checkSource(t *testing.T, what string, src source, want []version) {
	t.Helper()
	defer src.close()
	for i := range want {
		if !src.next() {
			t.Fatalf("%s: ended with %v after %d of %d versions", what, src.err(), i, len(want))
		}
		if got := src.cur(); !sameVersion(got, &want[i]) {
			t.Fatalf("%s: version %d = %v, want %v", what, i, got, &want[i])
		}
	}
	if src.next() {
		t.Fatalf("%s: goes on with %v after %d versions", what, src.cur(), len(want))
	}
	if err := src.err(); err != nil {
		t.Fatalf("%s: err() = %v", what, err)
	}
}

// selectVersions is what a table must yield for o.
func selectVersions(vs []version, o iterOptions) []version {
	var out []version
	for _, v := range vs {
		if o.lo != nil && bytes.Compare(v.key, o.lo) < 0 || o.hi != nil && bytes.Compare(v.key, o.hi) >= 0 {
			continue
		}
		if _, key := splitIKey(v.key); o.match != nil && !o.match(key) {
			continue
		}
		if o.keysOnly {
			v.value = nil
		}
		out = append(out, v)
	}
	if o.reverse {
		slices.Reverse(out)
	}
	return out
}

// A table gives back what was written, by every way of asking, whatever the
// sizes of its blocks and pages.
func TestTableRoundTrip(t *testing.T) {
	r := tableRand(t)
	for _, o := range []tableOptions{
		{},
		{blockSize: 1, pageSize: 1},
		{blockSize: 300, pageSize: 400},
		{blockSize: 300, pageSize: 400, compress: true},
		{blockSize: 5000, pageSize: 300},
		{compress: true},
	} {
		o.id, o.kind = r.Uint64(), kindFold
		t.Run(fmt.Sprintf("block %d page %d compress %t", o.blockSize, o.pageSize, o.compress), func(t *testing.T) {
			vs := randomVersions(r, 1500)
			tab := makeTable(t, o, vs)
			tab.verify(context.Background(), func(err error) { t.Errorf("verify: %v", err) })
			byKey := versionsByKey(vs)
			for i := range vs {
				v := &vs[i]
				checkGet(t, tab, v.key, v.rev, v)
				checkGet(t, tab, v.key, v.rev-1, wantGet(byKey, v.key, v.rev-1))
				checkGet(t, tab, v.key, newestRev, wantGet(byKey, v.key, newestRev))
				other := append(bytes.Clone(v.key), "\x00\xffb"[r.IntN(3)])
				checkGet(t, tab, other, newestRev, wantGet(byKey, other, newestRev))
			}
			for range 150 {
				checkSelection(t, r, tab, vs)
			}
		})
	}
}

// checkSelection compares a random selection of a table with the same of vs.
func checkSelection(t *testing.T, r *rand.Rand, tab *table, vs []version) {
	t.Helper()
	bound := func() []byte {
		switch k := vs[r.IntN(len(vs))].key; r.IntN(5) {
		case 0:
			return nil
		case 1:
			return append(bytes.Clone(k), 0)
		case 2:
			return bytes.Clone(k[:r.IntN(len(k)+1)])
		default:
			return k
		}
	}
	o := iterOptions{lo: bound(), hi: bound(), reverse: r.IntN(2) == 0, keysOnly: r.IntN(2) == 0}
	what := fmt.Sprintf("iter(%.40q, %.40q, reverse %t)", o.lo, o.hi, o.reverse)
	if r.IntN(2) == 0 {
		suffix := []byte{"ab\xff"[r.IntN(3)]}
		o.match = func(key []byte) bool { return bytes.HasSuffix(key, suffix) }
		what += fmt.Sprintf(" suffix %q", suffix)
	}
	checkSource(t, what, tab.iter(o), selectVersions(vs, o))
}

func TestTableEmpty(t *testing.T) {
	tab := makeTable(t, tableOptions{kind: kindSnapshot, snapshotRev: 9, historyFrom: 3}, nil)
	checkGet(t, tab, []byte("\x00a"), newestRev, nil)
	for _, o := range []iterOptions{{}, {reverse: true}, {lo: []byte("a")}, {hi: []byte("a"), reverse: true}} {
		checkSource(t, fmt.Sprintf("iter(%+v)", o), tab.iter(o), nil)
	}
	tab.verify(context.Background(), func(err error) { t.Errorf("verify: %v", err) })
	if i := tab.info(); i.snapshotRev != 9 || i.historyFrom != 3 || i.entries != 0 {
		t.Errorf("info() = %+v, want snapshot 9, history from 3, no entries", i)
	}
}

// A value of the largest size makes a block of its own.
func TestTableLargest(t *testing.T) {
	big := bytes.Repeat([]byte{1, 2, 3, 4}, MaxValueSize/4)
	vs := []version{
		{key: []byte("\x00a"), rev: 1, value: []byte("x"), size: 1},
		{key: []byte("\x00b"), rev: 1, value: big, size: len(big)},
		{key: append([]byte{0}, bytes.Repeat([]byte("c"), MaxKeySize)...), rev: 1, value: big, size: len(big)},
	}
	for _, compress := range []bool{false, true} {
		tab := makeTable(t, tableOptions{kind: kindFold, compress: compress}, vs)
		for i := range vs {
			checkGet(t, tab, vs[i].key, 1, &vs[i])
		}
		if got, want := tab.info().blocks, uint64(3); got != want {
			t.Errorf("blocks = %d, want %d", got, want)
		}
	}
}

// The filter spares nearly every missing key a look into a page.
func TestTableFilterRate(t *testing.T) {
	var vs []version
	for i := range 50_000 {
		vs = append(vs, version{key: fmt.Appendf(nil, "\x00key%08d", 2*i), rev: 1})
	}
	tab := makeTable(t, tableOptions{kind: kindFold}, vs)
	wrong := 0
	for i := range 50_000 {
		key := fmt.Appendf(nil, "\x00key%08d", 2*i+1)
		if page := tab.top.search(key, newestRev); page < tab.top.n {
			if may, err := tab.mayHave(page, filterHash(key)); err != nil {
				t.Fatal(err)
			} else if may {
				wrong++
			}
		}
	}
	if wrong > 50_000/40 {
		t.Errorf("the filter let %d of 50000 missing keys pass, want at most 1 in 40", wrong)
	}
}

// Versions written before their revision is known read as whoever opens the
// table says.
func TestTableAssigned(t *testing.T) {
	vs := []version{{key: []byte("\x00a"), value: []byte("1"), size: 1}, {key: []byte("\x00b"), deleted: true}}
	path, _ := writeTable(t, tableOptions{kind: kindIngest, blockSize: 1}, vs)
	as := assigned{rev: 40, stamp: 41, origin: 42}
	tab, err := openTable(OS, path, "t", as)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.release()
	for i := range vs {
		vs[i].rev, vs[i].stamp, vs[i].origin = as.rev, as.stamp, as.origin
		checkGet(t, tab, vs[i].key, 40, &vs[i])
		checkGet(t, tab, vs[i].key, 39, nil)
	}
	checkSource(t, "iter", tab.iter(iterOptions{}), vs)
	if i := tab.info(); i.minRev != 40 || i.maxRev != 40 || i.minStamp != 41 || i.maxStamp != 41 {
		t.Errorf("info() = %+v, want revision 40 and stamp 41", i)
	}
	tab.verify(context.Background(), func(err error) { t.Errorf("verify: %v", err) })
}

func TestTableWriterRefuses(t *testing.T) {
	a := func(rev Rev) version { return version{key: []byte("\x00a"), rev: rev} }
	for _, c := range []struct {
		name string
		vs   []version
		want error
	}{
		{"same version twice", []version{a(3), a(3)}, ErrInvalid},
		{"older before newer", []version{a(3), a(4)}, ErrInvalid},
		{"keys descend", []version{{key: []byte("\x00b"), rev: 1}, a(1)}, ErrInvalid},
		{"no key", []version{{rev: 1}}, ErrInvalid},
		{"long key", []version{{key: make([]byte, maxIKeySize+1), rev: 1}}, ErrInvalid},
		{"long value", []version{{key: []byte("\x00a"), value: make([]byte, MaxValueSize+1), size: MaxValueSize + 1}}, ErrTooLarge},
		{"delete with value", []version{{key: []byte("\x00a"), value: []byte("x"), size: 1, deleted: true}}, ErrInvalid},
		{"with and without revision", []version{a(0), {key: []byte("\x00b"), rev: 1}}, ErrInvalid},
		{"size without value", []version{{key: []byte("\x00a"), size: 1}}, ErrInvalid},
	} {
		path := filepath.Join(t.TempDir(), "t")
		w, err := newTableWriter(OS, path, tableOptions{kind: kindFold})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.vs {
			err = w.add(&c.vs[i])
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: add = %v, want %v", c.name, err, c.want)
		}
		if _, err := w.finish(); !errors.Is(err, c.want) {
			t.Errorf("%s: finish after a refused add = %v, want %v", c.name, err, c.want)
		}
		w.abort()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: Stat after abort = %v, want that it is gone", c.name, err)
		}
	}
}

// What is being written is locked, and what is finished stays after abort.
func TestTableWriterLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t")
	w, err := newTableWriter(OS, path, tableOptions{kind: kindFold})
	if err != nil {
		t.Fatal(err)
	}
	other, err := OS.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if ok, err := other.Lock(); ok || err != nil {
		t.Errorf("Lock of a table under way = %t, %v, want false", ok, err)
	}
	if _, err := newTableWriter(OS, path, tableOptions{kind: kindFold}); !errors.Is(err, os.ErrExist) {
		t.Errorf("newTableWriter on a file that is there = %v, want %v", err, os.ErrExist)
	}
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	w.abort()
	if ok, err := other.Lock(); !ok || err != nil {
		t.Errorf("Lock of a finished table = %t, %v, want true", ok, err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("Stat of a finished table = %v, %v, want mode 0600", fi, err)
	}
}

// A table goes on working without its file and until its last reference goes.
func TestTableLifetime(t *testing.T) {
	vs := []version{{key: []byte("\x00a"), rev: 1, value: []byte("x"), size: 1}}
	path, _ := writeTable(t, tableOptions{kind: kindFold}, vs)
	tab, err := openTable(OS, path, "t", assigned{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	src := tab.iter(iterOptions{})
	if !tab.retain() {
		t.Error("retain() of an open table = false")
	}
	tab.release()
	tab.release()
	checkSource(t, "iter of a table without a file or other references", src, vs)
	if tab.retain() {
		t.Error("retain() of a closed table = true")
	}
	if src := tab.iter(iterOptions{}); src.next() || !errors.Is(src.err(), ErrClosed) {
		t.Errorf("iter of a closed table = %v, want %v", src.err(), ErrClosed)
	}
}
