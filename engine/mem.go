package engine

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// MemOptions are the settings of a store in memory. The zero value is a good
// one.
type MemOptions struct {
	Now    func() time.Time // the clock; nil: time.Now. Called from many goroutines.
	Writer string           // Change.Writer of every commit; empty: "mem"
	Origin uint64           // the copy of the database that commits are made in; kept with each
}

// Mem is the Store that lives in memory and ends with the process: databases
// called "mem:", and tests. It has every capability but CanPersist, keeps its
// whole history, and is as exact as the store in a directory: both pass
// enginetest.Run.
//
// Updates run one after the other. Reads take no lock and never wait: each key
// holds all its versions, and a transaction reads the newest one that is not
// younger than itself. So the function of a View may call Update; the function
// of an Update must not call Update, Load or OpenTx.Commit of the same store,
// which would wait for itself until the context ends, and no function of a
// transaction may call Close.
//
// Against MaxTxSize a transaction counts the bytes of its keys and values plus
// 32 for each key written; the write that would pass it fails, those before
// stay. Load has no such limit.
type Mem struct {
	now    func() time.Time
	writer string
	origin uint64

	turn  chan struct{}  // holds a token while a commit is being made
	calls sync.WaitGroup // calls under way, for Close; added to under mu

	mu       sync.RWMutex        // guards all below, for moments only
	log      []memCommit         // log[i] is the commit of revision i+1
	families map[string]*memList // every family that was ever written to
	wake     chan struct{}       // closed and replaced by each commit
	closed   chan struct{}       // closed by Close
}

// memOpSize is what an operation counts beside its key and value, about what
// it takes in a record of the log.
const memOpSize = 32

// A memCommit is one committed transaction.
type memCommit struct {
	stamp  Stamp
	origin uint64
	events []Event // sorted by family and key; values are those of the versions
}

// asOf is what the write comes to when it is committed at now: a value that
// has expired by then is a deletion.
func (w *memWrite) asOf(now int64) memWrite {
	if !w.liveAt(now) {
		return memWrite{deleted: true}
	}
	return *w
}

// NewMem returns an empty store in memory, at revision 0.
func NewMem(o MemOptions) *Mem {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Writer == "" {
		o.Writer = "mem"
	}
	return &Mem{
		now:      o.Now,
		writer:   o.Writer,
		origin:   o.Origin,
		turn:     make(chan struct{}, 1),
		families: make(map[string]*memList),
		wake:     make(chan struct{}),
		closed:   make(chan struct{}),
	}
}

var _ Store = (*Mem)(nil)

// Capabilities implements Store.
func (m *Mem) Capabilities() Capabilities {
	return CanWrite | CanReadPast | CanWatch | CanFamilies | CanExpire
}

// View implements Store. At a revision named by its number, expiry is judged
// at the time of that revision; at Newest, by the clock.
func (m *Mem) View(ctx context.Context, at Rev, fn func(Tx) error) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.calls.Done()
	t := m.newTx(false)
	if at != Newest {
		if at > t.rev {
			return fmt.Errorf("revision %d, the newest is %d: %w", at, t.rev, ErrNotYet)
		}
		t.rev, t.now = at, m.stampOf(at).Time()
	}
	defer t.end()
	return fn(t)
}

// Update implements Store. It runs fn once.
func (m *Mem) Update(ctx context.Context, fn func(Tx) error) (Result, error) {
	refused := Result{Outcome: NotCommitted}
	if err := m.enter(ctx); err != nil {
		return refused, err
	}
	defer m.calls.Done()
	if err := m.takeTurn(ctx); err != nil {
		return refused, err
	}
	defer m.endTurn()
	t := m.newTx(true)
	defer t.end()
	refused.Rev = t.rev
	if err := fn(t); err != nil {
		return refused, err
	}
	if err := ctx.Err(); err != nil {
		return refused, err
	}
	return m.commit(t.writes), nil
}

// Begin implements Store.
func (m *Mem) Begin(ctx context.Context) (OpenTx, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.calls.Done()
	t := m.newTx(true)
	t.open, t.reads = true, newMemReads()
	return &memOpenTx{memTx: t}, nil
}

// Watch implements Store. From 0 begins after the revision that is newest when
// Watch is called. Close ends it with ErrClosed.
func (m *Mem) Watch(ctx context.Context, from Rev) iter.Seq2[Change, error] {
	if from == 0 {
		from = m.newest() + 1
	}
	return func(yield func(Change, error) bool) {
		for rev := from; ; rev++ {
			c, err := m.await(ctx, rev)
			if err != nil {
				yield(Change{}, err)
				return
			}
			if !yield(Change{Rev: rev, Stamp: c.stamp, Writer: m.writer, Events: c.all()}, nil) {
				return
			}
		}
	}
}

// await returns the commit of a revision, as soon as it is there.
func (m *Mem) await(ctx context.Context, rev Rev) (memCommit, error) {
	for {
		if err := ctx.Err(); err != nil {
			return memCommit{}, err
		}
		if m.isClosed() {
			return memCommit{}, ErrClosed
		}
		m.mu.RLock()
		if rev <= Rev(len(m.log)) {
			c := m.log[rev-1]
			m.mu.RUnlock()
			return c, nil
		}
		wake := m.wake
		m.mu.RUnlock()
		select {
		case <-wake:
		case <-m.closed:
		case <-ctx.Done():
		}
	}
}

// all yields the events with values that the caller owns.
func (c memCommit) all() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, e := range c.events {
			e.Value = bytes.Clone(e.Value)
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Close implements Store. It waits for calls under way, but for Watch, which
// it ends, and for transactions of Begin, which are of no more use. A second
// Close does nothing.
func (m *Mem) Close() error {
	m.mu.Lock()
	if !m.isClosed() {
		close(m.closed)
	}
	m.mu.Unlock()
	m.calls.Wait()
	return nil
}

func (m *Mem) isClosed() bool {
	select {
	case <-m.closed:
		return true
	default:
		return false
	}
}

// enter begins a call that Close waits for; m.calls.Done ends it.
func (m *Mem) enter(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.isClosed() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.calls.Add(1)
	return nil
}

// takeTurn waits until nobody else commits; endTurn lets the next one in.
func (m *Mem) takeTurn(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		// A context that has ended wins, also where both were ready.
		if err := ctx.Err(); err != nil {
			m.endTurn()
			return err
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Mem) endTurn() { <-m.turn }

// newest is the newest revision.
func (m *Mem) newest() Rev {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return Rev(len(m.log))
}

// stampOf is the stamp of a committed revision; that of revision 0 is 0.
func (m *Mem) stampOf(rev Rev) Stamp {
	if rev == 0 {
		return 0
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.log[rev-1].stamp
}

// family is the list of a family; nil if it was never written to.
func (m *Mem) family(name string) *memList {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.families[name]
}

// familiesAt lists the families, but for the default one, that hold a live key.
func (m *Mem) familiesAt(rev Rev, now int64) []string {
	m.mu.RLock()
	lists := maps.Clone(m.families)
	m.mu.RUnlock()
	var names []string
	for name, l := range lists {
		if name == "" {
			continue
		}
		for n := l.head.following(); n != nil; n = n.following() {
			if n.liveAt(rev, now) != nil {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}

// commit makes the writes the next revision. It is called in turn, and cannot
// fail. No writes make no revision.
func (m *Mem) commit(writes memWrites) Result {
	rev := m.newest()
	stamp := m.stampOf(rev)
	if len(writes) == 0 {
		return Result{Outcome: Committed, Rev: rev, Stamp: stamp}
	}
	now := m.now()
	rev, stamp = rev+1, stamp.Next(now)
	c := memCommit{stamp: stamp, origin: m.origin}
	for _, name := range slices.Sorted(maps.Keys(writes)) {
		family := m.familyForWriting(name)
		for n := writes[name].head.following(); n != nil; n = n.following() {
			w := n.at(memLastWrite).asOf(now.UnixMilli())
			// Readers are all at older revisions until the log has grown below.
			family.put(n.key).add(memVersion{memWrite: w, rev: rev, stamp: stamp})
			c.events = append(c.events, w.event(name, n.key))
		}
	}
	m.mu.Lock()
	m.log = append(m.log, c)
	close(m.wake)
	m.wake = make(chan struct{})
	m.mu.Unlock()
	return Result{Outcome: Committed, Rev: rev, Stamp: stamp}
}

func (m *Mem) familyForWriting(name string) *memList {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.families[name]
	if l == nil {
		l = newMemList()
		m.families[name] = l
	}
	return l
}

// event tells a watcher of the write.
func (w *memWrite) event(family, key string) Event {
	e := Event{Op: OpSet, Family: family, Key: key, Value: w.value}
	switch {
	case w.deleted:
		e.Op, e.Value = OpDelete, nil
	case w.expires != 0:
		e.Op, e.Expires = OpSetExpiring, time.UnixMilli(w.expires)
	}
	return e
}
