package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// ErrGap is returned by Assemble where no increment follows the snapshot and
// those before without a gap.
var ErrGap = errors.New("the increments leave a gap")

// Assemble makes the snapshot of an earlier state: that of revision to, or, if
// to is 0, of the newest revision that was committed at or before the moment.
// It is put together from a snapshot and the increments behind it, in any
// order, all of whose bytes it verifies, and written to a new file as by
// DB.Snapshot: a key that had expired when that revision was committed is not
// in it. Increments of other databases and of other histories are left out. A
// state before the snapshot is ErrHistoryGone, one behind the last increment
// ErrNotYet, a gap before the state ErrGap, two increments that both could
// follow ErrOtherHistory. fsys nil is OS.
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
	o := tableOptions{
		id: rand.Uint64(), database: base.inf.database, kind: kindSnapshot, created: a.until,
		compress: true, snapshotRev: a.rev, snapshotStamp: a.stamp, historyFrom: a.rev,
	}
	err = saveTable(fsys, path, o, func(w *tableWriter) error { return each(ctx, a.state(), w.add) }, func(temp string) (err error) {
		info, err = VerifySnapshot(ctx, fsys, temp)
		return err
	})
	info.Path = path
	return info, err
}

// An assembly goes from the snapshot along the increments to the state that is
// asked for.
type assembly struct {
	base   *table
	parts  []*table // increments that reach behind the snapshot
	to     Rev      // what is asked for: this revision, or, if it is 0,
	moment time.Time

	// Where it is: rev was the newest revision before that time, in Unix
	// milliseconds. In that very millisecond another may have followed.
	rev   Rev
	stamp Stamp
	until int64
	used  []*table // increments on the way
}

func (a *assembly) close() {
	a.base.release()
	for _, t := range a.parts {
		t.release()
	}
}

// state yields what is asked for, once find has found it.
func (a *assembly) state() source {
	sources := []source{a.base.iter(iterOptions{})}
	for _, t := range a.used {
		sources = append(sources, t.iter(iterOptions{}))
	}
	return newVisible(newMergeSource(sources, false), a.rev, a.stamp.Time().UnixMilli(), false)
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
		a.parts = append(a.parts, t)
		if t.inf.database != a.base.inf.database || t.inf.snapshotRev <= a.base.inf.snapshotRev {
			continue // next does not take it, so it need not be whole
		}
		if err := t.verifyAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

// find goes to the state that is asked for.
func (a *assembly) find(ctx context.Context) error {
	a.rev, a.stamp, a.until = a.base.inf.snapshotRev, a.base.inf.snapshotStamp, a.base.inf.created
	if a.late(a.rev, a.stamp) {
		return fmt.Errorf("the snapshot is of revision %d, %s: %w", a.rev, a.stamp.Time().UTC().Format(time.RFC3339), ErrHistoryGone)
	}
	for !a.reached() {
		t, err := a.next(ctx)
		if err != nil {
			return err
		}
		a.used = append(a.used, t)
		if !a.late(t.inf.snapshotRev, t.inf.snapshotStamp) {
			a.rev, a.stamp, a.until = t.inf.snapshotRev, t.inf.snapshotStamp, t.inf.created
			continue
		}
		a.until = a.moment.UnixMilli() + 1
		err = each(ctx, t.iter(iterOptions{keysOnly: true}), func(v *version) error {
			if v.rev > a.rev && !a.late(v.rev, v.stamp) {
				a.rev, a.stamp = v.rev, v.stamp
			}
			return nil
		})
		if err != nil {
			return err
		}
		// Every revision has a version, but for one that a repair gave up.
		a.rev = max(a.rev, a.to)
	}
	return nil
}

// late reports whether a revision came after the state that is asked for.
func (a *assembly) late(rev Rev, stamp Stamp) bool {
	if a.to != 0 {
		return rev > a.to
	}
	return stamp.Time().After(a.moment)
}

// reached reports whether the revision under way is the one that is asked for.
func (a *assembly) reached() bool {
	if a.to != 0 {
		return a.rev == a.to
	}
	return a.moment.UnixMilli() < a.until
}

// next is the increment that goes on behind the revision under way.
func (a *assembly) next(ctx context.Context) (found *table, err error) {
	beyond := false // one is of later revisions
	for _, t := range a.parts {
		if t.inf.database != a.base.inf.database || t.inf.snapshotRev <= a.rev {
			continue
		}
		beyond = true
		if ok, err := a.continues(ctx, t); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("both %s and %s go on behind revision %d: one is %w",
				filepath.Base(found.name), filepath.Base(t.name), a.rev, ErrOtherHistory)
		}
		found = t
	}
	switch {
	case found != nil:
		return found, nil
	case beyond:
		return nil, fmt.Errorf("behind revision %d: %w", a.rev, ErrGap)
	}
	return nil, fmt.Errorf("the newest revision here is %d, of %s: %w", a.rev, time.UnixMilli(a.until).UTC().Format(time.RFC3339), ErrNotYet)
}

// continues reports whether an increment goes on behind the revision under way,
// in the same history.
func (a *assembly) continues(ctx context.Context, t *table) (bool, error) {
	if after := t.inf.historyFrom - 1; after >= a.rev {
		return after == a.rev && t.inf.afterStamp == a.stamp, nil
	}
	// It began earlier, so it holds this revision too.
	err := each(ctx, t.iter(iterOptions{keysOnly: true}), func(v *version) error {
		if v.rev == a.rev && v.stamp == a.stamp {
			return errStop
		}
		return nil
	})
	if err == errStop {
		return true, nil
	}
	return false, err
}
