package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// An increment is one table file of kind increment: every version that was
// committed behind one revision and up to another, deletes included. A
// snapshot and the increments that follow it without a gap hold every state
// from the snapshot's revision to that of the last increment, also what was
// set and deleted in between. They are tables, so each of their bytes is under
// a checksum, and what an import brought is in them like any other write.
//
// A database that was restored to an earlier state goes on with revisions that
// another history has too. Their stamps differ: so an increment carries the
// stamp of the revision it follows.

// IncrementInfo describes an increment.
type IncrementInfo struct {
	Path     string    `json:"path"`
	Database string    `json:"database"` // id of the database it was made of, in hex
	After    Rev       `json:"after"`    // it holds what was committed behind this revision
	AfterAt  Stamp     `json:"after_at"` // stamp of After
	Rev      Rev       `json:"rev"`      // up to this one
	Stamp    Stamp     `json:"stamp"`    // of Rev
	Created  time.Time `json:"created"`  // when it was made
	Versions int64     `json:"versions"` // that it holds, deletes included
	Size     int64     `json:"size"`     // of the file
}

func incrementInfo(path string, i *tableInfo) IncrementInfo {
	return IncrementInfo{
		Path: path, Database: hex.EncodeToString(i.database[:]), After: i.historyFrom - 1, AfterAt: i.afterStamp, Rev: i.snapshotRev, Stamp: i.snapshotStamp,
		Created: time.UnixMilli(i.created).UTC(), Versions: int64(i.entries), Size: i.size,
	}
}

// ErrOtherHistory is returned where a backup is of another history of the same
// database: one of the two was restored to an earlier state and went on.
var ErrOtherHistory = errors.New("of another history of this database")

// Increment writes everything that was committed behind revision after, up to
// the newest one, to a new file, which appears under its name only when it is
// whole, on the disk, read back and verified. It takes no lock. It returns
// ErrExists if something has that name, ErrHistoryGone if not every version
// behind after is kept any more, ErrNotYet if there is no revision after,
// ErrOtherHistory if that revision has another stamp, and ErrDamaged if what it
// would save is damaged.
func (db *DB) Increment(ctx context.Context, path string, after Rev, stamp Stamp) (info IncrementInfo, err error) {
	err = db.saving(ctx, "increment", path, func(core *txCore) error {
		if err := db.follows(core, after, stamp); err != nil {
			return err
		}
		newest, err := db.stampOf(core.base, core.rev)
		if err != nil {
			return err
		}
		o := tableOptions{
			id: rand.Uint64(), database: db.ident.id, kind: kindIncrement, created: core.now.UnixMilli(),
			compress: true, snapshotRev: core.rev, snapshotStamp: newest, historyFrom: after + 1, afterStamp: stamp,
		}
		fill := func(w *tableWriter) error { return core.copyAfter(ctx, after, w) }
		return saveTable(db.fsys, path, o, fill, func(temp string) (err error) {
			info, err = VerifyIncrement(ctx, db.fsys, temp)
			return err
		})
	})
	info.Path = path
	return info, err
}

// copyAfter adds every version behind a revision, deletes included.
func (c *txCore) copyAfter(ctx context.Context, after Rev, w *tableWriter) error {
	sources, err := c.base.sourcesAfter(after, c.rev)
	if err != nil {
		return err
	}
	return each(ctx, newMergeSource(sources, false), func(v *version) error {
		if v.rev <= after || v.rev > c.rev {
			return nil
		}
		return w.add(v)
	})
}

// follows says whether an increment behind revision after can be made.
func (db *DB) follows(core *txCore, after Rev, stamp Stamp) error {
	switch first := core.base.man.historyFrom; {
	case after > core.rev:
		return fmt.Errorf("revision %d, the newest is %d: %w", after, core.rev, ErrNotYet)
	case after+1 < first:
		return fmt.Errorf("revision %d: history begins at revision %d: %w", after+1, first, ErrHistoryGone)
	}
	here, err := db.stampOf(core.base, after)
	if err == nil && here != stamp {
		err = fmt.Errorf("revision %d: %w", after, ErrOtherHistory)
	}
	return err
}

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
	t, err := openTable(fsys, followed(path), name, assigned{})
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
