package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// temporaryFiles lists the files in dir.
func temporaryFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// checkSorted feeds records to a sorter and compares what comes out with the
// last record of each key, in order.
func checkSorted(t *testing.T, budget int64, in []version) {
	t.Helper()
	dir := t.TempDir()
	s := newSorter(OS, dir, budget)
	defer s.close()
	last := map[string]version{}
	scratch := make([]byte, 0, 64)
	for _, v := range in {
		scratch = append(scratch[:0], v.key...) // the sorter copies
		if err := s.add(scratch, v.value, v.expires, v.deleted); err != nil {
			t.Fatalf("add(%.40q) = %v", v.key, err)
		}
		last[string(v.key)] = v
	}
	var want []version
	for _, v := range last {
		want = append(want, v)
	}
	sortVersions(want)
	src, err := s.finish()
	if err != nil {
		t.Fatalf("finish() = %v", err)
	}
	checkSource(t, fmt.Sprintf("sorted %d with budget %d", len(in), budget), src, want)
	if err := s.add([]byte("\x00a"), nil, 0, false); !errors.Is(err, ErrClosed) {
		t.Errorf("add after finish = %v, want %v", err, ErrClosed)
	}
	s.close()
	if left := temporaryFiles(t, dir); len(left) > 0 {
		t.Errorf("close leaves %v", left)
	}
}

// sorterRecords makes n records over so many keys, now and then a large one.
func sorterRecords(r *rand.Rand, n, keys int) []version {
	prefix := []string{"", "user:", "a long prefix that all keys share:"}[r.IntN(3)]
	var vs []version
	for range n {
		k := r.IntN(keys)
		key := appendIKey(nil, "", fmt.Sprintf("%s%x%s", prefix, k*2654435761%keys, bytes.Repeat([]byte{0}, k%4)))
		v := version{key: key}
		switch r.IntN(10) {
		case 0:
			v.deleted = true
		case 1:
			v.expires = 1 + r.Int64()
			fallthrough
		default:
			v.size = r.IntN(30)
			if r.IntN(50) == 0 {
				v.size = r.IntN(5000)
			}
			v.value = bytes.Repeat([]byte{byte(r.IntN(256))}, v.size)
		}
		vs = append(vs, v)
	}
	return vs
}

func TestSorter(t *testing.T) {
	r := tableRand(t)
	for range 60 {
		n := r.IntN(3000)
		budget := []int64{1, 3000, 20_000, 1 << 20, 64 << 20}[r.IntN(5)]
		if budget == 1 { // each record is a run, and each run is merged with all before
			n /= 10
		}
		in := sorterRecords(r, n, 1+r.IntN(2*n+1))
		switch r.IntN(3) {
		case 0:
			slices.SortStableFunc(in, func(a, b version) int { return bytes.Compare(a.key, b.key) })
		case 1: // sorted but for a few
			sortVersions(in)
			for range min(n, 5) {
				i, j := r.IntN(n), r.IntN(n)
				in[i], in[j] = in[j], in[i]
			}
		}
		checkSorted(t, budget, in)
	}
}

// Many records take the parallel path and stay in memory.
func TestSorterMany(t *testing.T) {
	r := tableRand(t)
	checkSorted(t, 1<<30, sorterRecords(r, 60_000, 40_000))
}

// Sorted input makes one run, however often the memory is full.
func TestSorterSortedInput(t *testing.T) {
	s := newSorter(OS, t.TempDir(), 8000)
	defer s.close()
	for i := range 5000 {
		if err := s.add(fmt.Appendf(nil, "\x00%06d", i), []byte("v"), 0, false); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) != 1 {
		t.Errorf("sorted input made %d runs, want 1", len(s.runs))
	}
}

// A temporary file that does not read back as written is damage, not data.
func TestSorterDamage(t *testing.T) {
	for _, large := range []bool{false, true} {
		dir := t.TempDir()
		s := newSorter(OS, dir, 8000)
		defer s.close()
		for i := range 2000 {
			value := []byte("v")
			if large {
				value = bytes.Repeat(value, 300)
			}
			if err := s.add(fmt.Appendf(nil, "\x00%06d", i), value, 0, false); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range temporaryFiles(t, dir) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		src, err := s.finish()
		if err != nil {
			t.Fatal(err)
		}
		for src.next() {
		}
		if !errors.Is(src.err(), ErrDamaged) {
			t.Errorf("large %t: reading a changed run = %v, want damaged", large, src.err())
		}
	}
}

// A temporary file is locked while the sorter uses it.
func TestSorterLock(t *testing.T) {
	dir := t.TempDir()
	s := newSorter(OS, dir, 1000)
	defer s.close()
	for i := range 200 {
		if err := s.add(fmt.Appendf(nil, "\x00%d", i), bytes.Repeat([]byte("v"), i*3), 0, false); err != nil {
			t.Fatal(err)
		}
	}
	names := temporaryFiles(t, dir)
	if len(names) < 2 {
		t.Fatalf("files = %v, want a run and the values", names)
	}
	for _, name := range names {
		f, err := OS.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := f.Lock(); ok || err != nil {
			t.Errorf("Lock(%s) = %t, %v, want false", name, ok, err)
		}
		f.Close()
	}
}

// Ensure that records keep their order and their bytes in large memory, in runs
// and in chunks that are used again, and that none of it is left at the end.
func TestSorterLargeMemory(t *testing.T) {
	const records, valueSize = 300_000, 100 // 38 MiB
	s := newSorter(OS, t.TempDir(), 24<<20)
	defer s.close()
	value := make([]byte, valueSize)
	key := func(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }
	valueOf := func(i int) []byte {
		binary.LittleEndian.PutUint32(value[valueSize-4:], uint32(i))
		return value
	}
	for i := range records {
		i = i * 7919 % records // each once
		if err := s.add(key(i), valueOf(i), 0, false); err != nil {
			t.Fatalf("add(%d) = %v", i, err)
		}
	}
	if len(s.runs) == 0 {
		t.Error("nothing was spilled")
	}
	if runtime.GOOS == "linux" && len(s.arena.large) == 0 {
		t.Error("no large memory was taken")
	}
	src, err := s.finish()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; src.next(); n++ {
		if v := src.cur(); !bytes.Equal(v.key, key(n)) || !bytes.Equal(v.value, valueOf(n)) {
			t.Fatalf("record %d = %x with %x, want %x with %x", n, v.key, v.value, key(n), valueOf(n))
		}
	}
	if src.err() != nil || n != records {
		t.Errorf("the source ends after %d records with %v, want %d and nil", n, src.err(), records)
	}
	s.close()
	if s.arena.large != nil || s.arena.chunks != nil {
		t.Error("close leaves memory behind")
	}
	s.close() // again is no error
}

// Ensure that a sorter reads a table that it took over in bounded memory: what
// is mapped counts as memory of the process, too.
func TestSorterTableMemory(t *testing.T) {
	resident := func() int64 { // bytes of files that the process has in memory
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip(err)
		}
		var kib int64
		for line := range strings.Lines(string(text)) {
			var n int64
			if name, rest, _ := strings.Cut(line, ":"); name == "RssFile" || name == "RssShmem" {
				if _, err := fmt.Sscan(rest, &n); err != nil {
					t.Fatal(err)
				}
				kib += n
			}
		}
		return kib << 10
	}
	const count, size = 1200, 64 << 10
	w, err := newTableWriter(OS, filepath.Join(t.TempDir(), "t.tmp"), tableOptions{kind: kindIngest})
	if err != nil {
		t.Fatal(err)
	}
	v := version{value: make([]byte, size), size: size}
	for i := range count {
		v.key = fmt.Appendf(v.key[:0], "\x00%06d", i)
		if err := w.add(&v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.complete(); err != nil {
		t.Fatal(err)
	}
	s := newSorter(OS, t.TempDir(), 1<<20)
	defer s.close()
	if err := s.adopt(w); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a load that is overtaken reads it again
		before, most := resident(), int64(0)
		src, err := s.finish()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; src.next(); n++ {
			if got := src.cur(); string(got.key[1:]) != fmt.Sprintf("%06d", n) || !bytes.Equal(got.value, v.value) {
				t.Fatalf("item %d is %q with %d bytes", n, got.key, len(got.value))
			}
			if n%50 == 0 {
				most = max(most, resident()-before)
			}
		}
		if err := src.err(); err != nil || n != count {
			t.Fatalf("%d items, %v, want %d", n, err, count)
		}
		src.close()
		if limit := int64(2 * sorterDrop); most > limit {
			t.Errorf("reading %d bytes takes up to %d bytes of memory, want at most %d", count*size, most, limit)
		}
	}
}
