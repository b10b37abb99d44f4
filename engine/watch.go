package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// watchPoll is how often a watch looks whether another process has committed:
// one read of MARK, 100 bytes. A commit of the same handle wakes it at once.
const watchPoll = 10 * time.Millisecond

// Watch yields committed transactions as they come, see Store. It reads them
// from the log, so folding and merging do not disturb it, and holds no lock. It
// ends with ErrHistoryGone where from is no longer kept, and with ErrClosed
// when the DB is closed.
func (db *DB) Watch(ctx context.Context, from Rev) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		w := watch{db: db, next: from, yield: yield}
		if err := w.run(ctx); err != nil && !w.stopped {
			yield(Change{}, err)
		}
	}
}

// errStop ends a walk whose caller has seen enough.
var errStop = errors.New("stop")

type watch struct {
	db      *DB
	next    Rev // the revision to yield next; 0: not known yet
	yield   func(Change, error) bool
	stopped bool
}

func (w *watch) run(ctx context.Context) error {
	for {
		newest, changed, err := w.look(ctx)
		if err != nil {
			return err
		}
		if w.next == 0 {
			w.next = newest + 1
		}
		if w.next <= newest {
			if err := w.pass(ctx, newest); err != nil || w.stopped {
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

// look returns the newest revision and a channel that is closed by the next
// commit of this handle.
func (w *watch) look(ctx context.Context) (Rev, <-chan struct{}, error) {
	done, err := w.db.use(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer done()
	w.db.mu.Lock()
	defer w.db.mu.Unlock()
	if err := w.db.refresh(); err != nil {
		return 0, nil, err
	}
	return w.db.end.rev, w.db.changed, nil
}

// pass yields the revisions up to newest. The call is not registered as one
// under way while the caller has a change in hand: it may well close the DB.
func (w *watch) pass(ctx context.Context, newest Rev) error {
	if w.db.isSnapshot() {
		return fmt.Errorf("watch a snapshot: %w", ErrUnsupported)
	}
	err := w.db.records(ctx, w.next, newest, func(r *record) error {
		c := Change{Rev: r.rev, Stamp: r.stamp, Writer: string(r.writer), Events: w.events(ctx, r)}
		w.next = r.rev + 1
		if !w.yield(c, nil) {
			w.stopped = true
			return errStop
		}
		return nil
	})
	if w.stopped {
		return nil
	}
	return err
}

func (w *watch) events(ctx context.Context, r *record) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		err := w.db.recordEvents(ctx, r, func(v *version) error {
			if !yield(eventOf(v), nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(Event{}, err)
		}
	}
}

// eventOf makes an event that the caller may keep.
func eventOf(v *version) Event {
	family, key := splitIKey(v.key)
	e := Event{Op: OpSet, Family: string(family), Key: string(key)}
	switch {
	case v.deleted:
		e.Op = OpDelete
		return e
	case v.expires != 0:
		e.Op, e.Expires = OpSetExpiring, time.UnixMilli(v.expires)
	}
	e.Value = append(make([]byte, 0, len(v.value)), v.value...)
	return e
}
