package engine

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
)

// A memTx is a transaction on a Mem, seen from one of its families.
type memTx struct {
	*memState
	name string // of the family
}

// A memState is what the families of a transaction share.
type memState struct {
	m        *Mem
	rev      Rev       // the state that is read
	now      time.Time // the time against which expiry is judged
	writable bool
	open     bool // from Begin: lives outside a call of the store
	ended    bool

	writes memWrites
	number Rev       // of the last write, from 1
	scans  int       // under way; they see the writes made before they began
	keys   int       // in writes
	size   int       // of writes in bytes, as MaxTxSize counts
	reads  *memReads // nil where Commit need not check them
}

// A memWrites is the writes of one transaction, by family. A family is there
// only with a key. Their versions are numbered in the order of writing, so
// that a scan can leave out those made after it began.
type memWrites map[string]*memList

// memLastWrite selects the last version of a key in memWrites.
const memLastWrite Rev = math.MaxUint64

// node returns the node of a key, added if it is not there.
func (ws memWrites) node(family, key string) *memNode {
	l := ws[family]
	if l == nil {
		l = newMemList()
		ws[family] = l
	}
	return l.put(key)
}

// newTx returns a transaction on the newest state.
func (m *Mem) newTx(writable bool) memTx {
	// The clock is read second: now is not before the commit that is read.
	rev := m.newest()
	return memTx{memState: &memState{m: m, rev: rev, now: m.now(), writable: writable, writes: memWrites{}}}
}

func (s *memState) end() { s.ended = true }

// usable refuses calls on a transaction that has ended, or whose caller gave
// up.
func (s *memState) usable(ctx context.Context) error {
	if s.ended {
		return fmt.Errorf("transaction: %w", ErrClosed)
	}
	if s.open && s.m.isClosed() {
		return ErrClosed
	}
	return ctx.Err()
}

// Rev implements Tx.
func (s *memState) Rev() Rev { return s.rev }

// Now implements Tx.
func (s *memState) Now() time.Time { return s.now }

// In implements Tx. A bad name is refused by the calls on what it returns.
func (t memTx) In(family string) Tx { return memTx{memState: t.memState, name: family} }

// Families implements Tx.
func (t memTx) Families(ctx context.Context) ([]string, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	if t.reads != nil {
		t.reads.families = true
	}
	names := t.m.familiesAt(t.rev, t.now.UnixMilli())
	// Only a family written to in this transaction can have come or gone.
	for name := range t.writes {
		if name == "" {
			continue
		}
		i, was := slices.BinarySearch(names, name)
		is := false
		for range (memTx{memState: t.memState, name: name}).walk(memSpan{}) {
			is = true
			break
		}
		switch {
		case is && !was:
			names = slices.Insert(names, i, name)
		case !is && was:
			names = slices.Delete(names, i, i+1)
		}
	}
	return names, nil
}

// Get implements Tx.
func (t memTx) Get(ctx context.Context, key string) (Entry, error) {
	if err := t.check(ctx, key); err != nil {
		return Entry{}, err
	}
	v := t.writes[t.name].find(key).at(memLastWrite)
	own := v != nil
	if !own {
		t.reads.addKey(t.name, key)
		v = t.m.family(t.name).find(key).at(t.rev)
	}
	if v == nil || !v.liveAt(t.now.UnixMilli()) {
		return Entry{}, ErrNotFound
	}
	e := v.entry(key, own)
	e.Value = bytes.Clone(v.value)
	return e, nil
}

// check refuses a call that no store takes.
func (t memTx) check(ctx context.Context, key string) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if err := checkFamily(t.name); err != nil {
		return err
	}
	return checkKey(key)
}

// entry is the entry of a key without its value. What the transaction itself
// wrote has no revision and no stamp so far.
func (v *memVersion) entry(key string, own bool) Entry {
	e := Entry{Key: key, Size: len(v.value), Rev: v.rev, Stamp: v.stamp}
	if own {
		e.Rev, e.Stamp = 0, 0
	}
	if v.expires != 0 {
		e.Expires = time.UnixMilli(v.expires)
	}
	return e
}

// Scan implements Tx. It sees the writes of the transaction that were made
// before it began; the function may go on writing meanwhile.
func (t memTx) Scan(ctx context.Context, r Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := t.each(ctx, r, false, func(e Entry, value []byte) bool {
			if !r.KeysOnly {
				e.Value = bytes.Clone(value)
			}
			return yield(e, nil)
		})
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// Count implements Tx.
func (t memTx) Count(ctx context.Context, r Range) (int64, error) {
	var n int64
	err := t.each(ctx, r, true, func(Entry, []byte) bool { n++; return true })
	if err != nil {
		return 0, err
	}
	return n, nil
}

// each calls fn on the entries of the range, without and with their values,
// until it returns false. If only which keys are there matters to the caller,
// keysMatter says so, and a conflict is judged by that.
func (t memTx) each(ctx context.Context, r Range, keysMatter bool, fn func(e Entry, value []byte) bool) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if err := checkFamily(t.name); err != nil {
		return err
	}
	read := t.reads.addRange(t.name, r, keysMatter)
	var key []byte // for Match, one buffer for all
	n := 0
	for e, value := range t.walk(newMemSpan(r)) {
		if err := t.usable(ctx); err != nil {
			return err
		}
		if r.Match != nil {
			if key = append(key[:0], e.Key...); !r.Match(key) {
				continue
			}
		}
		n++
		if !fn(e, value) || n == r.Limit {
			read.endAt(e.Key)
			return nil
		}
	}
	return nil
}

// walk yields the live entries of the family in the span, with their values
// apart: the writes of the transaction laid over the state it reads.
func (t memTx) walk(s memSpan) iter.Seq2[Entry, []byte] {
	return func(yield func(Entry, []byte) bool) {
		t.scans++
		defer func() { t.scans-- }()
		now, number := t.now.UnixMilli(), t.number
		own := newMemCursor(t.writes[t.name], s)
		base := newMemCursor(t.m.family(t.name), s)
		for own.node != nil || base.node != nil {
			isOwn := own.isNotAfter(base)
			var n *memNode
			var v *memVersion
			if isOwn {
				n = own.node
				v = n.at(number)
				own.advance()
				if v == nil {
					continue // written after the scan began
				}
				if base.node != nil && base.node.key == n.key {
					base.advance()
				}
			} else {
				n = base.node
				v = n.at(t.rev)
				base.advance()
			}
			if v != nil && v.liveAt(now) && !yield(v.entry(n.key, isOwn), v.value) {
				return
			}
		}
	}
}

// Set implements Tx.
func (t memTx) Set(ctx context.Context, key string, value []byte) error {
	return t.write(ctx, key, memWrite{value: value})
}

// SetExpiring implements Tx.
func (t memTx) SetExpiring(ctx context.Context, key string, value []byte, at time.Time) error {
	return t.write(ctx, key, newMemExpiring(value, at))
}

// newMemExpiring is a write of a value that is gone from the moment at.
func newMemExpiring(value []byte, at time.Time) memWrite {
	ms := at.UnixMilli()
	if ms <= 0 {
		// 0 would mean never. Whatever the clock says, this moment is past.
		return memWrite{deleted: true}
	}
	return memWrite{value: value, expires: ms}
}

// Delete implements Tx.
func (t memTx) Delete(ctx context.Context, key string) error {
	return t.write(ctx, key, memWrite{deleted: true})
}

// write adds a write, with a copy of its value.
func (t memTx) write(ctx context.Context, key string, w memWrite) error {
	if err := t.check(ctx, key); err != nil {
		return err
	}
	if !t.writable {
		return ErrReadOnly
	}
	if err := checkValue(w.value); err != nil {
		return err
	}
	size := t.size + len(key) + len(w.value) + memOpSize
	old := t.writes[t.name].find(key).at(memLastWrite)
	if old != nil {
		size -= len(key) + len(old.value) + memOpSize
	}
	if size > MaxTxSize {
		return fmt.Errorf("transaction of %d bytes, the limit is %d: %w", size, MaxTxSize, ErrTooLarge)
	}
	if !w.deleted {
		w.value = append([]byte{}, w.value...) // an empty value is not nil
	}
	n := t.writes.node(t.name, key)
	if t.scans == 0 {
		n.versions.Store(nil) // nobody looks at the version before any more
	}
	t.number++
	n.add(memVersion{memWrite: w, rev: t.number})
	if old == nil {
		t.keys++
	}
	t.size = size
	return nil
}
