package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a process left that was killed may not be durable: these laws are about
// the order of calls, which a crash explorer found to be wrong once. It needs a
// tag to run; they do not.

// callsOf returns the calls that change the disk while f runs.
func callsOf(t *testing.T, f func(o Options)) []string {
	t.Helper()
	s := &faultFS{FS: OS}
	o := Options{Create: true, FS: s, Now: newLawClock().now, sizes: lawSizes}
	o.openAppender = s.openAppender
	f(o)
	return s.names
}

// wantBefore fails the test unless a call comes before another one.
func wantBefore(t *testing.T, calls []string, first, then string) {
	t.Helper()
	i, j := slices.Index(calls, first), slices.IndexFunc(calls, func(c string) bool { return strings.HasPrefix(c, then) })
	if i < 0 || j < 0 || i > j {
		t.Errorf("the call %q is not before %q in\n%s", first, then, strings.Join(calls, "\n"))
	}
}

// Ensure that the name of the folder is durable before FORMAT says that there
// is a database, also if the folder was there: who made it may have been killed.
func TestLawFolderIsDurable(t *testing.T) {
	parent := lawDir(t)
	dir := filepath.Join(parent, "a.kv")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	calls := callsOf(t, func(o Options) {
		if err := Create(context.Background(), dir, o); err != nil {
			t.Fatal(err)
		}
	})
	wantBefore(t, calls, "syncdir "+filepath.Base(parent), "rename FORMAT.new")
	snap := filepath.Join(parent, "s.kvs")
	target := filepath.Join(parent, "b.kv")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, dir, Options{sizes: lawSizes})
	defer db.Close()
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	if _, err := db.Snapshot(context.Background(), snap); err != nil {
		t.Fatal(err)
	}
	calls = callsOf(t, func(o Options) {
		if _, err := Restore(context.Background(), snap, target, o); err != nil {
			t.Fatal(err)
		}
	})
	wantBefore(t, calls, "syncdir "+filepath.Base(parent), "rename FORMAT.new")
}

// Ensure that FORMAT is durable before the first transaction is acknowledged:
// who made the database may have been killed between the rename and the sync.
func TestLawFormatIsDurable(t *testing.T) {
	dir := filepath.Join(lawDir(t), "a.kv")
	if err := Create(context.Background(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	calls := callsOf(t, func(o Options) {
		db := mustOpen(t, dir, o)
		defer db.Close()
		mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	})
	wantBefore(t, calls, "syncdir a.kv", "append")
}

// Ensure that a fold makes the log durable before MANIFEST says how far it
// reaches, where commits do not: else a loss of power looks like damage.
func TestLawFoldedIsDurable(t *testing.T) {
	dir := filepath.Join(lawDir(t), "a.kv")
	for _, value := range []string{"v", ""} { // with a table, and without
		calls := callsOf(t, func(o Options) {
			db := mustOpen(t, dir, o)
			defer db.Close()
			if err := db.SetSetting(context.Background(), settingSync, syncNever); err != nil {
				t.Fatal(err)
			}
			writes := map[string]*cell{userIKey("k"): {value: value}}
			if value == "" {
				writes[userIKey("k")] = nil
			}
			mustUpdate(t, db, writes)
			o.FS.(*faultFS).names = nil
			if err := db.fold(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
		wantBefore(t, calls, "sync "+segmentName(1), "rename MANIFEST.new")
	}
}

// A lateFS is one in which another process makes a database between the first
// look for FORMAT and the next call.
type lateFS struct {
	FS
	looked bool
}

func (s *lateFS) Open(name string) (File, error) {
	if filepath.Base(name) == formatFile && !s.looked {
		s.looked = true
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return s.FS.Open(name)
}

// Ensure that a database that is made while somebody opens it is no damage.
func TestLawOpenWhileMade(t *testing.T) {
	dir := filepath.Join(lawDir(t), "a.kv")
	db := mustOpen(t, dir, Options{Create: true})
	defer db.Close()
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	late, err := Open(context.Background(), dir, Options{ReadOnly: true, FS: &lateFS{FS: OS}})
	if err != nil {
		t.Fatalf("Open = %v, want no error", err)
	}
	defer late.Close()
	if err := os.Remove(filepath.Join(dir, formatFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), dir, Options{ReadOnly: true}); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open without FORMAT = %v, want damaged", err)
	}
}

// Ensure that what a loss of power in the middle of a move or of a removal
// leaves of history, on a file system without a journal, is no damage; and that
// a gap in what is kept is.
func TestLawHistoryAfterPowerLoss(t *testing.T) {
	dir := filepath.Join(lawDir(t), "a.kv")
	clock := newLawClock()
	s := lawSizes
	s.keep = 1 << 20
	db := mustOpen(t, dir, Options{Create: true, Now: clock.now, sizes: s})
	defer db.Close()
	for i := range 12 {
		clock.ms++
		mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: strings.Repeat("v", 400+i)}})
	}
	if err := db.fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole := readImage(t, dir)
	history, _, err := listSegments(OS, filepath.Join(dir, historyDir))
	if err != nil || len(history) < 3 {
		t.Fatalf("history/ has %d segments, %v, want 3 or more", len(history), err)
	}
	check := func(what string, want Verdict) {
		t.Helper()
		if r, err := Check(t.Context(), OS, dir, true); err != nil || r.Verdict != want {
			t.Errorf("%s: Check says %s, %v, %v, want %s", what, r.Verdict, r.Faults, err, want)
		}
	}
	name := func(folder string, i int) string { return filepath.Join(dir, folder, segmentName(history[i])) }
	if err := os.Link(name(historyDir, len(history)-1), name(logDir, len(history)-1)); err != nil {
		t.Fatal(err)
	}
	check("with a segment under both names", VerdictClean)
	whole.write(t, dir)
	if err := os.Remove(name(historyDir, 1)); err != nil {
		t.Fatal(err)
	}
	check("with a gap in history", VerdictDamaged)
	whole.write(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		t.Fatal(err)
	}
	man, err := decodeManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	man.historyFrom = history[2]
	if err := errors.Join(os.WriteFile(filepath.Join(dir, manifestFile), man.encode(), 0o600), os.Remove(name(historyDir, 1))); err != nil {
		t.Fatal(err)
	}
	check("with a gap before history", VerdictClean)
}
