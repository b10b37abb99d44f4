package engine

import (
	"fmt"
	"path/filepath"
	"testing"
)

// A get that finds its key in no table streams the tail: it costs its bytes.
func BenchmarkTailStream(b *testing.B) {
	ctx := b.Context()
	dir := filepath.Join(b.TempDir(), "t.kv")
	o := Options{Create: true, sizes: defaultSizes}
	o.sizes.fold = 1 << 40
	db, err := Open(ctx, dir, o)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 100)
	var size int64
	for range 20 {
		open, err := db.Begin(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if err := open.Set(ctx, "x", value); err != nil {
			b.Fatal(err)
		}
		open.Rollback()
	}
	for i := 0; i < 25000; i += 500 {
		done := make(chan error, 500)
		for j := range 500 {
			go func() {
				_, err := db.Update(ctx, func(tx Tx) error { return tx.Set(ctx, fmt.Sprintf("key%012d", i+j), value) })
				done <- err
			}()
		}
		for range 500 {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
	base, _, err := db.reload()
	if err != nil {
		b.Fatal(err)
	}
	defer base.release()
	for _, f := range base.tail.files {
		info, err := f.f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		size += info.Size()
	}
	b.SetBytes(size)
	b.ResetTimer()
	for b.Loop() {
		if _, ok, err := base.tail.find([]byte("\x00nokey"), newestRev); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
