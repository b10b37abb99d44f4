package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"
)

// An increment is one table file of kind increment: every version that was
// committed behind one revision and up to another, deletes included. A
// snapshot and the increments that follow it without a gap hold every state
// from the snapshot's revision to that of the last increment, also what was
// set and deleted in between. They are tables, so each of their bytes is under
// a checksum, and what an import brought is in them like any other write.

// IncrementInfo describes an increment.
type IncrementInfo struct {
	Path     string    `json:"path"`
	Database string    `json:"database"` // id of the database it was made of, in hex
	After    Rev       `json:"after"`    // it holds what was committed behind this revision
	Rev      Rev       `json:"rev"`      // up to this one
	Stamp    Stamp     `json:"stamp"`    // of Rev
	Created  time.Time `json:"created"`  // when it was made
	Versions int64     `json:"versions"` // that it holds, deletes included
	Size     int64     `json:"size"`     // of the file
}

func incrementInfo(path string, i *tableInfo) IncrementInfo {
	return IncrementInfo{
		Path: path, Database: hex.EncodeToString(i.database[:]), After: i.historyFrom - 1, Rev: i.snapshotRev, Stamp: i.snapshotStamp,
		Created: time.UnixMilli(i.created).UTC(), Versions: int64(i.entries), Size: i.size,
	}
}

// Increment writes everything that was committed behind revision after, up to
// the newest one, to a new file, which appears under its name only when it is
// whole, on the disk, read back and verified. It takes no lock. It returns
// ErrExists if something has that name, ErrHistoryGone if not every version
// behind after is kept any more, ErrNotYet if there is no revision after, and
// ErrDamaged if what it would save is damaged.
func (db *DB) Increment(ctx context.Context, path string, after Rev) (info IncrementInfo, err error) {
	done, err := db.use(ctx)
	if err != nil {
		return info, err
	}
	defer done()
	defer func() {
		if err != nil {
			err = fmt.Errorf("increment %s: %w", path, err)
		}
	}()
	if _, err := db.fsys.Stat(path); err == nil {
		return info, ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return info, err
	}
	core := &txCore{db: db, now: db.opts.now(), readonly: true}
	defer core.end()
	if err := core.openAll(); err != nil {
		return info, err
	}
	switch first := core.base.man.historyFrom; {
	case !db.exists.Load():
		return info, ErrNoDatabase
	case after > core.rev:
		return info, fmt.Errorf("revision %d, the newest is %d: %w", after, core.rev, ErrNotYet)
	case after+1 < first:
		return info, fmt.Errorf("revision %d: history begins at revision %d: %w", after+1, first, ErrHistoryGone)
	}
	stamp, err := db.stampOf(core.base, core.rev)
	if err != nil {
		return info, err
	}
	w, err := newTableWriter(db.fsys, tempName(path), tableOptions{
		id: rand.Uint64(), database: db.ident.id, kind: kindIncrement, created: core.now.UnixMilli(),
		compress: true, snapshotRev: core.rev, snapshotStamp: stamp, historyFrom: after + 1,
	})
	if err != nil {
		return info, err
	}
	defer db.discard(w)
	sources, err := core.base.sourcesAfter(after, core.rev)
	if err != nil {
		return info, err
	}
	err = each(ctx, newMergeSource(sources, false), func(v *version) error {
		if v.rev <= after || v.rev > core.rev {
			return nil
		}
		return w.add(v)
	})
	if err != nil {
		return info, err
	}
	if _, err := w.finish(); err != nil {
		return info, err
	}
	if info, err = VerifyIncrement(ctx, db.fsys, w.path); err != nil {
		return info, err
	}
	info.Path = path
	return info, moveNew(db.fsys, w.path, path)
}

// tempName is where a file is written that will be named path.
func tempName(path string) string { return fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32()) }

// sourcesAfter are the sources that can hold versions behind one revision and
// up to another.
func (b *base) sourcesAfter(after, to Rev) ([]source, error) {
	var o iterOptions
	sources, err := b.tail.sources(&o, to)
	if err != nil {
		return nil, err
	}
	for _, r := range b.runs {
		newer := run{id: r.id}
		for _, l := range r.tables {
			if l.line.maxRev > after {
				newer.tables = append(newer.tables, l)
			}
		}
		if s := newer.source(&o); s != nil {
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// openIncrement opens an increment. A file that is none is errNoIncrement,
// unless one of its ends shows that it once was a table.
func openIncrement(fsys FS, path string) (*table, error) {
	name := filepath.Base(path)
	if is, err := looksLikeTable(fsys, path); err != nil {
		return nil, err
	} else if !is {
		return nil, fmt.Errorf("%s: %w", name, errNoIncrement)
	}
	t, err := openTable(fsys, path, name, assigned{})
	if err != nil {
		return nil, err
	}
	i := t.info()
	switch {
	case i.kind != kindIncrement:
		err = fmt.Errorf("%s: %w", name, errNoIncrement)
	case i.historyFrom == 0, i.entries > 0 && (i.minRev < i.historyFrom || i.maxRev > i.snapshotRev || i.maxStamp > i.snapshotStamp):
		err = t.corrupt(t.propOff, "its versions are not those of its revisions")
	}
	if err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

var errNoIncrement = errors.New("not an increment")

// IncrementInfoOf describes an increment. It reads and verifies the two ends
// of the file only. fsys nil is OS.
func IncrementInfoOf(fsys FS, path string) (IncrementInfo, error) {
	t, err := openIncrement(orOS(fsys), path)
	if err != nil {
		return IncrementInfo{}, err
	}
	defer t.release()
	return incrementInfo(path, &t.inf), nil
}

// VerifyIncrement reads every byte of an increment. What is wrong with it is
// ErrDamaged: up to ten *CorruptError joined. fsys nil is OS.
func VerifyIncrement(ctx context.Context, fsys FS, path string) (IncrementInfo, error) {
	t, err := openIncrement(orOS(fsys), path)
	if err != nil {
		return IncrementInfo{}, err
	}
	defer t.release()
	return incrementInfo(path, &t.inf), t.verifyAll(ctx)
}

// ErrGap is returned by Assemble for increments that do not follow each other,
// or the snapshot, without a gap.
var ErrGap = errors.New("the increments leave a gap")

// Assemble makes the snapshot of an earlier state: that of revision to, or, if
// to is 0, of the newest revision that was committed at or before the moment.
// It is put together from a snapshot and the increments behind it, in any
// order, of the same database, all of whose bytes it verifies, and written to a
// new file as by DB.Snapshot: a key that had expired when that revision was
// committed is not in it. A state before the snapshot is ErrHistoryGone, one
// behind the last increment ErrNotYet, a gap before the state ErrGap.
func Assemble(ctx context.Context, fsys FS, snapshot string, increments []string, to Rev, moment time.Time, path string) (info SnapshotInfo, err error) {
	fsys = orOS(fsys)
	defer func() {
		if err != nil {
			err = fmt.Errorf("assemble %s: %w", path, err)
		}
	}()
	base, err := openSnapshot(fsys, snapshot)
	if err != nil {
		return info, err
	}
	a := &assembly{base: base, to: to, moment: moment}
	defer a.close()
	if err := a.open(ctx, fsys, increments); err != nil {
		return info, err
	}
	if err := a.find(ctx); err != nil {
		return info, err
	}
	w, err := newTableWriter(fsys, tempName(path), tableOptions{
		id: rand.Uint64(), database: base.inf.database, kind: kindSnapshot, created: base.inf.created,
		compress: true, snapshotRev: a.to, snapshotStamp: a.stamp, historyFrom: a.to,
	})
	if err != nil {
		return info, err
	}
	defer func() {
		if w.finished {
			_ = fsys.Remove(w.path)
		}
		w.abort()
	}()
	sources := []source{base.iter(iterOptions{})}
	for _, t := range a.parts {
		sources = append(sources, t.iter(iterOptions{}))
	}
	src := newVisible(newMergeSource(sources, false), a.to, a.stamp.Time().UnixMilli(), false)
	if err := each(ctx, src, w.add); err != nil {
		return info, err
	}
	if _, err := w.finish(); err != nil {
		return info, err
	}
	if info, err = VerifySnapshot(ctx, fsys, w.path); err != nil {
		return info, err
	}
	info.Path = path
	return info, moveNew(fsys, w.path, path)
}

// An assembly is the state of one Assemble.
type assembly struct {
	base   *table
	parts  []*table // increments that reach behind the snapshot, by their first revision
	to     Rev
	moment time.Time
	stamp  Stamp // of to
}

func (a *assembly) close() {
	a.base.release()
	for _, t := range a.parts {
		t.release()
	}
}

// open opens and verifies what is needed.
func (a *assembly) open(ctx context.Context, fsys FS, increments []string) error {
	if err := a.base.verifyAll(ctx); err != nil {
		return err
	}
	for _, path := range increments {
		t, err := openIncrement(fsys, path)
		if err != nil {
			return err
		}
		if t.inf.database != a.base.inf.database || t.inf.snapshotRev <= a.base.inf.snapshotRev {
			t.release()
			continue
		}
		a.parts = append(a.parts, t)
		if err := t.verifyAll(ctx); err != nil {
			return err
		}
	}
	slices.SortFunc(a.parts, func(x, y *table) int {
		switch {
		case x.inf.historyFrom < y.inf.historyFrom:
			return -1
		case x.inf.historyFrom > y.inf.historyFrom:
			return 1
		}
		return 0
	})
	return nil
}

// find finds the revision and its stamp, and keeps the increments up to it.
func (a *assembly) find(ctx context.Context) error {
	rev, stamp, until := a.base.inf.snapshotRev, a.base.inf.snapshotStamp, a.base.inf.created
	if a.late(rev, stamp) {
		return fmt.Errorf("the snapshot is of revision %d, %s: %w", rev, stamp.Time().UTC().Format(time.RFC3339), ErrHistoryGone)
	}
	for i, t := range a.parts {
		if a.reached(rev, until) {
			a.keep(i)
			break
		}
		if t.inf.historyFrom > rev+1 {
			return fmt.Errorf("nothing holds revisions %d to %d: %w", rev+1, t.inf.historyFrom-1, ErrGap)
		}
		if !a.late(t.inf.snapshotRev, t.inf.snapshotStamp) {
			rev, stamp, until = t.inf.snapshotRev, t.inf.snapshotStamp, t.inf.created
			continue
		}
		err := each(ctx, t.iter(iterOptions{keysOnly: true}), func(v *version) error {
			if v.rev > rev && !a.late(v.rev, v.stamp) {
				rev, stamp = v.rev, v.stamp
			}
			return nil
		})
		if err != nil {
			return err
		}
		rev, until = max(rev, a.to), a.moment.UnixMilli()
		a.keep(i + 1)
		break
	}
	if !a.reached(rev, until) {
		return fmt.Errorf("the newest revision here is %d, of %s: %w", rev, time.UnixMilli(until).UTC().Format(time.RFC3339), ErrNotYet)
	}
	a.to, a.stamp = rev, stamp
	return nil
}

// late reports whether a revision came after the state that is asked for.
func (a *assembly) late(rev Rev, stamp Stamp) bool {
	if a.to != 0 {
		return rev > a.to
	}
	return stamp.Time().After(a.moment)
}

// reached reports whether rev, which was the newest until a time in Unix
// milliseconds, is the one that is asked for, if it is not late.
func (a *assembly) reached(rev Rev, until int64) bool {
	if a.to != 0 {
		return rev == a.to
	}
	return a.moment.UnixMilli() <= until
}

// keep drops all increments but the first n.
func (a *assembly) keep(n int) {
	for _, t := range a.parts[n:] {
		t.release()
	}
	a.parts = a.parts[:n]
}
