package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kvsh/engine"
)

// The names of backups end in these.
const (
	snapshotSuffix  = ".kvs"
	incrementSuffix = ".kvi"
)

// A backup is a snapshot or an increment in a folder of backups.
type backup struct {
	path      string
	increment bool
	database  string // id of the database it was made of
	after     engine.Rev
	rev       engine.Rev
	stamp     engine.Stamp
	created   time.Time
	count     int64 // keys, or versions of an increment
	size      int64
	err       error // what is wrong with it, and then nothing else is known
}

// readBackup describes a backup. With whole set all of its bytes are verified,
// else its ends.
func readBackup(ctx context.Context, path string, whole bool) backup {
	b := backup{path: path, increment: strings.HasSuffix(path, incrementSuffix)}
	if b.increment {
		info, err := engine.IncrementInfoOf(nil, path)
		if whole && err == nil {
			info, err = engine.VerifyIncrement(ctx, nil, path)
		}
		b.database, b.after, b.rev, b.stamp, b.err = info.Database, info.After, info.Rev, info.Stamp, err
		b.created, b.count, b.size = info.Created, info.Versions, info.Size
		return b
	}
	info, err := engine.SnapshotInfoOf(nil, path)
	if whole && err == nil {
		info, err = engine.VerifySnapshot(ctx, nil, path)
	}
	b.database, b.rev, b.stamp, b.err = info.Database, info.Rev, info.Stamp, err
	b.created, b.count, b.size = info.Created, info.Keys, info.Size
	return b
}

// backupsIn describes the backups in a folder, the newest first, then those
// that cannot be read.
func backupsIn(ctx context.Context, dir string) (list []backup, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == snapshotSuffix || ext == incrementSuffix {
			list = append(list, readBackup(ctx, filepath.Join(dir, e.Name()), false))
		}
	}
	slices.SortStableFunc(list, func(a, b backup) int {
		return cmp.Or(b.created.Compare(a.created), cmp.Compare(b.rev, a.rev), strings.Compare(b.path, a.path))
	})
	return list, nil
}

// lockFolder makes sure that no two processes save backups into a folder, or
// prune it, at the same time. The lock is on the folder itself: it leaves no
// file, and ends with the process.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := engine.OS.Open(dir)
	if err != nil {
		return nil, err
	}
	switch ok, err := f.Lock(); {
	case err != nil:
		f.Close()
		return nil, err
	case !ok:
		f.Close()
		return nil, fmt.Errorf("another backup into %s is under way: %w", dir, engine.ErrBusy)
	}
	return func() { f.Close() }, nil
}

// pruneBackups removes the snapshots of a database that the rules do not keep,
// the increments of it that only they needed, and what killed backups left. It
// returns what it removed. Backups that cannot be read stay: they need a
// person. Called with the folder locked.
func pruneBackups(ctx context.Context, dir, database string, rules keepRules) (removed []string, err error) {
	all, err := backupsIn(ctx, dir)
	if err != nil {
		return nil, err
	}
	var snapshots []backup
	var moments []time.Time
	for _, b := range all {
		if b.err == nil && b.database == database && !b.increment {
			snapshots = append(snapshots, b)
			moments = append(moments, b.created.Local())
		}
	}
	var gone []string
	var oldest time.Time // of the snapshots that stay
	for i, keep := range rules.kept(moments) {
		if keep {
			oldest = moments[i]
		} else {
			gone = append(gone, snapshots[i].path)
		}
	}
	for _, b := range all {
		if b.err == nil && b.database == database && b.increment && !b.created.Local().After(oldest) {
			gone = append(gone, b.path)
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(globQuote(dir), "*.kv[si].*.tmp"))
	if err != nil {
		return nil, err
	}
	leftovers = slices.DeleteFunc(leftovers, beingWritten)
	for _, path := range append(gone, leftovers...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return removed, err
		}
		removed = append(removed, path)
	}
	if len(removed) > 0 {
		err = engine.OS.SyncDir(dir)
	}
	return removed, err
}

// beingWritten reports whether a process is writing a file: it holds its lock.
func beingWritten(path string) bool {
	f, err := engine.OS.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	ok, err := f.Lock()
	return !ok || err != nil
}
