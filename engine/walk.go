package engine

import (
	"bytes"
	"context"
	"fmt"
	"math"
)

// A visitor is called with the visible versions of a range, in order, until it
// returns false.
type visitor struct {
	one func(*version) bool

	// many, if not nil, is called in place of one with versions that expire
	// alike: i to i+n-1 of the block that the table is in, which stands on the
	// last of them.
	many func(it *tableIter, i, n int) bool
}

// walk calls f with the visible versions of a range until it returns false.
// Where a table vanishes meanwhile it goes on behind the last key.
func (t *dbTx) walk(ctx context.Context, r *Range, f visitor) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	o, none := bounds(t.family, r)
	if none {
		return nil
	}
	left := math.MaxInt
	if r.Limit > 0 {
		left = r.Limit
	}
	whole := o
	for range 100 {
		last, err := t.walkOnce(ctx, &o, &left, f)
		if err != errVanished {
			if t.reads != nil {
				t.reads.span(&whole, last)
			}
			return err
		}
		if err := t.again(err); err != nil {
			return err
		}
		if last == nil {
			continue
		}
		if o.reverse {
			o.hi = last
		} else {
			o.lo = append(last, 0)
		}
	}
	return errUnsettled
}

// contextEvery is how many entries a scan yields between two looks at the
// context.
const contextEvery = 256

// walkOnce calls f with at most left versions, which it counts down. It returns
// the last key it went to, or nil if it saw the whole range. The key is the
// caller's; it is left out if nobody needs it.
func (t *dbTx) walkOnce(ctx context.Context, o *iterOptions, left *int, f visitor) (last []byte, err error) {
	b, err := t.state()
	if err != nil {
		return nil, err
	}
	// A Get between two entries may turn the transaction to a newer base.
	b.retain()
	defer b.release()
	src, err := t.open(o)
	if err != nil {
		return nil, err
	}
	defer src.close()
	defer func() { // before src is closed, which may own the bytes
		if err == errVanished || t.reads != nil {
			last = bytes.Clone(last)
		} else {
			last = nil
		}
	}()
	seen, _ := src.(*visible)
	if f.many == nil || t.reads != nil { // each expiry is remembered
		seen = nil
	}
	for unchecked := 0; *left > 0; {
		if unchecked >= contextEvery-1 {
			unchecked = 0
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		if !src.next() {
			if err := src.err(); err != nil {
				return last, err
			}
			return nil, nil
		}
		n, more := 1, false
		if seen != nil && seen.plain.n > 0 {
			it := seen.plain.table
			i := it.i - 1 // what src stands on, with which the run begins
			n = min(1+seen.plain.n, *left, contextEvery)
			seen.skip(n - 1)
			last = seen.v.key
			more = f.many(it, i, n)
		} else {
			v := src.cur()
			if v.rev == math.MaxUint64 {
				own := *v
				own.rev = 0
				v = &own
			}
			if t.reads != nil {
				t.reads.expiry(v)
			}
			last = v.key
			more = f.one(v)
		}
		unchecked += n
		*left -= n
		if !more {
			return last, nil
		}
		if t.done {
			return nil, fmt.Errorf("transaction: %w", ErrClosed)
		}
	}
	return last, nil
}

func (t *dbTx) Count(ctx context.Context, r Range) (int64, error) {
	r.KeysOnly = true
	var n int64
	err := t.walk(ctx, &r, visitor{
		one:  func(*version) bool { n++; return true },
		many: func(_ *tableIter, _, some int) bool { n += int64(some); return true },
	})
	return n, err
}
