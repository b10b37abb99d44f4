package engine

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// What the rows of scripts/bench rest on, each with its allocations, on a
// database of dbBenchKeys keys. Times on a busy machine mean little; what is
// allocated is exact.
const dbBenchKeys = 200_000

// dbBenchItems are records in random order, or sorted.
func dbBenchItems(sorted bool) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		value := bytes.Repeat([]byte("v"), 100)
		key := make([]byte, 16)
		for i := range dbBenchKeys {
			if !sorted {
				i = i * 7919 % dbBenchKeys // a prime that does not divide it: each once
			}
			for at := len(key) - 1; at >= 0; at-- { // without an allocation
				key[at] = '0' + byte(i%10)
				i /= 10
			}
			if !yield(Item{Key: key, Value: value}, nil) {
				return
			}
		}
	}
}

// openBenchDB makes the database.
func openBenchDB(b *testing.B) (*DB, string) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "b.kv")
	db := openTest(b, dir, Options{Create: true})
	if _, err := db.Load(b.Context(), dbBenchItems(false), Replace); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return db, dir
}

// benchView runs f in one transaction that reads.
func benchView(b *testing.B, db *DB, f func(ctx context.Context, tx Tx) error) {
	b.Helper()
	ctx := b.Context()
	if err := db.View(ctx, Newest, func(tx Tx) error { return f(ctx, tx) }); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkOpen(b *testing.B) {
	_, dir := openBenchDB(b)
	for b.Loop() {
		db, err := Open(b.Context(), dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}

func BenchmarkGet(b *testing.B) {
	db, _ := openBenchDB(b)
	for b.Loop() {
		benchView(b, db, func(ctx context.Context, tx Tx) error {
			_, err := tx.Get(ctx, fmt.Sprintf("%016d", rand.IntN(dbBenchKeys)))
			return err
		})
	}
}

func BenchmarkGet100(b *testing.B) {
	db, _ := openBenchDB(b)
	for b.Loop() {
		benchView(b, db, func(ctx context.Context, tx Tx) error {
			for range 100 {
				if _, err := tx.Get(ctx, fmt.Sprintf("%016d", rand.IntN(dbBenchKeys))); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// BenchmarkScan reads a hundred and a hundred thousand entries, those of a
// prefix, and the keys that end in some digits or hold them.
func BenchmarkScan(b *testing.B) {
	db, _ := openBenchDB(b)
	for _, c := range []struct {
		name string
		r    Range
		want int
	}{
		{"100", Range{From: "0000000000050000", Limit: 100}, 100},
		{"100k", Range{From: "0000000000050000", Limit: 100_000}, 100_000},
		{"prefix", Range{Prefix: "00000000000500"}, 100},
		{"suffix", Range{KeysOnly: true, Match: func(key []byte) bool { return bytes.HasSuffix(key, []byte("1234")) }}, 20},
		{"contains", Range{KeysOnly: true, Match: func(key []byte) bool { return bytes.Contains(key, []byte("1234")) }}, 140},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				benchView(b, db, func(ctx context.Context, tx Tx) error {
					for _, err := range tx.Scan(ctx, c.r) {
						if err != nil {
							return err
						}
						n++
					}
					return nil
				})
				if n != c.want {
					b.Fatalf("scan of %s = %d entries, want %d", c.name, n, c.want)
				}
			}
		})
	}
}

// BenchmarkSetDurable sets a key in a transaction of its own, by one goroutine
// and by 32 that share a sync.
func BenchmarkSetDurable(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			db, _ := openBenchDB(b)
			value := bytes.Repeat([]byte("v"), 100)
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						if _, err := db.Update(b.Context(), func(tx Tx) error {
							return tx.Set(b.Context(), fmt.Sprintf("%016d", i%dbBenchKeys), value)
						}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkLoad loads dbBenchKeys records into a new database.
func BenchmarkLoad(b *testing.B) {
	for _, name := range []string{"random", "sorted"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			dir := b.TempDir()
			begin := time.Now()
			for i := range b.N {
				db := openTest(b, filepath.Join(dir, fmt.Sprint(i, ".kv")), Options{Create: true})
				if _, err := db.Load(b.Context(), dbBenchItems(name == "sorted"), Replace); err != nil {
					b.Fatal(err)
				}
				db.Close()
			}
			b.ReportMetric(float64(b.N)*dbBenchKeys/time.Since(begin).Seconds(), "records/s")
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	db, _ := openBenchDB(b)
	dir := b.TempDir()
	b.ResetTimer()
	for i := range b.N {
		if _, err := db.Snapshot(b.Context(), filepath.Join(dir, fmt.Sprint(i, ".kvs"))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPast reads a key of which there are a thousand versions, at a
// revision in the middle, and all of its versions.
func BenchmarkPast(b *testing.B) {
	const versions = 1000
	ctx := b.Context()
	db := openTest(b, filepath.Join(b.TempDir(), "p.kv"), Options{Create: true})
	for i := range versions {
		if _, err := db.Update(ctx, func(tx Tx) error { return tx.Set(ctx, "k", fmt.Append(nil, i)) }); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := db.View(ctx, versions/2, func(tx Tx) error {
				_, err := tx.Get(ctx, "k")
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("history", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for _, err := range db.Versions(ctx, "", "k") {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != versions {
				b.Fatalf("history = %d versions, want %d", n, versions)
			}
		}
	})
}
