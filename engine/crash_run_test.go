//go:build crash

package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"kvsh/engine/crashfs"
)

// crashBoot is the n-th run of the machine.
func crashBoot(n int) bootID { return bootID{0: 'b', 15: byte(n + 1)} }

// A crashRun is one workload on a file system in memory, with what was promised
// at which moment. Moments are numbers of calls.
type crashRun struct {
	t     *testing.T
	fs    *crashfs.FS
	dir   string // the database whose promises are kept
	clock *lawClock
	sizes sizes
	relax bool // sync is not "always": a loss of power may take what was acknowledged

	mu      sync.Mutex
	model   *lawModel
	begun   []crashEvent // writes that were begun
	acked   []crashEvent // those that were acknowledged
	durable []crashEvent // revisions that a loss of power cannot take
	born    int          // when it was acknowledged that there is a database; -1: never
	files   []crashFile  // snapshots and increments
	history *crashfs.History
	first   Rev // states before are not in this database: it was restored
	taken   []crashTaken
	hurt    [2]int                                 // calls between which it may be damaged
	remake  func(mem *crashfs.FS, o Options) error // what made the database, once more; or nil
}

// A crashTaken is a write that was taken back: between two moments it may be
// found as its revision, later never.
type crashTaken struct {
	from, to int
	rev      Rev
	writes   map[string]*cell
}

// A crashEvent is that a revision was reached when so many calls were made.
type crashEvent struct {
	at  int
	rev Rev
}

// A crashFile is a file that appears under its name whole, or not at all.
type crashFile struct {
	path   string
	at     int // calls when it was acknowledged
	verify func(fsys FS, path string) error
}

func newCrashRun(t *testing.T) *crashRun {
	s := lawSizes
	s.load = 4 << 10
	c := &crashRun{
		t: t, fs: crashfs.Mount(crashfs.NewDisk(), lockFile), clock: newLawClock(), sizes: s,
		model: newLawModel(), born: -1,
	}
	c.dir = filepath.Join(c.fs.Path(), "a.kv")
	return c
}

// options are those of another process.
func (c *crashRun) options() Options {
	return Options{Create: true, Wait: -1, FS: crashSeam{c.fs}, Now: c.clock.now, Writer: "w", sizes: c.sizes, boot: crashBoot(0)}
}

func (c *crashRun) open() *DB {
	db, err := Open(context.Background(), c.dir, c.options())
	if err != nil {
		c.t.Fatalf("Open = %v", err)
	}
	return db
}

// must ends the test if a step that has to work does not.
func (c *crashRun) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%v", err)
	}
}

// begin notes that the next revision is under way.
func (c *crashRun) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock.ms++
	c.begun = append(c.begun, crashEvent{c.fs.Ops(), c.model.rev() + 1})
}

// ack notes the answer to a write.
func (c *crashRun) ack(writes map[string]*cell, res Result, err error) {
	c.t.Helper()
	c.must(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := c.model.rev() + 1; res.Rev != want {
		c.t.Fatalf("committed revision %d, want %d", res.Rev, want)
	}
	c.model.commit(writes, res.Stamp)
	e := crashEvent{c.fs.Ops(), res.Rev}
	c.acked = append(c.acked, e)
	if !c.relax {
		c.durable = append(c.durable, e)
	}
	c.bornNow()
}

func (c *crashRun) bornNow() {
	if c.born < 0 {
		c.born = c.fs.Ops()
	}
}

// refuse notes that a write failed and was taken back.
func (c *crashRun) refuse(writes map[string]*cell, res Result, err error) {
	c.t.Helper()
	if err == nil || res.Outcome != NotCommitted {
		c.t.Fatalf("a write with a fault = %v, %v, want not committed", res, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.begun) - 1
	c.taken = append(c.taken, crashTaken{c.begun[last].at, c.fs.Ops(), c.begun[last].rev, writes})
	c.begun = c.begun[:last]
}

// at is what the database holds by revision, as a crash behind so many calls
// may leave it.
func (c *crashRun) at(at int) *crashModel {
	m := &crashModel{states: c.model.states, now: c.clock.ms}
	for _, k := range c.taken {
		if k.from <= at && at < k.to {
			m = m.with(k.rev-1, k.writes)
		}
	}
	return m
}

// flushed notes that all that was committed is durable whatever sync says.
func (c *crashRun) flushed() {
	c.durable = append(c.durable, crashEvent{c.fs.Ops(), c.model.rev()})
}

func (c *crashRun) write(db *DB, writes map[string]*cell) {
	c.t.Helper()
	c.begin()
	res, err := updateAll(db, writes)
	c.ack(writes, res, err)
}

func (c *crashRun) load(db *DB, writes map[string]*cell) {
	c.t.Helper()
	c.begin()
	res, err := db.Load(context.Background(), itemsOf(writes, slices.Collect(maps.Keys(writes))), Replace)
	c.ack(writes, res.Result, err)
}

// loadInOrder is load of items whose keys ascend.
func (c *crashRun) loadInOrder(db *DB, writes map[string]*cell) {
	c.t.Helper()
	c.begin()
	res, err := db.Load(context.Background(), itemsOf(writes, slices.Sorted(maps.Keys(writes))), Replace)
	c.ack(writes, res.Result, err)
}

// appears notes that a file was acknowledged.
func (c *crashRun) appears(path string, verify func(fsys FS, path string) error) {
	c.files = append(c.files, crashFile{path, c.fs.Ops(), verify})
}

// newest is the greatest revision of the events up to a moment.
func newest(events []crashEvent, at int) (rev Rev) {
	for _, e := range events {
		if e.at <= at {
			rev = max(rev, e.rev)
		}
	}
	return rev
}

// A crashPromise is what may be found.
type crashPromise struct {
	least, most Rev  // of a database that is there
	born        bool // there has to be a database
	hurt        bool // it may be damaged: it has not been repaired yet
}

// promise is what has to hold after a crash behind so many calls.
func (c *crashRun) promise(at int, power bool) crashPromise {
	p := crashPromise{least: newest(c.acked, at), most: max(newest(c.begun, at), c.first), born: c.born >= 0 && at >= c.born}
	p.hurt = at >= c.hurt[0] && at < c.hurt[1]
	if power {
		p.least = newest(c.durable, at)
	}
	for _, k := range c.taken {
		if k.from <= at && at < k.to {
			p.most = max(p.most, k.rev)
		}
	}
	p.least = max(p.least, c.first)
	return p
}

// errCrash is a broken promise.
var errCrash = errors.New("promise broken")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errCrash, fmt.Errorf(format, args...))
}

// A crashModel is what a database holds by revision, as one line of crashes
// and recoveries sees it.
type crashModel struct {
	states []lawState
	now    int64 // of everybody who looks
}

// with is the model in which a write followed revision rev.
func (m *crashModel) with(rev Rev, writes map[string]*cell) *crashModel {
	states := append([]lawState(nil), m.states[:rev+1]...)
	return &crashModel{states: append(states, merged(states[rev], writes)), now: m.now}
}

// fits says how what was read differs from a revision, or returns "".
func (m *crashModel) fits(got lawState, rev Rev) string {
	if int(rev) >= len(m.states) {
		return fmt.Sprintf("revision %d was never begun", rev)
	}
	want := m.states[rev]
	for _, cell := range want {
		if cell.expires != 0 && cell.expires <= m.now {
			want = want.at(m.now)
			break
		}
	}
	if maps.Equal(got, want) {
		return ""
	}
	return differ(got, want)
}
