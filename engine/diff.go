package engine

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"strings"
	"time"
)

// A Difference is a key that two states do not have alike: with another value
// or expiry, or only one of them.
type Difference struct {
	Key string
	Old *Entry // nil: it was not there
	New *Entry // nil: it is not there any more
}

// Diff yields the keys of a range in which two states differ, in the order of
// the range, each state as its transaction reads it: expiry is judged at the
// time of each. Both are read in the family they were turned to by In. The
// range counts differences by its Limit, and KeysOnly has no meaning.
//
// Of two revisions of one store it reads what was written between them, and
// the tables in which anything expires if their times differ; of any other two
// it reads both. It yields at most one error, as the last pair.
func Diff(ctx context.Context, from, to Tx, r Range) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		ctx := withStep(ctx, Progress{Doing: "compare"})
		d := diffRun{ctx: ctx, from: from, to: to, r: r, yield: yield, step: stepOf(ctx)}
		d.r.Limit, d.r.KeysOnly = 0, false
		d.left = r.Limit
		if r.Limit == 0 {
			d.left = -1
		}
		err := d.between()
		if errors.Is(err, errApart) || errors.Is(err, ErrHistoryGone) && !d.stopped {
			// History was forgotten since the two were opened, which go on reading.
			err = d.both()
		}
		if err != nil && !d.stopped {
			yield(Difference{}, err)
		}
	}
}

// errApart says that two transactions have to be read as a whole.
var errApart = errors.New("not two revisions of one store")

type diffRun struct {
	ctx      context.Context
	from, to Tx
	r        Range
	left     int // differences still wanted; below zero: all
	yield    func(Difference, error) bool
	stopped  bool
	last     string // the key decided last, or empty
	step     *step  // or nil
	decided  int64  // keys
}

// toldEvery is after how many keys those who wait are told.
const toldEvery = 256

// emit decides a key that one of the states has, and reports whether to go on.
func (d *diffRun) emit(key string, before, now *Entry) bool {
	d.last = key
	if d.decided++; d.decided%toldEvery == 0 {
		d.step.add(toldEvery)
	}
	if before == nil && now == nil || before != nil && now != nil && sameEntry(before, now) {
		return true
	}
	if !d.yield(Difference{Key: key, Old: before, New: now}, nil) {
		d.stopped = true
		return false
	}
	d.left--
	return d.left != 0
}

func sameEntry(a, b *Entry) bool {
	return a.Size == b.Size && a.Expires.Equal(b.Expires) && bytes.Equal(a.Value, b.Value)
}

// pastOf is a transaction as one whose past can be read, with the store and
// family it reads; ok is false if it has writes of its own or takes notes.
func pastOf(tx Tx) (p pastReader, store any, family string, ok bool) {
	switch t := tx.(type) {
	case *dbTx:
		return t, t.db, t.family, t.err == nil && !t.done && len(t.writes) == 0 && t.reads == nil
	case memTx:
		return t, t.m, t.name, !t.ended && len(t.writes) == 0 && t.reads == nil
	}
	return nil, nil, "", false
}

// between looks at the keys that were written between two revisions.
func (d *diffRun) between() error {
	a, storeA, family, okA := pastOf(d.from)
	b, storeB, familyB, okB := pastOf(d.to)
	if !okA || !okB || storeA != storeB || family != familyB {
		return errApart
	}
	revA, revB := a.Rev(), b.Rev()
	w := window{after: min(revA, revB), upTo: max(revA, revB)}
	w.alive, w.expired = a.Now().UnixMilli(), b.Now().UnixMilli()
	if w.alive > w.expired {
		w.alive, w.expired = w.expired, w.alive
	}
	newer := b
	if revA > revB {
		newer = a
	}
	o, none := bounds(family, &d.r)
	if none {
		return nil
	}
	return newer.changedKeys(d.ctx, &o, w, func(ikey []byte) (bool, error) {
		key := string(userKey(ikey))
		before, err := liveEntry(newer, ikey, key, revA, a.Now())
		if err != nil {
			return false, err
		}
		now, err := liveEntry(newer, ikey, key, revB, b.Now())
		if err != nil {
			return false, err
		}
		return d.emit(key, before, now), nil
	})
}

// liveEntry is what a key has at a revision and moment, or nil.
func liveEntry(p pastReader, ikey []byte, key string, at Rev, now time.Time) (*Entry, error) {
	v, ok, err := p.lookupAt(ikey, at)
	if err != nil || !ok || v.deleted || v.expired(now.UnixMilli()) {
		return nil, err
	}
	e := entryOf(key, &v, false)
	return &e, nil
}

// both walks through the two states side by side, from where between ended.
func (d *diffRun) both() error {
	if d.last != "" {
		if d.r.Reverse {
			d.r.To = d.last
		} else {
			d.r.From = d.last + "\x00"
		}
	}
	a, stopA := iter.Pull2(d.from.Scan(d.ctx, d.r))
	defer stopA()
	b, stopB := iter.Pull2(d.to.Scan(d.ctx, d.r))
	defer stopB()
	before, errA, okA := a()
	now, errB, okB := b()
	for okA || okB {
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		order := strings.Compare(before.Key, now.Key)
		if d.r.Reverse {
			order = -order
		}
		more := true
		switch {
		case !okB || okA && order < 0:
			e := before
			more = d.emit(e.Key, &e, nil)
			before, errA, okA = a()
		case !okA || order > 0:
			e := now
			more = d.emit(e.Key, nil, &e)
			now, errB, okB = b()
		default:
			e, f := before, now
			more = d.emit(e.Key, &e, &f)
			before, errA, okA = a()
			now, errB, okB = b()
		}
		if !more {
			return nil
		}
	}
	return nil
}
