package engine

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An orderFS passes every call on to the real file system and remembers what a
// loss of power could still undo: bytes of files and names in folders that were
// not synced since they changed. At the calls that promise something it checks
// that nothing they rely on is among that.
//
// It is used by one goroutine.
type orderFS struct {
	FS
	t     *testing.T
	dirty map[string]bool                    // files by path: their bytes are not on the disk
	names map[string]map[string]bool         // folders by path: names that are not; true: added, false: removed
	rules map[string]int                     // how often each rule was looked at
	dir   string                             // of the database under work
	fail  func(segment string) (wrong error) // of an append, when its bytes are there; nil: none
}

func newOrderFS(t *testing.T, dir string) *orderFS {
	return &orderFS{
		FS: OS, t: t, dir: dir, dirty: make(map[string]bool),
		names: make(map[string]map[string]bool), rules: make(map[string]int),
	}
}

// rule fails the test unless what has to hold at a call does.
func (s *orderFS) rule(name string, holds bool, format string, args ...any) {
	s.t.Helper()
	s.rules[name]++
	if !holds {
		s.t.Errorf("%s: %s", name, fmt.Sprintf(format, args...))
	}
}

func (s *orderFS) changed(path string, added bool) {
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if s.names[dir] == nil {
		s.names[dir] = make(map[string]bool)
	}
	s.names[dir][name] = added
}

// unsynced lists the bytes and names of a folder of the database that are not
// on the disk; those of LOCK, MARK and temporary files do not count.
func (s *orderFS) unsynced(dir string) (list []string) {
	passing := func(name string) bool {
		return name == lockFile || name == markFile || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".new")
	}
	for _, path := range slices.Sorted(maps.Keys(s.dirty)) {
		if d, name := filepath.Split(path); filepath.Clean(d) == dir && !passing(name) {
			list = append(list, "bytes of "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.names[dir])) {
		// A name whose removal is undone is tidied up again; but not in the
		// log, where it would bring back what was taken back.
		if added := s.names[dir][name]; !passing(name) && (added || filepath.Base(dir) == logDir) {
			list = append(list, "name of "+name)
		}
	}
	return list
}

func (s *orderFS) clean(rule string, dirs ...string) {
	s.t.Helper()
	for _, dir := range dirs {
		list := s.unsynced(filepath.Join(s.dir, dir))
		s.rule(rule, len(list) == 0, "not on the disk in %s/: %q", dir, list)
	}
}

// settled checks that all that was answered is on the disk.
func (s *orderFS) settled(what string) {
	s.t.Helper()
	for _, dir := range []string{".", "..", logDir, historyDir, tablesDir, quarantineDir} {
		list := s.unsynced(filepath.Join(s.dir, dir))
		s.rule("an answer is on the disk", len(list) == 0, "after %s, not on the disk in %s/: %q", what, dir, list)
	}
}

func (s *orderFS) Open(name string) (File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s *orderFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	_, err := s.FS.Stat(name)
	f, errOpen := s.FS.OpenFile(name, flag, perm)
	if errOpen != nil {
		return nil, errOpen
	}
	if flag&os.O_CREATE != 0 && err != nil {
		s.changed(name, true)
		s.dirty[name] = true
	}
	return &orderFile{f, s, name}, nil
}

func (s *orderFS) Mkdir(name string, perm fs.FileMode) error {
	err := s.FS.Mkdir(name, perm)
	if err == nil {
		s.changed(name, true)
	}
	return err
}

func (s *orderFS) Rename(from, to string) error {
	s.rule("a file is on the disk before it gets its name", !s.dirty[from], "%s to %s", filepath.Base(from), filepath.Base(to))
	switch {
	case filepath.Base(to) == manifestFile:
		s.clean("tables are on the disk before MANIFEST names them", tablesDir)
	case filepath.Base(to) == formatFile:
		s.clean("everything is on the disk before FORMAT", ".", logDir, tablesDir, historyDir, quarantineDir)
		s.rule("MARK is on the disk before FORMAT", !s.dirty[filepath.Join(s.dir, markFile)], "MARK is not")
	case filepath.Base(filepath.Dir(to)) == historyDir:
		s.clean("MANIFEST is on the disk before segments leave the log", ".")
	}
	err := s.FS.Rename(from, to)
	if err == nil {
		s.changed(from, false)
		s.changed(to, true)
		delete(s.dirty, from)
		delete(s.dirty, to) // it was another file
	}
	return err
}

func (s *orderFS) Remove(name string) error {
	switch filepath.Base(filepath.Dir(name)) {
	case tablesDir, historyDir:
		if !strings.HasSuffix(name, ".tmp") {
			s.clean("MANIFEST is on the disk before files go", ".")
		}
	case logDir:
		s.clean("bytes are kept before they are cut", quarantineDir)
	}
	err := s.FS.Remove(name)
	if err == nil {
		s.changed(name, false)
		delete(s.dirty, name)
	}
	return err
}

func (s *orderFS) SyncDir(name string) error {
	if filepath.Base(name) == logDir {
		s.clean("a moved segment is in history before it is out of the log", historyDir)
	}
	err := s.FS.SyncDir(name)
	if err == nil {
		delete(s.names, filepath.Clean(name))
	}
	return err
}

type orderFile struct {
	File
	s    *orderFS
	name string
}

func (f *orderFile) WriteAt(b []byte, offset int64) (int, error) {
	if filepath.Base(f.name) == markFile {
		if m, reason := decodeMark(b); reason != "" {
			f.s.t.Errorf("MARK is written with bytes that are none: %s", reason)
		} else if _, err := OS.Stat(filepath.Join(f.s.dir, formatFile)); err == nil && m.durable == m.pos.rev {
			f.s.clean("records are on the disk before MARK says so", logDir)
		}
	}
	f.s.dirty[f.name] = true
	return f.File.WriteAt(b, offset)
}

func (f *orderFile) Write(b []byte) (int, error) {
	f.s.dirty[f.name] = true
	return f.File.Write(b)
}

func (f *orderFile) Truncate(size int64) error {
	if filepath.Base(filepath.Dir(f.name)) == logDir {
		f.s.clean("bytes are kept before they are cut", quarantineDir)
	}
	f.s.dirty[f.name] = true
	return f.File.Truncate(size)
}

func (f *orderFile) Sync() error {
	err := f.File.Sync()
	if err == nil {
		delete(f.s.dirty, f.name)
	}
	return err
}

// An orderAppender notes what the log library writes, which does not go
// through FS. That it syncs as it says is shown by scripts/blackbox.
type orderAppender struct {
	appender
	s      *orderFS
	dir    string
	synced bool
}

func (s *orderFS) openAppender(dir string, sync bool, segmentSize int64) (appender, error) {
	a, err := openAppender(dir, sync, segmentSize)
	return &orderAppender{a, s, dir, sync}, err
}

func (a *orderAppender) segments() []Rev {
	firsts, _, err := listSegments(OS, a.dir)
	if err != nil {
		a.s.t.Error(err)
	}
	return firsts
}

func (a *orderAppender) append(first Rev, records [][]byte) error {
	for _, b := range records {
		var r record
		err := r.parse(b)
		if err == nil {
			err = r.each(func(o *operation) bool {
				if o.op == OpIngest {
					a.s.clean("a table is on the disk before the log names it", tablesDir)
				}
				return true
			})
		}
		if err != nil {
			a.s.t.Errorf("a record that cannot be read is appended: %v", err)
		}
	}
	before := a.segments()
	err := a.appender.append(first, records)
	after := a.segments()
	for _, first := range after {
		path := filepath.Join(a.dir, segmentName(first))
		if !slices.Contains(before, first) {
			a.s.changed(path, true)
		}
		delete(a.s.dirty, path) // the library syncs those that it ends
	}
	if last := filepath.Join(a.dir, segmentName(after[len(after)-1])); !a.synced {
		a.s.dirty[last] = true
	}
	if a.s.fail != nil {
		return a.s.fail(filepath.Join(a.dir, segmentName(after[len(after)-1])))
	}
	return err
}

func (a *orderAppender) sync() error {
	err := a.appender.sync()
	firsts := a.segments()
	delete(a.s.dirty, filepath.Join(a.dir, segmentName(firsts[len(firsts)-1])))
	return err
}

// orderRun is the workload whose calls are looked at.
type orderRun struct {
	*orderFS
	clock *lawClock
	db    *DB
}

func (r *orderRun) open() {
	r.t.Helper()
	if r.db != nil {
		r.db.Close()
	}
	s := lawSizes
	s.fold, s.keep = 1<<20, 1<<10
	r.db = mustOpen(r.t, r.dir, Options{Create: true, Now: r.clock.now, Writer: "w", FS: r.orderFS, sizes: s, openAppender: r.openAppender})
}

// do runs one call that has to succeed, after which everything is on the disk.
func (r *orderRun) do(what string, f func(ctx context.Context) error) {
	r.t.Helper()
	r.clock.ms++
	if err := f(r.t.Context()); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	r.settled(what)
}

func (r *orderRun) set(keys, size int) {
	r.t.Helper()
	r.do(fmt.Sprintf("a transaction of %d keys", keys), func(context.Context) error {
		writes := make(map[string]*cell)
		for i := range keys {
			writes[userIKey(fmt.Sprintf("k%02d", i))] = &cell{value: strings.Repeat("v", size)}
		}
		_, err := updateAll(r.db, writes)
		return err
	})
}

func (r *orderRun) load(from, to int) {
	r.t.Helper()
	r.do("a load", func(ctx context.Context) error {
		_, err := r.db.Load(ctx, func(yield func(Item, error) bool) {
			for i := from; i < to; i++ {
				if !yield(Item{Key: fmt.Appendf(nil, "l%03d", i), Value: []byte("loaded")}, nil) {
					return
				}
			}
		}, Replace)
		return err
	})
}

// lastSegment is the path of the segment that is appended to.
func (r *orderRun) lastSegment() string {
	firsts, _, err := listSegments(OS, filepath.Join(r.dir, logDir))
	if err != nil {
		r.t.Fatal(err)
	}
	return filepath.Join(r.dir, logDir, segmentName(firsts[len(firsts)-1]))
}

// died leaves the log as a process does that was stopped between its append and
// its fsync: the record is there, and MARK and the disk do not know of it.
func (r *orderRun) died(otherBoot bool) {
	r.t.Helper()
	path := filepath.Join(r.dir, markFile)
	old, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.set(1, 7)
	if otherBoot {
		old = asOtherBoot(r.t, old)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		r.t.Fatal(err)
	}
	firsts, _, err := listSegments(OS, filepath.Join(r.dir, logDir))
	if err != nil {
		r.t.Fatal(err)
	}
	for i, first := range firsts {
		if otherBoot || i == len(firsts)-1 {
			path := filepath.Join(r.dir, logDir, segmentName(first))
			r.dirty[path] = true
			r.changed(path, true)
		}
	}
	r.open()
}

// Ensure that what an answer, MARK, MANIFEST or FORMAT speaks of is on the disk
// before they speak, that nothing goes before what replaces it is there, and
// that no file gets its name before its bytes are durable: whatever the machine
// loses with the power, it is never what was promised.
func TestLawOrderOfSyncs(t *testing.T) {
	base := lawDir(t)
	r := &orderRun{orderFS: newOrderFS(t, filepath.Join(base, "a.kv")), clock: newLawClock()}
	r.open()
	defer func() { r.db.Close() }()
	for round := range 3 {
		r.set(1, 20)
		r.set(2, 20)
		r.set(30, 60) // rotates
		r.load(0, 5)  // in the log
		r.load(10*round, 10*round+60)
		r.do("a fold", func(ctx context.Context) error { return r.db.fold(ctx) })
		r.set(3, 20)
		r.do("maintenance", func(ctx context.Context) error { return r.db.maintain(ctx, 3) })
	}
	r.do("a delete", func(context.Context) error {
		_, err := updateAll(r.db, map[string]*cell{userIKey("k01"): nil})
		return err
	})
	keep := time.Duration(0)
	r.do("compact", func(ctx context.Context) error {
		_, err := r.db.Compact(ctx, CompactOptions{Keep: &keep})
		return err
	})
	r.recoveries()
	for _, mode := range []string{syncInterval, syncNever, syncAlways} {
		r.do("sync "+mode, func(ctx context.Context) error { return r.db.SetSetting(ctx, "sync", mode) })
		if mode == syncAlways {
			r.set(1, 5)
			continue
		}
		// Not on the disk yet, and nobody says so.
		for range 3 {
			if _, err := updateAll(r.db, map[string]*cell{userIKey("k"): {value: strings.Repeat(mode, 60)}}); err != nil {
				t.Fatal(err)
			}
		}
		if mode == syncInterval {
			r.open() // Close makes it durable
			r.settled("closing")
		}
	}
	r.backups(base)
	for _, name := range slices.Sorted(maps.Keys(r.rules)) {
		t.Logf("%5d × %s", r.rules[name], name)
	}
	if len(r.rules) != 11 {
		t.Errorf("%d rules were looked at, want 11", len(r.rules))
	}
}

// recoveries goes through the ways in which a log is brought in order.
func (r *orderRun) recoveries() {
	for _, otherBoot := range []bool{false, true} {
		r.died(otherBoot)
		r.set(1, 8)
		f, err := os.OpenFile(r.lastSegment(), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		_, _ = f.WriteString("\x70kv\x01 torn")
		f.Close()
		r.open()
		r.set(1, 9)
	}
	// An append that fails when its bytes are there, and the segment after it.
	for _, keys := range []int{1, 40} {
		r.fail = func(segment string) error { r.dirty[segment] = true; return errFault }
		res, err := updateAll(r.db, map[string]*cell{userIKey("never"): {value: strings.Repeat("n", 40*keys)}})
		if err == nil || res.Outcome != NotCommitted {
			r.t.Errorf("Update with a failing append = %v, %v, want not committed", res.Outcome, err)
		}
		r.fail = nil
		r.settled("a failed append")
		r.set(1, 10)
	}
}

// backups goes through the files that are made beside a database.
func (r *orderRun) backups(base string) {
	snapshot, later := filepath.Join(base, "s.kvs"), filepath.Join(base, "s2.kvs")
	increment := filepath.Join(base, "i.kvi")
	var info SnapshotInfo
	r.do("a snapshot", func(ctx context.Context) (err error) {
		info, err = r.db.Snapshot(ctx, snapshot)
		return err
	})
	r.set(2, 11)
	r.do("an increment", func(ctx context.Context) error {
		_, err := r.db.Increment(ctx, increment, info.Rev, info.Stamp)
		return err
	})
	r.do("assemble", func(ctx context.Context) error {
		_, err := Assemble(ctx, r.orderFS, snapshot, []string{increment}, info.Rev+1, time.Time{}, later)
		return err
	})
	r.dir = filepath.Join(base, "b.kv")
	r.do("a restore", func(ctx context.Context) error {
		_, err := Restore(ctx, snapshot, r.dir, Options{FS: r.orderFS, Now: r.clock.now})
		return err
	})
}
