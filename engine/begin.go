package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
)

// A readSet is what a transaction has read: which revision each key had, and
// which ranges were looked through. The commit is refused if any of it would
// now be read differently (optimistic concurrency control, Kung and Robinson,
// 1981).
type readSet struct {
	keys    map[string]struct{}
	spans   []iterOptions
	expires int64 // the first moment at which something read expires; Unix ms
}

func newReadSet() *readSet {
	return &readSet{keys: make(map[string]struct{}), expires: math.MaxInt64}
}

func (s *readSet) key(ikey []byte, v *version, found bool) {
	s.keys[string(ikey)] = struct{}{}
	if found {
		s.expiry(v)
	}
}

// span remembers a range that was looked through: up to the key last, if that
// is not nil, and else to its end.
func (s *readSet) span(o *iterOptions, last []byte) {
	seen := *o
	switch {
	case last == nil:
	case o.reverse:
		seen.lo = bytes.Clone(last)
	default:
		seen.hi = append(bytes.Clone(last), 0)
	}
	s.spans = append(s.spans, seen)
}

func (s *readSet) expiry(v *version) {
	if v.expires != 0 {
		s.expires = min(s.expires, v.expires)
	}
}

// touches reports whether a write to a key changes what was read.
func (s *readSet) touches(ikey []byte) bool {
	if _, ok := s.keys[string(ikey)]; ok {
		return true
	}
	for i := range s.spans {
		o := &s.spans[i]
		if bytes.Compare(ikey, o.lo) >= 0 && (o.hi == nil || bytes.Compare(ikey, o.hi) < 0) && (o.match == nil || o.match(userKey(ikey))) {
			return true
		}
	}
	return false
}

// openTx is a transaction between Begin and Commit.
type openTx struct{ *dbTx }

var _ OpenTx = (*openTx)(nil)

// Begin starts an optimistic transaction, see Store. It holds no lock.
func (db *DB) Begin(ctx context.Context) (OpenTx, error) {
	done, err := db.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	core := &txCore{db: db, now: db.opts.now(), readonly: db.canWrite() != nil, reads: newReadSet()}
	if _, err := core.state(); err != nil {
		return nil, err
	}
	return &openTx{&dbTx{txCore: core}}, nil
}

func (t *openTx) Writes() int { return len(t.writes) }

func (t *openTx) Rollback() {
	if !t.done {
		t.end()
	}
}

func (t *openTx) Commit(ctx context.Context) (Result, error) {
	none := Result{Outcome: NotCommitted}
	if t.done {
		return none, fmt.Errorf("transaction: %w", ErrClosed)
	}
	defer t.end()
	done, err := t.db.use(ctx)
	if err != nil {
		return none, err
	}
	defer done()
	if len(t.writes) == 0 {
		// What was read was one consistent state: there is nothing to check.
		return Result{Outcome: Committed, Rev: t.rev}, nil
	}
	if !t.db.exists.Load() {
		if err := t.db.create(ctx); err != nil {
			return none, err
		}
	}
	return t.db.transact(ctx, func(core *txCore) error {
		if err := t.check(ctx, core); err != nil {
			return err
		}
		core.writes, core.writeSize, core.sorted = t.writes, t.writeSize, t.order()
		return nil
	})
}

// check looks through everything committed since the transaction began.
func (t *openTx) check(ctx context.Context, core *txCore) error {
	if len(t.reads.keys) == 0 && len(t.reads.spans) == 0 {
		return nil
	}
	if t.reads.expires <= core.now.UnixMilli() {
		return fmt.Errorf("something read has expired: %w", ErrConflict)
	}
	if core.rev == t.rev {
		return nil
	}
	touched, err := t.db.touched(ctx, core, t.rev, t.reads.touches)
	if errors.Is(err, ErrHistoryGone) {
		return fmt.Errorf("%w (%w)", ErrConflict, err)
	}
	if err != nil {
		return err
	}
	if touched != nil {
		family, key := splitIKey(touched)
		if len(family) > 0 {
			return fmt.Errorf("key %q of %s: %w", key, family, ErrConflict)
		}
		return fmt.Errorf("key %q: %w", key, ErrConflict)
	}
	return nil
}

// touched returns the first key written after a revision, up to what core
// sees, for which match is true, or nil.
func (db *DB) touched(ctx context.Context, core *txCore, after Rev, match func(ikey []byte) bool) (found []byte, err error) {
	for _, v := range core.round.pending {
		if match(v.key) {
			return v.key, nil
		}
	}
	if len(core.round.ingests) > 0 {
		return nil, fmt.Errorf("an import: %w", ErrConflict)
	}
	if core.round.start.rev <= after {
		return nil, nil
	}
	err = db.events(ctx, after+1, core.round.start.rev, func(_ *record, v *version) error {
		if match(v.key) {
			found = bytes.Clone(v.key)
			return errStop
		}
		return nil
	})
	if err == errStop {
		err = nil
	}
	return found, err
}

// stampOf returns the stamp of a revision.
func (db *DB) stampOf(b *base, rev Rev) (Stamp, error) {
	switch rev {
	case 0:
		return 0, nil
	case b.man.folded.rev:
		return b.man.folded.stamp, nil
	case b.man.firstReadable():
		return b.man.historyStamp, nil
	}
	var stamp Stamp
	err := db.records(context.Background(), rev, rev, func(r *record) error {
		stamp = r.stamp
		return nil
	})
	return stamp, err
}
