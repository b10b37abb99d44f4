//go:build crash

package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"kvsh/engine/crashfs"
)

// A crashSight is what is found after a crash.
type crashSight struct {
	none   bool // no database
	reader Rev  // what a reader sees
	writer Rev  // what a writer finds, and goes on behind
}

// keeps says how a sight breaks a promise.
func (s crashSight) keeps(p crashPromise) error {
	switch {
	case s.none && p.born:
		return broken("there is no database")
	case s.none:
		return nil
	case s.reader < p.least || s.reader > p.most:
		return broken("a reader sees revision %d, want %d to %d", s.reader, p.least, p.most)
	case s.writer < p.least || s.writer > p.most || s.writer < s.reader:
		return broken("a writer finds revision %d, want %d to %d, and a reader saw %d", s.writer, p.least, p.most, s.reader)
	}
	return nil
}

// A crashLook is one look at a disk: by a reader, then by a writer that
// recovers it and writes, then by a third process.
type crashLook struct {
	dir    string // below the mount
	boot   bootID
	sizes  sizes
	model  *crashModel
	write  map[string]*cell
	before func(mem *crashfs.FS, o Options) error // what is done first; or nil
	deep   bool                                   // read the past, and check every byte
}

// A crashTrace is what a look did to the disk.
type crashTrace struct {
	ops   []crashfs.Op // until the write was answered
	base  *crashfs.Disk
	begun int // calls when the write was begun
	acked int // calls when it was answered
}

// at looks at a disk.
func (l *crashLook) at(disk *crashfs.Disk) (s crashSight, tr crashTrace, err error) {
	mem := crashfs.Mount(disk, lockFile)
	defer mem.Unmount()
	err = guarded(func() error { s, err = l.look(mem, &tr); return err })
	h := mem.History()
	tr.base, tr.ops = h.Base, h.Ops[:tr.acked]
	return s, tr, err
}

func (l *crashLook) look(mem *crashfs.FS, tr *crashTrace) (s crashSight, err error) {
	ctx := context.Background()
	dir := filepath.Join(mem.Path(), l.dir)
	var notices []string
	o := Options{
		Wait: -1, FS: crashSeam{mem}, Writer: "r", sizes: l.sizes, boot: l.boot,
		Now: func() time.Time { return time.UnixMilli(l.model.now) }, Notice: func(text string) { notices = append(notices, text) },
	}
	ro := o
	ro.ReadOnly = true
	db, err := Open(ctx, dir, ro)
	switch {
	case errors.Is(err, ErrNoDatabase):
		s.none = true
	case err != nil:
		return s, broken("Open to read = %v", err)
	default:
		if s.reader, err = l.read(db, "a reader"); err != nil {
			return s, err
		}
		if mem.Ops() > 0 {
			return s, broken("the reader wrote")
		}
		_ = db.Close()
	}
	o.Create = true
	if l.before != nil {
		if err := l.before(mem, o); err != nil {
			return s, err
		}
	}
	tr.begun = mem.Ops()
	w, err := Open(ctx, dir, o)
	if err != nil {
		return s, broken("Open to write = %v", err)
	}
	res, err := updateAll(w, l.write)
	if err != nil || res.Outcome != Committed || res.Rev < 1 {
		return s, broken("Update = %v, %v", res, err)
	}
	tr.acked = mem.Ops()
	s.writer = res.Rev - 1
	if int(s.writer) >= len(l.model.states) {
		return s, broken("the write became revision %d, %d were ever begun", res.Rev, len(l.model.states)-1)
	}
	notices = nil
	again, err := Open(ctx, dir, o)
	if err != nil {
		return s, broken("Open after the write = %v", err)
	}
	after := *l
	after.model = l.model.with(s.writer, l.write)
	rev, err := after.read(again, "the next reader")
	if err == nil && rev != res.Rev {
		err = broken("the next reader sees revision %d, committed was %d", rev, res.Rev)
	}
	if err == nil && l.deep {
		err = after.dig(mem, o, res.Rev)
	}
	if err == nil && len(notices) > 0 {
		err = broken("recovered a second time: %s", strings.Join(notices, "; "))
	}
	// Nobody closes: a process that is killed does not either.
	return s, err
}

// read reads everything of the newest revision and compares.
func (l *crashLook) read(db *DB, who string) (Rev, error) {
	got, rev, err := dump(db, Newest)
	if err != nil {
		return rev, broken("%s: %v", who, err)
	}
	if d := l.model.fits(got, rev); d != "" {
		return rev, broken("%s at revision %d: %s", who, rev, d)
	}
	return rev, nil
}

// dig checks every byte, that another recovery finds the same, and writes once
// more.
func (l *crashLook) dig(mem *crashfs.FS, o Options, rev Rev) error {
	r, err := Check(context.Background(), o.FS, filepath.Join(mem.Path(), l.dir), true)
	if err != nil {
		return broken("Check = %v", err)
	}
	if r.Verdict != VerdictClean {
		return broken("Check says %s: %v", r.Verdict, r.Faults)
	}
	// Another machine that starts and recovers finds the same.
	o.boot[1]++
	again, err := Open(context.Background(), filepath.Join(mem.Path(), l.dir), o)
	if err != nil {
		return broken("Open in another run of the machine = %v", err)
	}
	if err := again.exclusive(context.Background(), func() error { return nil }); err != nil {
		return broken("another recovery: %v", err)
	}
	if got, err := l.read(again, "a reader after another recovery"); err != nil || got != rev {
		return broken("another recovery finds revision %d, want %d: %v", got, rev, err)
	}
	more := map[string]*cell{userIKey("more"): {value: "m"}}
	res, err := updateAll(again, more)
	if err != nil || res.Rev != rev+1 {
		return broken("the second write = %v, %v, want revision %d", res, err, rev+1)
	}
	next := *l
	next.model = l.model.with(rev, more)
	_, err = next.read(again, "a reader after the second write")
	return err
}
