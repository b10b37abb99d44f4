package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A damaged segment of history/ does not keep the tail from being folded.
func TestFoldBesideDamagedHistory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	o := Options{Create: true, sizes: sizes{segment: 300, fold: 2000, slice: 4000, load: 1 << 20, small: 1 << 10, keep: 1}}
	db := openTest(t, dir, o)
	write := func(n int) {
		t.Helper()
		for i := range n {
			updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, fmt.Sprint(i%3), make([]byte, 40)) })
		}
	}
	write(100)
	firsts, _, err := listSegments(OS, filepath.Join(dir, historyDir))
	if err != nil || len(firsts) == 0 {
		t.Fatalf("history has %d segments, %v, want some", len(firsts), err)
	}
	path := filepath.Join(dir, historyDir, segmentName(firsts[0]))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] ^= 0xff
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before := foldedRev(t, db)
	db.opts.Notice = func(s string) { t.Errorf("notice: %s", s) }
	write(100)
	if after := foldedRev(t, db); after <= before {
		t.Errorf("folded up to revision %d after 100 more commits, was %d before, want more", after, before)
	}
}

func foldedRev(t *testing.T, db *DB) Rev {
	t.Helper()
	b, _, err := db.reload()
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	return b.man.folded.rev
}
