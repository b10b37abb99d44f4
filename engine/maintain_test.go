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

// Ensure that the first commit of a handle folds a shorter tail than later ones
// do, so that commands in a script, each of which reads all of it, find it short.
func TestFirstCommitFoldsEarlier(t *testing.T) {
	const fold, first, record = 64 << 10, 8 << 10, 1 << 10
	dir := filepath.Join(t.TempDir(), "t.kv")
	o := Options{Create: true, sizes: sizes{segment: 2 << 10, fold: fold, first: first, slice: 1 << 20, load: 1 << 20, small: 1 << 10, keep: 1 << 20}}
	set := func(db *DB) {
		updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "k", make([]byte, record)) })
	}
	longLived := openTest(t, dir, o)
	for range 2 * first / record {
		set(longLived)
	}
	if folded := foldedRev(t, longLived); folded != 0 {
		t.Fatalf("a handle with %d KiB in its tail folded up to revision %d, want none before %d KiB", 2*first>>10, folded, fold>>10)
	}
	for n := range 3 * first / record {
		db := openTest(t, dir, o)
		set(db)
		if folded, last := foldedRev(t, db), db.w.mark.pos.rev; last-folded > first/record {
			t.Fatalf("%d records in the tail after %d handles with one commit each, want at most %d", last-folded, n+1, first/record)
		}
		db.Close()
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
