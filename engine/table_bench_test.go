package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

const benchKeys = 1_000_000

func writeBenchTable(path string, n int) error {
	w, err := newTableWriter(OS, path, tableOptions{kind: kindMerge})
	if err != nil {
		return err
	}
	defer w.abort()
	v := version{rev: 7, stamp: 8, value: bytes.Repeat([]byte("v"), 100), size: 100}
	for i := range n {
		v.key = benchKey(v.key[:0], i)
		if err := w.add(&v); err != nil {
			return err
		}
	}
	_, err = w.finish()
	return err
}

// benchKey is a key of 16 bytes; they grow with i, and only even ones exist.
func benchKey(dst []byte, i int) []byte { return fmt.Appendf(append(dst, 0), "%016d", 2*i) }

// openBench writes a table and opens it.
func openBench(b *testing.B) (t *table, path string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "t")
	if err := writeBenchTable(path, benchKeys); err != nil {
		b.Fatal(err)
	}
	t, err := openTable(OS, path, "t", assigned{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(t.release)
	b.ReportAllocs()
	return t, path
}

func benchGet(b *testing.B, hit bool) {
	t, _ := openBench(b)
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([][]byte, 1<<16)
	for i := range keys {
		keys[i] = benchKey(nil, r.IntN(benchKeys))
		if !hit {
			keys[i][16] |= 1
		}
	}
	var v version
	i := 0
	for b.Loop() {
		ok, err := t.get(keys[i%len(keys)], newestRev, &v)
		if err != nil || ok != hit {
			b.Fatal(ok, err)
		}
		i++
	}
}

func BenchmarkTableGetHit(b *testing.B)  { benchGet(b, true) }
func BenchmarkTableGetMiss(b *testing.B) { benchGet(b, false) }

func BenchmarkTableOpen(b *testing.B) {
	_, path := openBench(b)
	for b.Loop() {
		t, err := openTable(OS, path, "t", assigned{})
		if err != nil {
			b.Fatal(err)
		}
		t.release()
	}
}

func BenchmarkTableScan100(b *testing.B) {
	t, _ := openBench(b)
	r := rand.New(rand.NewPCG(1, 2))
	var key []byte
	for b.Loop() {
		key = benchKey(key[:0], r.IntN(benchKeys-100))
		src := t.iter(iterOptions{lo: key})
		for range 100 {
			if !src.next() {
				b.Fatal(src.err())
			}
		}
		src.close()
	}
}

func benchScan(b *testing.B, o iterOptions, want int) {
	t, _ := openBench(b)
	for b.Loop() {
		n := 0
		src := newVisible(newMergeSource([]source{t.iter(o)}, o.reverse), newestRev, 0, o.reverse)
		for src.next() {
			n++
		}
		if err := src.err(); err != nil || n != want {
			b.Fatal(n, err)
		}
		src.close()
	}
}

func BenchmarkTableSuffix(b *testing.B) {
	suffix := []byte("00")
	benchScan(b, iterOptions{keysOnly: true, match: func(k []byte) bool { return bytes.HasSuffix(k, suffix) }}, benchKeys/50)
}

func BenchmarkTableKeys(b *testing.B) { benchScan(b, iterOptions{keysOnly: true}, benchKeys) }

func BenchmarkTableVerify(b *testing.B) {
	t, _ := openBench(b)
	b.SetBytes(t.info().size)
	for b.Loop() {
		t.verify(context.Background(), func(err error) { b.Fatal(err) })
	}
}

func BenchmarkTableWrite1M(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "t")
		if err := writeBenchTable(path, benchKeys); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSort1M adds a million random records, in memory and with runs, and
// reads them in order.
func BenchmarkSort1M(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	order := r.Perm(benchKeys)
	value := bytes.Repeat([]byte("v"), 100)
	for _, budget := range []int64{96 << 20, 256 << 20} {
		b.Run(fmt.Sprintf("%dMiB", budget>>20), func(b *testing.B) {
			b.ReportAllocs()
			var key []byte
			for b.Loop() {
				s := newSorter(OS, b.TempDir(), budget)
				for _, i := range order {
					key = benchKey(key[:0], i)
					if err := s.add(key, value, 0, false); err != nil {
						b.Fatal(err)
					}
				}
				src, err := s.finish()
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for src.next() {
					n++
				}
				if n != benchKeys {
					b.Fatal(n, src.err())
				}
				s.close()
			}
		})
	}
}
