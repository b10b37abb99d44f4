package engine

import (
	"bytes"
	"context"
	"fmt"
	"math"
)

// A window says which versions make a key worth a look: those written by the
// revisions behind after and up to upTo, and older ones that expired behind one
// moment and up to another.
type window struct {
	after, upTo    Rev
	alive, expired int64 // Unix milliseconds; where they are equal expiry does not matter
}

func (w *window) has(v *version) bool {
	if v.rev > w.upTo {
		return false
	}
	return v.rev > w.after || v.expires > w.alive && v.expires <= w.expired
}

// A pastReader is a transaction that can also read what lies below it: each
// key as it was at the revisions that are kept.
type pastReader interface {
	Tx

	// earliest is the first revision that may be asked for; 0 is the empty
	// state before the first commit.
	earliest() (Rev, error)

	// lookupAt finds the newest version of a key with a revision of at most
	// at, be it a delete. Its slices hold until the next call.
	lookupAt(ikey []byte, at Rev) (v version, ok bool, err error)

	// changedKeys calls f with each internal key of a range that has a version
	// in the window, in order and once. It costs a look at what holds such
	// versions, and no more. f returns false to end it. The key is f's during
	// the call. It returns ErrHistoryGone where the window begins before what
	// is kept.
	changedKeys(ctx context.Context, o *iterOptions, w window, f func(ikey []byte) (bool, error)) error
}

var (
	_ pastReader = (*dbTx)(nil)
	_ pastReader = memTx{}
)

func (c *txCore) earliest() (Rev, error) {
	b, err := c.state()
	if err != nil {
		return 0, err
	}
	return b.man.firstReadable(), nil
}

func (c *txCore) lookupAt(ikey []byte, at Rev) (v version, ok bool, err error) {
	if c.round != nil {
		if v, ok := c.round.memory().get(ikey, at); ok {
			return v, true, nil
		}
	}
	for range 5 {
		b, err := c.state()
		if err != nil {
			return v, false, err
		}
		if first := b.man.firstReadable(); at < first {
			return v, false, goneBefore(fmt.Sprintf("revision %d", at), first, b.man.historyStamp)
		}
		v, ok, err = b.get(ikey, at)
		if err != errVanished {
			return v, ok, err
		}
		if err := c.again(err); err != nil {
			return v, false, err
		}
	}
	return v, false, errUnsettled
}

func (c *txCore) changedKeys(ctx context.Context, o *iterOptions, w window, f func(ikey []byte) (bool, error)) error {
	rest := *o
	rest.keysOnly = true
	for range 100 {
		last, err := c.changedOnce(ctx, &rest, w, f)
		if err != errVanished {
			return err
		}
		if err := c.again(err); err != nil {
			return err
		}
		switch {
		case last == nil:
		case o.reverse:
			rest.hi = last
		default:
			rest.lo = append(last, 0)
		}
	}
	return errUnsettled
}

// changedOnce returns the last key that f has had.
func (c *txCore) changedOnce(ctx context.Context, o *iterOptions, w window, f func(ikey []byte) (bool, error)) (last []byte, err error) {
	b, err := c.state()
	if err != nil {
		return nil, err
	}
	if first := b.man.firstReadable(); w.after < first {
		return nil, goneBefore(fmt.Sprintf("revision %d", w.after), first, b.man.historyStamp)
	}
	b.retain() // f may look keys up, and meet a table that vanished
	defer b.release()
	sources, err := b.changedSources(o, w)
	if err != nil {
		return nil, err
	}
	if c.round != nil {
		sources = append(sources, newSliceSource(c.round.memory().versions(o, math.MaxUint64), o.reverse))
	}
	src := newMergeSource(sources, o.reverse)
	defer src.close()
	for n := 1; src.next(); n++ {
		if n%contextEvery == 0 && ctx.Err() != nil {
			return last, ctx.Err()
		}
		v := src.cur()
		if !w.has(v) || last != nil && bytes.Equal(last, v.key) {
			continue
		}
		last = append(last[:0], v.key...)
		if more, err := f(last); !more || err != nil {
			return last, err
		}
	}
	return last, src.err()
}

// changedSources returns the sources that may have versions in a window.
// Tables tell by their revisions, and by whether anything in them expires.
func (b *base) changedSources(o *iterOptions, w window) ([]source, error) {
	sources, err := b.tail.sources(o, w.upTo)
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]source, error) {
		for _, s := range sources {
			s.close()
		}
		return nil, err
	}
	for _, r := range b.runs {
		in := &run{id: r.id, maxRev: r.maxRev}
		for _, l := range r.tables {
			if l.line.minRev > w.upTo {
				continue
			}
			if l.line.maxRev <= w.after {
				if w.alive >= w.expired {
					continue
				}
				t, err := l.open()
				if err != nil {
					return fail(err)
				}
				if t.info().expiring == 0 {
					continue
				}
			}
			in.tables = append(in.tables, l)
		}
		if s := in.source(o); s != nil {
			sources = append(sources, s)
		}
	}
	return sources, nil
}

func (t memTx) earliest() (Rev, error) { return 0, nil }

func (t memTx) lookupAt(ikey []byte, at Rev) (version, bool, error) {
	family, key := splitIKey(ikey)
	v := t.m.family(string(family)).find(string(key)).at(min(at, t.rev))
	if v == nil {
		return version{}, false, nil
	}
	return version{
		key: ikey, value: v.value, size: len(v.value), rev: v.rev, stamp: v.stamp, expires: v.expires, deleted: v.deleted,
	}, true, nil
}

func (t memTx) changedKeys(ctx context.Context, o *iterOptions, w window, f func(ikey []byte) (bool, error)) error {
	return t.m.eachNode(o, func(family string, n *memNode) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if o.match != nil && !o.match([]byte(n.key)) {
			return true, nil
		}
		for v := n.at(w.upTo); v != nil; v = n.at(v.rev - 1) {
			is := version{rev: v.rev, expires: v.expires}
			if w.has(&is) {
				return f(appendIKey(nil, family, n.key))
			}
		}
		return true, nil
	})
}
