package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An overtaken is a database in which another process works at one moment of
// a call: before the so manieth access to the file system.
type overtaken struct {
	t     *testing.T
	img   image
	dir   string
	clock *lawClock
	model *lawModel
	opts  Options
}

func newOvertaken(t *testing.T) *overtaken {
	t.Helper()
	o := &overtaken{t: t, dir: filepath.Join(lawDir(t), "db"), clock: newLawClock(), model: newLawModel()}
	o.opts = Options{Create: true, Now: o.clock.now, Writer: "w", Wait: -1, sizes: lawSizes}
	o.opts.sizes.fold, o.opts.sizes.keep, o.opts.sizes.small = 1<<20, 1<<20, 300
	db := mustOpen(t, o.dir, o.opts)
	defer db.Close()
	for i := range 4 {
		o.clock.ms++
		writes := set(3*i, 3*i+9, 40)
		o.model.commit(writes, mustUpdate(t, db, writes).Stamp)
		if i < 3 {
			if err := db.fold(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.img = readImage(t, o.dir)
	return o
}

// each runs call again and again, and lets other work before its first access
// to the files, then step accesses later, and so on, until there is none left.
func (o *overtaken) each(step int, call func(t *testing.T, db *DB), other func(db *DB)) {
	o.t.Helper()
	for at := 1; ; at += step {
		o.img.write(o.t, o.dir)
		done := false
		opts := o.opts
		fsys := &faultFS{FS: OS}
		fsys.before = func(n int) {
			if n < at || done {
				return
			}
			done = true
			db := mustOpen(o.t, o.dir, o.opts)
			defer db.Close()
			other(db)
		}
		opts.FS, opts.openAppender = fsys, fsys.openAppender
		db := mustOpen(o.t, o.dir, opts)
		call(o.t, db)
		db.Close()
		if o.t.Failed() {
			o.t.Logf("overtaken before call %d", at)
			return
		}
		if !done {
			if at < 20 {
				o.t.Errorf("%d calls, want more", at)
			}
			o.t.Logf("overtaken at %d calls", at)
			return
		}
	}
}

// compactAll folds and merges everything, and forgets the past.
func compactAll(t *testing.T, db *DB) {
	t.Helper()
	keep := time.Duration(0)
	if _, err := db.Compact(t.Context(), CompactOptions{Keep: &keep}); err != nil && !errors.Is(err, ErrBusy) {
		t.Errorf("Compact by the other process = %v", err)
	}
}

// Ensure that a reader is not disturbed by another process that writes, folds,
// merges and compacts everything it reads, at whatever moment.
func TestLawReaderOvertaken(t *testing.T) {
	o := newOvertaken(t)
	want, rev := o.model.newest(), o.model.rev()
	read := func(t *testing.T, db *DB) {
		for range 2 {
			got, at, err := dump(db, Newest)
			delete(got, userIKey("other"))
			if d := differ(got, want); err != nil || at < rev || d != "" {
				t.Errorf("read revision %d, %v, %s, want revision %d or later", at, err, d, rev)
			}
		}
		err := db.View(t.Context(), Newest, func(tx Tx) error {
			for i := range 20 {
				key := fmt.Sprintf("k%02d", i)
				e, err := tx.Get(t.Context(), key)
				w, ok := want[userIKey(key)]
				if errors.Is(err, ErrNotFound) && !ok {
					continue
				}
				if err != nil || !ok || cellOf(e) != w {
					return fmt.Errorf("Get(%q) = %q, %w, want %q, %t", key, e.Value, err, w.value, ok)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		// Earlier revisions may be forgotten meanwhile, and are then said to be.
		got, _, err := dump(db, 2)
		if d := differ(got, o.model.states[2]); err == nil && d != "" || err != nil && !errors.Is(err, ErrHistoryGone) && !errors.Is(err, ErrUnavailable) {
			t.Errorf("read of revision 2: %v, %s", err, d)
		}
		report, err := Check(t.Context(), db.fsys, o.dir, true)
		if err != nil || report.Verdict != VerdictClean {
			t.Errorf("check: %v, %v, %v", report.Verdict, report.Faults, err)
		}
	}
	o.each(1, read, func(db *DB) { compactAll(t, db) })
	o.each(1, read, func(db *DB) {
		for range 3 { // a new segment, so that the one before leaves the log
			mustUpdate(t, db, map[string]*cell{userIKey("other"): {value: strings.Repeat("o", 600)}})
		}
		if _, err := db.Compact(t.Context(), CompactOptions{}); err != nil {
			t.Errorf("Compact by the other process = %v", err)
		}
	})
}

// Ensure that a load that keeps what is there keeps what another process wrote
// while it was under way.
func TestLawLoadOvertaken(t *testing.T) {
	o := newOvertaken(t)
	var written bool
	load := func(t *testing.T, db *DB) {
		defer func() { written = false }()
		res, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
			for i := 20; i < 60; i++ {
				if !yield(Item{Key: fmt.Appendf(nil, "k%02d", i), Value: []byte("loaded, and long enough for a table")}, nil) {
					return
				}
			}
		}, Keep)
		if err != nil || res.Added+res.Kept != 40 {
			t.Errorf("Load = %+v, %v, want 40 keys", res, err)
		}
		later := mustOpen(t, o.dir, o.opts)
		defer later.Close()
		got, _, err := dump(later, Newest)
		if c := got[userIKey("k33")]; err != nil || written && c.value != "of the other" {
			t.Errorf("k33 = %q, %v, another process wrote %t", c.value, err, written)
		}
	}
	o.each(1, load, func(db *DB) { compactAll(t, db) }) // and removes what dead processes left
	o.each(1, load, func(db *DB) {
		res, err := updateAll(db, map[string]*cell{userIKey("k33"): {value: "of the other"}})
		if written = err == nil; err != nil && !errors.Is(err, ErrBusy) {
			t.Errorf("Update by the other process = %v, %v", res.Outcome, err)
		}
	})
}

// Ensure that maintenance that is overtaken by that of another process takes
// nothing away and does nothing twice, also where the two did not see each
// other's lock.
func TestLawMaintenanceOvertaken(t *testing.T) {
	o := newOvertaken(t)
	var written bool
	o.each(effort(3, 1, 1), func(t *testing.T, db *DB) {
		defer func() { written = false }()
		err := db.fold(t.Context())
		for more := true; more && err == nil; {
			more, err = db.mergeSlice(t.Context(), 300)
		}
		if err != nil && !errors.Is(err, ErrBusy) {
			t.Errorf("maintenance = %v", err)
		}
		later := mustOpen(t, o.dir, o.opts)
		defer later.Close()
		want := o.model.newest()
		if written {
			want = merged(want, map[string]*cell{userIKey("other"): {value: "o"}})
		}
		got, _, err := dump(later, Newest)
		if d := differ(got, want); err != nil || d != "" {
			t.Errorf("read: %v, %s", err, d)
		}
		report, err := Check(t.Context(), nil, o.dir, true)
		if err != nil || report.Verdict != VerdictClean {
			t.Errorf("check: %v, %v, %v", report.Verdict, report.Faults, err)
		}
	}, func(db *DB) { // without the lock of those who make tables
		_, err := updateAll(db, map[string]*cell{userIKey("other"): {value: "o"}})
		if written = err == nil; err != nil && !errors.Is(err, ErrBusy) {
			t.Errorf("Update by the other process = %v", err)
		}
		if err := db.fold(t.Context()); err != nil && !errors.Is(err, ErrBusy) {
			t.Errorf("fold by the other process = %v", err)
		}
		if _, err := db.mergeSlice(t.Context(), 300); err != nil && !errors.Is(err, ErrBusy) {
			t.Errorf("merge by the other process = %v", err)
		}
	})
}

// Ensure that a snapshot replaces nothing that appears under its name while it
// is made.
func TestLawSnapshotOvertaken(t *testing.T) {
	o := newOvertaken(t)
	path := filepath.Join(filepath.Dir(o.dir), "a.kvs")
	first := false // the other one took the name
	o.each(1, func(t *testing.T, db *DB) {
		defer func() { first = false }()
		_, err := db.Snapshot(t.Context(), path)
		b, errRead := os.ReadFile(path)
		if mine := string(b) == "mine"; errRead != nil || first != mine || first != errors.Is(err, ErrExists) || first != (err != nil) {
			t.Errorf("Snapshot = %v, another took the name first: %t, and has it: %t, %v", err, first, mine, errRead)
		}
		os.Remove(path)
	}, func(*DB) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if first = err == nil; first {
			_, _ = f.WriteString("mine")
			f.Close()
		}
	})
}
