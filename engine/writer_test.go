package engine

import (
	"context"
	"path/filepath"
	"testing"
)

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
	o.sizes.segment = 1 << 10
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
