package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// richDir makes a database with every kind of file, and the options to open it
// at a moment when some of its keys have expired.
func richDir(t *testing.T) (string, Options) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rich.kv")
	makeGolden(t, dir)
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	return dir, Options{Now: func() time.Time { return now }}
}

func snapshotTest(t *testing.T, db *DB) SnapshotInfo {
	t.Helper()
	info, err := db.Snapshot(t.Context(), filepath.Join(t.TempDir(), "a.kvs"))
	if err != nil {
		t.Fatalf("Snapshot = %v", err)
	}
	return info
}

// A snapshot opened as a database reads as the state it was taken of, and is
// read-only.
func TestSnapshotReadsAsItsState(t *testing.T) {
	dir, o := richDir(t)
	db := openTest(t, dir, o)
	want := dumpState(t, db, Newest)
	before := treeOf(t, dir)
	info := snapshotTest(t, db)
	if after := treeOf(t, dir); after != before {
		t.Errorf("Snapshot changed the database from\n%s\nto\n%s", before, after)
	}
	snap := openTest(t, info.Path, o)
	if got := dumpState(t, snap, Newest); got != want {
		t.Errorf("the snapshot reads as\n%s\nwant\n%s", got, want)
	}
	if c := snap.Capabilities(); c.Has(CanWrite) || c.Has(CanWatch) || c.Has(CanReadPast) || !c.Has(CanFamilies) {
		t.Errorf("Capabilities() = %b", c)
	}
	if _, err := snap.Update(t.Context(), func(tx Tx) error { return tx.Set(t.Context(), "k", nil) }); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Update of a snapshot = %v, want ErrReadOnly", err)
	}
	if err := snap.View(t.Context(), info.Rev-1, func(Tx) error { return nil }); !errors.Is(err, ErrHistoryGone) {
		t.Errorf("View(%d) of a snapshot at %d = %v, want ErrHistoryGone", info.Rev-1, info.Rev, err)
	}
	again := snapshotTest(t, snap)
	if a, b := again.Keys, info.Keys; a != b || again.Rev != info.Rev || again.Database != info.Database {
		t.Errorf("the snapshot of a snapshot is %+v, want %+v", again, info)
	}
	if of, err := SnapshotInfoOf(nil, info.Path); err != nil || of != info {
		t.Errorf("SnapshotInfoOf = %+v, %v, want %+v", of, err, info)
	}
}

// A snapshot replaces no file, and one that cannot be made leaves none.
func TestSnapshotRefuses(t *testing.T) {
	dir, o := richDir(t)
	db := openTest(t, dir, o)
	folder := t.TempDir()
	path := filepath.Join(folder, "a.kvs")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Snapshot(t.Context(), path); !errors.Is(err, ErrExists) {
		t.Errorf("Snapshot over a file = %v, want ErrExists", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Snapshot(ctx, filepath.Join(folder, "b.kvs")); !errors.Is(err, context.Canceled) {
		t.Errorf("Snapshot with an ended context = %v", err)
	}
	entries, err := os.ReadDir(folder)
	if b, e := os.ReadFile(path); err != nil || e != nil || len(entries) != 1 || string(b) != "mine" {
		t.Errorf("after refused snapshots there are %v, and %q in the first", entries, b)
	}
}

// A snapshot taken while others write is the state of exactly one revision.
func TestSnapshotWhileOthersWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "busy.kv")
	o := Options{Create: true, sizes: sizes{segment: 2000, fold: 8000, slice: 8000, load: 1 << 20, small: 1000, keep: 1 << 20}}
	db := openTest(t, dir, o)
	if err := db.SetSetting(t.Context(), "sync", "never"); err != nil {
		t.Fatal(err)
	}
	updateTest(t, db, setKey("first")) // there is no View of revision 0: it means the newest
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := db.Update(t.Context(), func(tx Tx) error {
					key := fmt.Sprintf("%d", (i*4+w)%50)
					if i%5 == 4 {
						return tx.Delete(t.Context(), key)
					}
					return errors.Join(tx.Set(t.Context(), key, fmt.Appendf(nil, "%d of %d", i, w)), tx.In("f").Set(t.Context(), "k", []byte(key)))
				})
				if err != nil {
					t.Errorf("Update = %v", err)
					return
				}
			}
		})
	}
	var infos []SnapshotInfo
	for i := range 5 {
		info, err := db.Snapshot(t.Context(), filepath.Join(t.TempDir(), "s.kvs"))
		if err != nil {
			t.Errorf("snapshot %d = %v", i, err)
			break
		}
		infos = append(infos, info)
	}
	close(stop)
	wg.Wait()
	for _, info := range infos {
		snap := openTest(t, info.Path, Options{})
		if got, want := dumpState(t, snap, Newest), dumpState(t, db, info.Rev); got != want {
			t.Errorf("the snapshot of revision %d and that revision differ in\n%s", info.Rev, diffLines(got, want))
		}
	}
}

// diffLines lists the lines that only one of two texts has.
func diffLines(got, want string) string {
	var b strings.Builder
	for _, side := range [][3]string{{"got", got, want}, {"want", want, got}} {
		for line := range strings.Lines(side[1]) {
			if !strings.Contains(side[2], line) {
				fmt.Fprintf(&b, "%s %s", side[0], line)
			}
		}
	}
	return b.String()
}

// Every flipped bit of a snapshot is found, and never makes it another file
// than a damaged one.
func TestVerifySnapshotFindsEveryFlippedBit(t *testing.T) {
	dir, o := richDir(t)
	info := snapshotTest(t, openTest(t, dir, o))
	whole, err := os.ReadFile(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifySnapshot(t.Context(), nil, info.Path); err != nil {
		t.Fatalf("VerifySnapshot = %v", err)
	}
	for i := range whole {
		for bit := range 8 {
			whole[i] ^= 1 << bit
			if _, err := VerifySnapshot(t.Context(), imageFS{image{"flipped.kvs": whole}}, "flipped.kvs"); !errors.Is(err, ErrDamaged) {
				t.Errorf("VerifySnapshot with bit %d of byte %d flipped = %v, want ErrDamaged", bit, i, err)
			}
			whole[i] ^= 1 << bit
		}
	}
	t.Logf("%d flips", 8*len(whole))
}

// What is no snapshot is said to be none; a cut one is damaged.
func TestOpenNoSnapshot(t *testing.T) {
	dir, o := richDir(t)
	info := snapshotTest(t, openTest(t, dir, o))
	whole, err := os.ReadFile(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.kvs")
	for _, c := range []struct {
		content []byte
		want    error
		class   Class
	}{
		{nil, errNoSnapshot, ClassOther},
		{[]byte("{}"), errNoSnapshot, ClassOther},
		{whole[:len(whole)/2], ErrDamaged, ClassDamaged},
		{whole[1:], ErrDamaged, ClassDamaged},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, c.want) || ClassOf(err) != c.class {
			t.Errorf("Open of %.10q = %v, class %d, want %v", c.content, err, ClassOf(err), c.want)
		}
	}
}

// A restored database holds exactly the state of the snapshot, as another copy
// of the same database, and takes writes from the next revision on.
func TestRestore(t *testing.T) {
	dir, o := richDir(t)
	db := openTest(t, dir, o)
	info := snapshotTest(t, db)
	target := filepath.Join(t.TempDir(), "restored.kv")
	got, err := Restore(t.Context(), info.Path, target, o)
	if err != nil || got != info {
		t.Fatalf("Restore = %+v, %v, want %+v", got, err, info)
	}
	re := openTest(t, target, o)
	if got, want := dumpState(t, re, Newest), dumpState(t, db, Newest); got != want {
		t.Errorf("the restored database reads as\n%s\nwant\n%s", got, want)
	}
	if re.ident.id != db.ident.id || re.ident.copy == db.ident.copy {
		t.Errorf("identity %x %x of %x %x, want the same database and another copy", re.ident.id, re.ident.copy, db.ident.id, db.ident.copy)
	}
	if rep, err := Check(t.Context(), nil, target, true); err != nil || rep.Verdict != VerdictClean {
		t.Errorf("Check = %+v, %v, want clean", rep, err)
	}
	rev := updateTest(t, re, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "after", []byte("x")) })
	if rev != info.Rev+1 {
		t.Errorf("the first write got revision %d, want %d", rev, info.Rev+1)
	}
	re.Close()
	re = openTest(t, target, o)
	rev = updateTest(t, re, func(ctx context.Context, tx Tx) error { return tx.Delete(ctx, "after") })
	if rev != info.Rev+2 {
		t.Errorf("the second write got revision %d, want %d", rev, info.Rev+2)
	}
	if rep, err := Check(t.Context(), nil, target, true); err != nil || rep.Verdict != VerdictClean {
		t.Errorf("Check after writes = %+v, %v, want clean", rep, err)
	}
	if _, err := Restore(t.Context(), info.Path, target, o); !errors.Is(err, ErrExists) {
		t.Errorf("Restore over a database = %v, want ErrExists", err)
	}
}

// An empty database is saved and restored like any other.
func TestRestoreEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "empty.kv")
	if err := Create(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	info := snapshotTest(t, openTest(t, dir, Options{}))
	target := t.TempDir() // an empty directory is a target
	if _, err := Restore(t.Context(), info.Path, target, Options{}); err != nil {
		t.Fatalf("Restore = %v", err)
	}
	db := openTest(t, target, Options{})
	if rev := updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "a", nil) }); rev != 1 {
		t.Errorf("the first revision is %d, want 1", rev)
	}
}

// stopFS fails every change from the n-th on, as if the process had died.
type stopFS struct {
	FS
	left int
}

var errStopped = errors.New("stopped")

func (s *stopFS) step() error {
	if s.left--; s.left < 0 {
		return errStopped
	}
	return nil
}

func (s *stopFS) Mkdir(name string, perm os.FileMode) error {
	return errors.Join(s.step(), ifLeft(s, func() error { return s.FS.Mkdir(name, perm) }))
}

func (s *stopFS) Rename(from, to string) error {
	return errors.Join(s.step(), ifLeft(s, func() error { return s.FS.Rename(from, to) }))
}

func (s *stopFS) Remove(name string) error {
	return errors.Join(s.step(), ifLeft(s, func() error { return s.FS.Remove(name) }))
}

func (s *stopFS) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	if flag&os.O_CREATE != 0 {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	return s.FS.OpenFile(name, flag, perm)
}

func ifLeft(s *stopFS, f func() error) error {
	if s.left < 0 {
		return nil
	}
	return f()
}

// A restore that stops at any step leaves nothing that opens, and the next
// restore to the same place succeeds.
func TestRestoreStopped(t *testing.T) {
	dir, o := richDir(t)
	db := openTest(t, dir, o)
	info, want := snapshotTest(t, db), dumpState(t, db, Newest)
	for n := 0; ; n++ {
		target := filepath.Join(t.TempDir(), "restored.kv")
		stop := o
		stop.FS = &stopFS{FS: OS, left: n}
		_, err := Restore(t.Context(), info.Path, target, stop)
		if err == nil {
			if n < 10 {
				t.Errorf("Restore made %d steps, want more", n)
			}
			return
		}
		if !errors.Is(err, errStopped) {
			t.Fatalf("Restore stopped at step %d = %v", n, err)
		}
		if db, err := Open(t.Context(), target, o); err == nil {
			db.Close()
			t.Errorf("Restore stopped at step %d left a database that opens", n)
		}
		if _, err := Restore(t.Context(), info.Path, target, o); err != nil {
			t.Errorf("Restore after one stopped at step %d = %v", n, err)
			continue
		}
		if got := dumpState(t, openTest(t, target, o), Newest); got != want {
			t.Errorf("restored after a stop at step %d it reads as\n%s\nwant\n%s", n, got, want)
		}
	}
}
