package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"
)

// How a watch learns that another process has committed. A commit of the same
// handle wakes it at once.
const (
	// watchPoll is how often it looks where the system does not tell of changes
	// of files: one read of MARK, 100 bytes.
	watchPoll = 20 * time.Millisecond

	// watchSafety is how often it looks in any case, and makes sure that the
	// database is still the one it began with. On a file system shared with
	// other machines nobody tells of what they write.
	watchSafety = time.Second
)

// Watch yields committed transactions as they come, see Store. It reads them
// from the log, so folding and merging do not disturb it, and holds no lock. It
// ends with ErrHistoryGone where from is no longer kept, with ErrClosed when
// the DB is closed, and with ErrUnavailable when the database is removed or
// another is put in its place, whose revisions are not these.
func (db *DB) Watch(ctx context.Context, from Rev) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		w := watch{db: db, next: from, log: recordReader{db: db, at: behind(0)}, yield: yield}
		defer w.deaf()
		if err := w.run(ctx); err != nil && !w.stopped {
			yield(Change{}, err)
		}
	}
}

// errStop ends a walk whose caller has seen enough.
var errStop = errors.New("stop")

type watch struct {
	db       *DB
	next     Rev // the revision to yield next; 0: not known yet
	log      recordReader
	yield    func(Change, error) bool
	stopped  bool
	notices  *notices  // nil: it polls
	listened time.Time // when it last tried to have notices
	verified time.Time // when the database was last seen to be the same
}

// notices tell that something happened to MARK, FORMAT or the directory of a
// database. The function listen of each system makes them, or fails.
type notices struct {
	wake  chan struct{} // holds one: more of them say no more
	ended atomic.Bool   // the directory went away, so none will come any more
	close func()        // returns when nothing runs any more
}

func newNotices() *notices { return &notices{wake: make(chan struct{}, 1)} }

func (n *notices) tell() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (w *watch) run(ctx context.Context) error {
	for {
		// Before the look, so that what comes behind it is told.
		w.listen()
		newest, changed, err := w.look(ctx)
		if err != nil {
			return err
		}
		if w.db.exists.Load() && w.db.isSnapshot() {
			return fmt.Errorf("watch a snapshot: %w", ErrUnsupported)
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
		if time.Since(w.verified) >= watchSafety {
			if err := w.verify(); err != nil {
				return err
			}
		}
		w.wait(ctx, changed)
	}
}

// listen has the system tell of changes, if it can and does not yet.
func (w *watch) listen() {
	if w.notices != nil && w.notices.ended.Load() {
		w.deaf()
	}
	if _, ok := w.db.fsys.(osFS); !ok || w.notices != nil || !w.db.exists.Load() || time.Since(w.listened) < watchSafety {
		return
	}
	w.listened, w.verified = time.Now(), time.Time{}
	if n, err := listen(w.db.dir); err == nil {
		w.notices = n
	}
}

func (w *watch) deaf() {
	if w.notices != nil {
		w.notices.close()
		w.notices = nil
	}
}

// wait returns when there may be something new: at the latest after a while.
func (w *watch) wait(ctx context.Context, changed <-chan struct{}) {
	every, wake := watchPoll, (<-chan struct{})(nil)
	if w.notices != nil {
		every, wake = watchSafety, w.notices.wake
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer.C:
	case <-wake:
		if w.notices.ended.Load() {
			w.verified = time.Time{}
		}
	}
}

// verify makes sure that the directory holds the database that this handle
// opened. Its files would go on to be read otherwise, and never change.
func (w *watch) verify() error {
	w.verified = time.Now()
	if !w.db.exists.Load() {
		return nil
	}
	id, err := readIdentity(w.db.fsys, w.db.dir)
	switch {
	case errors.Is(err, ErrNoDatabase):
		return fmt.Errorf("%s was removed: %w", w.db.dir, ErrUnavailable)
	case err != nil:
		return err
	case id.copy != w.db.ident.copy:
		return fmt.Errorf("%s was replaced by another database: %w", w.db.dir, ErrUnavailable)
	}
	return nil
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
	if err := w.verify(); err != nil {
		return err // the segments are found by name: they would be those of the other
	}
	if w.log.at.rev+1 != w.next {
		w.log.at = behind(w.next - 1)
	}
	err := w.log.upTo(ctx, newest, func(r *record) error {
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
	if err != nil && ctx.Err() == nil {
		if gone := w.verify(); gone != nil {
			return gone
		}
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
	e := Event{Family: string(family), Key: string(key)}
	e.Op, e.Value, e.Expires = v.effect()
	return e
}
