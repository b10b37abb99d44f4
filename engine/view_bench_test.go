package engine

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// openViewBench returns a database with benchViewKeys keys, all in one table.
func openViewBench(b *testing.B) *DB {
	b.Helper()
	ctx := b.Context()
	db, err := Open(ctx, filepath.Join(b.TempDir(), "v.kv"), Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	value := make([]byte, 100)
	_, err = db.Load(ctx, iter.Seq2[Item, error](func(yield func(Item, error) bool) {
		for i := range benchViewKeys {
			if !yield(Item{Key: []byte(viewKey(i)), Value: value}, nil) {
				return
			}
		}
	}), Replace)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.Compact(ctx, CompactOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return db
}

const benchViewKeys = 200_000

func viewKey(i int) string { return fmt.Sprintf("user:%011d", i) }

// A get in a View of its own.
func BenchmarkViewGet(b *testing.B) {
	db, ctx := openViewBench(b), b.Context()
	key := viewKey(rand.IntN(benchViewKeys))
	for b.Loop() {
		err := db.View(ctx, Newest, func(tx Tx) error {
			_, err := tx.Get(ctx, key)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// A scan of 100 keys in a View of its own, with and without copies of values.
func BenchmarkViewScan100(b *testing.B) {
	for _, lend := range []bool{false, true} {
		b.Run(fmt.Sprintf("lend=%v", lend), func(b *testing.B) {
			db, ctx := openViewBench(b), b.Context()
			prefix := viewKey(rand.IntN(benchViewKeys))[:13]
			for b.Loop() {
				n := 0
				err := db.View(ctx, Newest, func(tx Tx) error {
					for _, err := range tx.Scan(ctx, Range{Prefix: prefix, Limit: 100, Lend: lend}) {
						if err != nil {
							return err
						}
						n++
					}
					return nil
				})
				if err != nil || n != 100 {
					b.Fatal(n, err)
				}
			}
		})
	}
}
