package engine

import (
	"context"
	"fmt"
	"time"
)

// What the log commands ask of a database that opens: records as they are
// committed, and what stood in a key before a record changed it.

// Follow calls f with each committed record from revision from on (0: the next
// one to come), in order, without a gap or a repeat, and waits for more until
// the context is done or f returns an error, which it returns. It is Watch for
// those who want the records themselves. It returns ErrHistoryGone where from
// is no longer kept, and a *CorruptError at a record that cannot be read.
func (db *DB) Follow(ctx context.Context, from Rev, f func(RecordInfo) error) error {
	w := watch{db: db, next: from}
	for {
		newest, changed, err := w.look(ctx)
		if err != nil {
			return err
		}
		if db.isSnapshot() {
			return fmt.Errorf("follow a snapshot: %w", ErrUnsupported)
		}
		if w.next == 0 {
			w.next = newest + 1
		}
		if w.next <= newest {
			if err := w.follow(ctx, newest, f); err != nil {
				return err
			}
			continue
		}
		timer := time.NewTimer(watchPoll)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// follow passes on the records up to newest, which are committed.
func (w *watch) follow(ctx context.Context, newest Rev, f func(RecordInfo) error) error {
	for range 10 {
		var inner error
		err := Records(ctx, w.db.fsys, w.db.dir, w.next, newest, func(r RecordInfo) bool {
			if inner = ctx.Err(); inner != nil {
				return false
			}
			if r.Bad != "" {
				inner = &CorruptError{File: r.File, Offset: r.Offset, Rev: r.Rev, Reason: r.Bad}
				return false
			}
			if r.Rev != w.next {
				return false // segments are on the move: look again
			}
			w.next++
			inner = f(r)
			return inner == nil
		})
		if inner != nil {
			return inner
		}
		if err != nil {
			return err
		}
		if w.next > newest {
			return nil
		}
		b, _, err := w.db.pin()
		if err != nil {
			return err
		}
		first := b.man.historyFrom
		b.release()
		if w.next < first {
			return fmt.Errorf("revision %d: history begins at revision %d: %w", w.next, first, ErrHistoryGone)
		}
	}
	return errUnsettled
}

// Before returns what a key of a family held when the transaction rev,
// committed at stamp, came to change it, or ErrNotFound if that was nothing or
// had expired by then. It returns ErrHistoryGone where the state before rev is
// no longer kept and ErrNotYet where there is no such state so far.
func (db *DB) Before(ctx context.Context, rev Rev, stamp Stamp, family, key string) (Entry, error) {
	if rev == 0 {
		return Entry{}, fmt.Errorf("revision 0: %w", ErrInvalid)
	}
	done, err := db.use(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer done()
	core := &txCore{db: db, now: stamp.Time(), readonly: true}
	defer core.end()
	b, err := core.state()
	if err != nil {
		return Entry{}, err
	}
	switch first := b.man.firstReadable(); {
	case rev-1 < first:
		return Entry{}, fmt.Errorf("revision %d: history begins at revision %d: %w", rev-1, first+1, ErrHistoryGone)
	case rev-1 > core.rev:
		return Entry{}, fmt.Errorf("revision %d, the newest is %d: %w", rev-1, core.rev, ErrNotYet)
	}
	core.rev = rev - 1
	return (&dbTx{txCore: core}).In(family).Get(ctx, key)
}

// Events calls f with each key that one committed transaction changed, those
// of the tables it ingested included, until f returns an error, which it
// returns. It returns ErrHistoryGone where that is no longer kept.
func (db *DB) Events(ctx context.Context, rev Rev, f func(Event) error) error {
	done, err := db.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	return db.events(ctx, rev, rev, func(_ *record, v *version) error { return f(eventOf(v)) })
}
