package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"sort"
	"time"
)

// A Historian is a store with CanReadPast that can also be asked what there
// was when. *DB and *Mem are.
type Historian interface {
	Store

	// Beginning is the first revision at which View reads, with its stamp. It
	// is 0 as long as nothing was committed.
	Beginning(ctx context.Context) (Rev, Stamp, error)

	// RevAt returns the newest revision whose stamp is not after t. It returns
	// ErrHistoryGone for a moment before the beginning of history, and
	// ErrNotYet for one in the future, when more may be committed by then.
	RevAt(ctx context.Context, t time.Time) (Rev, error)

	// ViewTime runs fn on the state at a moment: that of RevAt, with expiry
	// judged at t. It returns what RevAt returns.
	ViewTime(ctx context.Context, t time.Time, fn func(Tx) error) error

	// Versions yields the versions of a key, the newest first, as far as
	// history is kept: those later than Beginning, and the value it had there.
	// What it costs follows the number of versions that are taken. It yields
	// at most one error, as the last pair.
	Versions(ctx context.Context, family, key string) iter.Seq2[Version, error]
}

var (
	_ Historian = (*DB)(nil)
	_ Historian = (*Mem)(nil)
)

// timeLayout is how messages name a moment, in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// goneBefore is the error for what lies before the first readable state.
func goneBefore(what string, first Rev, stamp Stamp) error {
	if first == 1 {
		return fmt.Errorf("%s: revision 1 is of %s: %w", what, stamp.Time().UTC().Format(timeLayout), ErrYounger)
	}
	return fmt.Errorf("%s: history begins at revision %d (%s): %w", what, first, stamp.Time().UTC().Format(timeLayout), ErrHistoryGone)
}

// inFuture is the error for a moment that has not come. The newest stamp may
// be ahead of the clock of the machine: up to there the past is known too.
func inFuture(t, now time.Time, newest Stamp) error {
	if !t.After(now) || !t.After(newest.Time()) {
		return nil
	}
	return fmt.Errorf("%s is in the future: %w", t.UTC().Format(timeLayout), ErrNotYet)
}

// Beginning implements Historian.
func (db *DB) Beginning(ctx context.Context) (rev Rev, stamp Stamp, err error) {
	err = db.viewCore(ctx, func(core *txCore) error {
		rev, stamp, err = db.beginning(core)
		return err
	})
	return rev, stamp, err
}

// beginning is the first revision that core can be turned to. The empty state
// before revision 1 has no name.
func (db *DB) beginning(core *txCore) (Rev, Stamp, error) {
	if first := core.base.man.firstReadable(); first > 0 {
		return first, core.base.man.historyStamp, nil
	}
	if core.rev == 0 {
		return 0, 0, nil
	}
	stamp, err := db.stampOf(core.base, 1)
	return 1, stamp, err
}

// viewCore runs fn on a transaction that is pinned to the newest state.
func (db *DB) viewCore(ctx context.Context, fn func(*txCore) error) error {
	core := &txCore{db: db, now: db.opts.now(), readonly: true}
	if err := db.enrolPinned(ctx, core); err != nil {
		return err
	}
	defer db.users.Done()
	defer core.end()
	return fn(core)
}

// enrolPinned registers a call, which ends by users.Done, and pins the newest
// committed state for it: use and txCore.state in one, for a View is as short
// as a get.
func (db *DB) enrolPinned(ctx context.Context, core *txCore) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.enrol(ctx); err != nil {
		return err
	}
	if err := db.refresh(); err != nil {
		db.users.Done()
		return err
	}
	db.base.retain()
	core.base, core.rev = db.base, db.end.rev
	return nil
}

// viewPast turns a transaction to an earlier revision.
func (db *DB) viewPast(core *txCore, at Rev) error {
	if at > core.rev {
		return fmt.Errorf("revision %d, the newest is %d: %w", at, core.rev, ErrNotYet)
	}
	if first := core.base.man.firstReadable(); at < first {
		return goneBefore(fmt.Sprintf("revision %d", at), first, core.base.man.historyStamp)
	}
	stamp, err := db.stampOf(core.base, at)
	if err != nil {
		return err
	}
	core.rev, core.now = at, stamp.Time()
	return nil
}

// RevAt implements Historian. It reads the first record of a few segments and
// then one segment.
func (db *DB) RevAt(ctx context.Context, t time.Time) (rev Rev, err error) {
	err = db.viewCore(ctx, func(core *txCore) error {
		rev, err = db.revAt(ctx, core, t)
		return err
	})
	return rev, err
}

// ViewTime implements Historian.
func (db *DB) ViewTime(ctx context.Context, t time.Time, fn func(Tx) error) error {
	return db.viewCore(ctx, func(core *txCore) error {
		rev, err := db.revAt(ctx, core, t)
		if err != nil {
			return err
		}
		core.rev, core.now = rev, t
		return fn(core.tx())
	})
}

func (db *DB) revAt(ctx context.Context, core *txCore, t time.Time) (Rev, error) {
	newest, err := db.stampOf(core.base, core.rev)
	if err != nil {
		return 0, err
	}
	if err := inFuture(t, core.now, newest); err != nil {
		return 0, err
	}
	first, begin, err := db.beginning(core)
	switch {
	case err != nil:
		return 0, err
	case first == 0:
		return 0, fmt.Errorf("%s: nothing was committed so far: %w", t.UTC().Format(timeLayout), ErrNotYet)
	case begin.Time().After(t):
		return 0, goneBefore(t.UTC().Format(timeLayout), first, begin)
	case !newest.Time().After(t):
		return core.rev, nil
	}
	from, err := db.segmentAt(ctx, first, core.rev, t)
	if err != nil {
		return 0, err
	}
	rev := first
	err = db.records(ctx, max(from, first+1), core.rev, func(r *record) error {
		if r.stamp.Time().After(t) {
			return errStop
		}
		rev = r.rev
		return nil
	})
	if err == errStop {
		err = nil
	}
	return rev, err
}

// segmentAt returns the first revision of the segment in which to look for a
// moment: stamps never go back, so it is the last one that does not begin after
// it. first is not after t, and newest is.
func (db *DB) segmentAt(ctx context.Context, first, newest Rev, t time.Time) (Rev, error) {
	var last error
	for range 10 {
		log, _, err := listSegments(db.fsys, filepath.Join(db.dir, logDir))
		if err != nil {
			return 0, err
		}
		history, _, err := listSegments(db.fsys, filepath.Join(db.dir, historyDir))
		if err != nil {
			return 0, err
		}
		firsts := append(history, log...)
		slices.Sort(firsts)
		firsts = slices.Compact(firsts)
		i := sort.Search(len(firsts), func(i int) bool {
			if err != nil || firsts[i] > newest {
				return true
			}
			if firsts[i] <= first {
				return false
			}
			var stamp Stamp
			stamp, err = db.firstStamp(ctx, firsts[i])
			return stamp.Time().After(t)
		})
		if err == nil {
			if i == 0 {
				return first, nil
			}
			return firsts[i-1], nil
		}
		if last = err; !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		// A segment was moved or removed meanwhile.
	}
	return 0, last
}

// firstStamp is the stamp of the first record of a segment.
func (db *DB) firstStamp(ctx context.Context, first Rev) (stamp Stamp, err error) {
	for _, folder := range []string{logDir, historyDir, logDir} {
		var s *segmentScanner
		at := position{rev: first - 1, segment: first, anySum: true}
		s, err = openSegment(db.fsys, filepath.Join(db.dir, folder), at, -1, make([]byte, 4<<10))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = s.upTo(ctx, first, first, at, func(r *record) error {
				stamp = r.stamp
				return nil
			})
			s.close()
		}
		var bad *badPlace
		if errors.As(err, &bad) {
			err = bad.corrupt(folder)
		}
		break
	}
	return stamp, err
}
