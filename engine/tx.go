package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// txCore is a transaction of a DB; dbTx is it in one column family.
type txCore struct {
	db   *DB
	now  time.Time
	done bool

	rev      Rev     // reads see this revision and, in a round, what is pending
	base     *base   // pinned; nil until the first read
	former   []*base // pinned before, of which values were perhaps lent
	readonly bool

	// round is the group of transactions this one will be committed with: its
	// pending records are part of what is read. nil outside Update.
	round *round

	writes    map[string]*operation // by ikey
	writeSize int64                 // what they take in a record
	sorted    []*operation          // the writes in order; nil if it has to be made
	ingest    *operation            // the table that a load commits instead of writes
	unlimited bool                  // the limits of the database have been looked at

	reads *readSet // what was read, for the check at commit; nil if nobody asks

	whole dbTx // what tx returns, so that a View makes one piece of memory
}

type dbTx struct {
	*txCore
	family string
	err    error // a family name that no family has
}

var _ Tx = (*dbTx)(nil)

// tx is the transaction in the default family.
func (c *txCore) tx() *dbTx {
	c.whole.txCore = c
	return &c.whole
}

func (t *dbTx) Rev() Rev       { return t.rev }
func (t *dbTx) Now() time.Time { return t.now }

func (t *dbTx) In(family string) Tx {
	return &dbTx{txCore: t.txCore, family: family, err: checkFamily(family)}
}

// begin checks what every call needs.
func (t *dbTx) begin(ctx context.Context) error {
	switch {
	case t.done:
		return fmt.Errorf("transaction: %w", ErrClosed)
	case t.err != nil:
		return t.err
	}
	return ctx.Err()
}

// state returns the base to read, which is pinned with the first read: a write
// that reads nothing costs no look at the tables.
func (c *txCore) state() (*base, error) {
	if c.base == nil {
		b, rev, err := c.db.pin()
		if err == nil && c.round != nil && rev != c.round.start.rev {
			b.release()
			b, rev, err = c.db.pinAnew(c.round.start.rev)
		}
		if err != nil {
			return nil, err
		}
		c.base = b
		if c.round == nil {
			c.rev = rev
		}
	}
	return c.base, nil
}

// again replaces a base of which a table vanished.
func (c *txCore) again(cause error) error {
	b, _, err := c.db.reload()
	if err != nil {
		return err
	}
	if b.man.firstReadable() > c.rev || b.man.generation == c.base.man.generation {
		b.release()
		if err := c.db.vanished(cause); errors.Is(err, ErrDamaged) {
			return err
		}
		return fmt.Errorf("%w (%w): try again", ErrUnavailable, cause)
	}
	c.former = append(c.former, c.base)
	c.base = b
	return nil
}

// end gives back what the transaction holds.
func (c *txCore) end() {
	c.done = true
	if c.base != nil {
		c.base.release()
		c.base = nil
	}
	for _, b := range c.former {
		b.release()
	}
	c.former = nil
}

// lookup fills dst with the newest version below the transaction's own writes,
// a delete too, and reports whether there is one.
func (c *txCore) lookup(ikey []byte, dst *version) (ok bool, err error) {
	if c.round != nil {
		if *dst, ok = c.round.memory().get(ikey, math.MaxUint64); ok {
			return true, nil
		}
	}
	for range 5 {
		b, err := c.state()
		if err != nil {
			return false, err
		}
		*dst, ok, err = b.get(ikey, c.rev)
		if err != errVanished {
			return ok, err
		}
		if err := c.again(err); err != nil {
			return false, err
		}
	}
	return false, errUnsettled
}

func (t *dbTx) Get(ctx context.Context, key string) (Entry, error) {
	if err := t.begin(ctx); err != nil {
		return Entry{}, err
	}
	if err := checkKey(key); err != nil {
		return Entry{}, err
	}
	var space [128]byte
	ikey := appendIKey(space[:0], t.family, key)
	if w := t.writes[string(ikey)]; w != nil {
		v := t.written(w)
		if v.deleted || v.expired(t.now.UnixMilli()) {
			return Entry{}, ErrNotFound
		}
		return entryOf(key, &v, false), nil
	}
	var v version
	ok, err := t.lookup(ikey, &v)
	if err != nil {
		return Entry{}, err
	}
	if ok && (v.deleted || v.expired(t.now.UnixMilli())) {
		ok = false
	}
	if t.reads != nil {
		t.reads.key(ikey, &v, ok)
	}
	if !ok {
		return Entry{}, ErrNotFound
	}
	return entryOf(key, &v, false), nil
}

// written is a write of the transaction itself as a version. It has no
// revision and no stamp yet.
func (c *txCore) written(o *operation) version {
	return version{
		key: appendIKey(nil, o.family, o.key), value: o.value, size: len(o.value),
		expires: o.expires, deleted: o.op == OpDelete,
	}
}

// entryOf makes an entry that the caller may keep.
func entryOf(key string, v *version, keysOnly bool) Entry {
	e := Entry{Key: key, Size: v.size, Rev: v.rev, Stamp: v.stamp}
	if v.expires != 0 {
		e.Expires = time.UnixMilli(v.expires)
	}
	if !keysOnly {
		e.Value = append(make([]byte, 0, len(v.value)), v.value...)
	}
	return e
}

// bounds turns a range of user keys into one of ikeys. none is set when no key
// can be in it.
func bounds(family string, r *Range) (o iterOptions, none bool) {
	from, to := max(r.From, r.Prefix), r.To
	behind := false // the end is not before to, but before all that begins so
	if n := prefixStem(r.Prefix); n > 0 && (to == "" || to > r.Prefix && !strings.HasPrefix(to, r.Prefix)) {
		to, behind = r.Prefix[:n], true
	}
	// Both in one piece of memory.
	split := len(family) + 1 + len(from)
	space := appendIKey(make([]byte, 0, split+len(family)+1+len(to)), family, from)
	o.lo = space[:split:split]
	if to == "" {
		space = append(append(space, family...), 1)
	} else {
		space = appendIKey(space, family, to)
	}
	if behind {
		space[len(space)-1]++
	}
	o.hi = space[split:]
	o.reverse, o.keysOnly, o.match = r.Reverse, r.KeysOnly, r.Match
	return o, bytes.Compare(o.lo, o.hi) >= 0
}

// prefixStem is how many bytes a prefix has up to the last that is not 0xff. The
// least string greater than every string with the prefix has these, the last
// one increased; there is none if it is 0.
func prefixStem(prefix string) int {
	n := len(prefix)
	for n > 0 && prefix[n-1] == 0xff {
		n--
	}
	return n
}

// open returns the visible versions of a range, the transaction's own writes
// included.
func (c *txCore) open(o *iterOptions) (source, error) {
	b, err := c.state()
	if err != nil {
		return nil, err
	}
	sources, err := b.sources(o, c.rev)
	if err != nil {
		return nil, err
	}
	src := newMergeSource(sources, o.reverse)
	at := c.rev
	if c.round != nil {
		pending := newSliceSource(c.round.memory().versions(o, math.MaxUint64), o.reverse)
		src = newMergeSource([]source{pending, src}, o.reverse)
		at = math.MaxUint64
	}
	src = newVisible(src, at, c.now.UnixMilli(), o.reverse)
	if own := c.ownWrites(o); len(own) > 0 {
		src = newMergeSource([]source{newSliceSource(own, o.reverse), src}, o.reverse)
		src = newVisible(src, math.MaxUint64, c.now.UnixMilli(), o.reverse)
	}
	return src, nil
}

// ownWrites returns the transaction's writes in a range, sorted, above every
// revision.
func (c *txCore) ownWrites(o *iterOptions) (own []version) {
	for _, w := range c.order() {
		v := c.written(w)
		v.rev = math.MaxUint64
		if bytes.Compare(v.key, o.lo) < 0 || (o.hi != nil && bytes.Compare(v.key, o.hi) >= 0) {
			continue
		}
		if o.match == nil || o.match(w.key) {
			own = append(own, v)
		}
	}
	return own
}

// order returns the writes sorted as a record wants them.
func (c *txCore) order() []*operation {
	if c.sorted == nil && len(c.writes) > 0 {
		c.sorted = make([]*operation, 0, len(c.writes))
		for _, w := range c.writes {
			c.sorted = append(c.sorted, w)
		}
		slices.SortFunc(c.sorted, func(a, b *operation) int {
			if n := bytes.Compare(a.family, b.family); n != 0 {
				return n
			}
			return bytes.Compare(a.key, b.key)
		})
	}
	return c.sorted
}

func (t *dbTx) Families(ctx context.Context) ([]string, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	var names []string
	lo := []byte{1} // behind every key of the default family
	if t.reads != nil {
		t.reads.span(&iterOptions{lo: lo}, nil)
	}
	for {
		o := iterOptions{lo: lo, keysOnly: true}
		left := 1
		var found []byte
		for {
			_, err := t.walkOnce(ctx, &o, &left, visitor{one: func(v *version) bool {
				found, _ = splitIKey(bytes.Clone(v.key))
				return true
			}})
			if err == nil {
				break
			}
			if err != errVanished {
				return nil, err
			}
			if err := t.again(err); err != nil {
				return nil, err
			}
		}
		if found == nil {
			return names, nil
		}
		names = append(names, string(found))
		lo = append(found, 1)
	}
}

func (t *dbTx) Set(ctx context.Context, key string, value []byte) error {
	return t.write(ctx, OpSet, key, value, 0)
}

func (t *dbTx) SetExpiring(ctx context.Context, key string, value []byte, at time.Time) error {
	return t.write(ctx, OpSetExpiring, key, value, max(at.UnixMilli(), 1))
}

func (t *dbTx) Delete(ctx context.Context, key string) error {
	return t.write(ctx, OpDelete, key, nil, 0)
}

func (t *dbTx) write(ctx context.Context, op Op, key string, value []byte, expires int64) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	if t.readonly {
		return ErrReadOnly
	}
	if err := checkKey(key); err != nil {
		return err
	}
	if err := checkValue(value); err != nil {
		return err
	}
	// The operation keeps its bytes in one piece: ikey and value.
	split := len(t.family) + 1 + len(key)
	space := append(appendIKey(make([]byte, 0, split+len(value)), t.family, key), value...)
	o := &operation{op: op, family: space[:len(t.family):len(t.family)], key: space[len(t.family)+1 : split : split], expires: expires}
	if op != OpDelete {
		o.value = space[split:]
	}
	ikey := string(space[:split])
	size := t.writeSize + int64(opSize(op, len(t.family), len(key), len(value)))
	old, again := t.writes[ikey]
	if again {
		size -= int64(opSize(old.op, len(old.family), len(old.key), len(old.value)))
	}
	if size > MaxTxSize {
		return fmt.Errorf("transaction of more than %d bytes, import takes any number: %w", MaxTxSize, ErrTooLarge)
	}
	t.writeSize = size
	if t.writes == nil {
		t.writes = make(map[string]*operation)
	}
	t.writes[ikey] = o
	t.sorted = nil
	return nil
}
