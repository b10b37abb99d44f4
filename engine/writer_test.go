package engine

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"
)

// Ensure that a handle which writes once keeps segments short, so that the next
// one opens the log as fast, and that one which goes on writing makes long ones.
func TestSegmentSizes(t *testing.T) {
	const short, long = 1 << 10, 8 << 10
	dir := filepath.Join(t.TempDir(), "t.kv")
	o := Options{Create: true, sizes: defaultSizes}
	o.sizes.short, o.sizes.segment = short, long
	value := bytes.Repeat([]byte("v"), 100)
	n := 0
	set := func(db *DB) {
		n++
		updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, fmt.Sprint(n), value) })
	}
	// sizes are those of the segments that are full, and begin at from.
	sizes := func(from Rev) (all []int64, last Rev) {
		t.Helper()
		firsts, _, err := listSegments(OS, filepath.Join(dir, logDir))
		if err != nil {
			t.Fatal(err)
		}
		for i, first := range firsts[:len(firsts)-1] {
			info, err := OS.Stat(filepath.Join(dir, logDir, segmentName(first)))
			if err != nil {
				t.Fatal(err)
			}
			if firsts[i] >= from {
				all = append(all, info.Size())
			}
		}
		return all, firsts[len(firsts)-1]
	}
	for range 30 {
		db := openTest(t, dir, o)
		set(db)
		db.Close()
	}
	full, last := sizes(1)
	for _, size := range full {
		if size < short || size > short+300 {
			t.Errorf("segments of handles that write once have %d bytes, want each about %d", full, short)
		}
	}
	if len(full) < 3 {
		t.Errorf("30 handles filled %d segments, want 3 or more", len(full))
	}
	db := openTest(t, dir, o)
	for range 200 {
		set(db)
	}
	full, last = sizes(last)
	if len(full) < 3 || full[0] > short+300 || full[1] < long {
		t.Errorf("segments of a handle that writes 200 times have %d bytes, want one of about %d, then of %d", full, short, long)
	}
	other := openTest(t, dir, o)
	set(other)
	for range 50 {
		set(db)
		set(other)
	}
	full, _ = sizes(last)
	if len(full) < 3 || full[1] > short+300 {
		t.Errorf("segments of two handles in turn have %d bytes, want them to be of about %d", full, short)
	}
	err := db.View(t.Context(), Newest, func(tx Tx) error {
		got, err := tx.Count(t.Context(), Range{})
		if got != int64(n) {
			t.Errorf("Count = %d, want %d", got, n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A syncedDirs remembers the folders that were synced.
type syncedDirs struct {
	FS
	names []string
}

func (s *syncedDirs) SyncDir(name string) error {
	s.names = append(s.names, filepath.Base(name))
	return s.FS.SyncDir(name)
}

// Ensure that segments which another process moved to history/ have their names
// on the disk there before the log loses them: whoever begins a segment syncs
// the log, and cannot know whether the other lived to sync both.
func TestHistoryIsSyncedBeforeLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	o := Options{Create: true, sizes: defaultSizes}
	o.sizes.short = 1 << 10
	set := func(o Options) {
		db := openTest(t, dir, o)
		updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "k", make([]byte, 300)) })
		db.Close()
	}
	set(o) // makes the database
	seen := &syncedDirs{FS: OS}
	o.FS = seen
	for range 20 {
		set(o)
	}
	logs := 0
	for i, name := range seen.names {
		if name != logDir {
			continue
		}
		logs++
		if i == 0 || seen.names[i-1] != historyDir {
			t.Fatalf("folders were synced in the order %q, want %s before %s", seen.names, historyDir, logDir)
		}
	}
	if logs < 3 {
		t.Errorf("the log was synced %d times, want 3 and more: were segments begun?", logs)
	}
}
