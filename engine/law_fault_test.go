package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// How a faultFS goes wrong at its n-th call that changes anything.
type faultMode int

const (
	faultFail   faultMode = iota // the call does nothing and fails; later ones work
	faultLate                    // the call is done, and fails all the same; later ones work
	faultBroken                  // the call and all later ones fail
	faultKill                    // the process ends there
	faultTorn                    // the process ends in the middle of a write
)

func (m faultMode) String() string {
	return [...]string{"fail", "fail late", "stay broken", "kill", "kill in a write"}[m]
}

var errFault = errors.New("injected fault")

// killed is the panic of a process that ends.
type killed struct{}

// A faultFS counts the calls that change files, those of the log library among
// them, and goes wrong at one of them. Once killed nothing has any effect:
// deferred functions run, as they would not.
type faultFS struct {
	FS
	mode  faultMode
	at    int64 // the call that goes wrong; 0: none
	calls atomic.Int64
	dead  atomic.Bool
	names []string // of the calls, for messages
	mu    sync.Mutex
	files []File // all that were opened, under mu: a check opens some at once
}

// end does what the system does for a process that was killed: it closes the
// files, and so releases the locks.
func (s *faultFS) end() {
	for _, f := range s.files {
		f.Close()
	}
}

// call runs f, which changes something, or does not. torn is what of f a
// killed process still does.
func (s *faultFS) call(what string, f, torn func() error) error {
	if s.dead.Load() {
		return errFault
	}
	n := s.calls.Add(1)
	s.names = append(s.names, what)
	if s.at == 0 || n < s.at || n > s.at && s.mode != faultBroken {
		return f()
	}
	switch s.mode {
	case faultLate:
		return errors.Join(f(), errFault)
	case faultKill:
		s.dead.Store(true)
		panic(killed{})
	case faultTorn:
		if torn != nil {
			_ = torn()
		}
		s.dead.Store(true)
		panic(killed{})
	}
	return errFault
}

func (s *faultFS) Open(name string) (File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s *faultFS) OpenFile(name string, flag int, perm fs.FileMode) (f File, err error) {
	open := func() error {
		f, err = s.FS.OpenFile(name, flag, perm)
		return err
	}
	if flag&os.O_CREATE != 0 {
		if e := s.call("create "+filepath.Base(name), open, nil); e != nil {
			if f != nil {
				f.Close()
			}
			return nil, e
		}
	} else if err := open(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.files = append(s.files, f)
	s.mu.Unlock()
	return &faultFile{f, s, filepath.Base(name)}, nil
}

func (s *faultFS) Mkdir(name string, perm fs.FileMode) error {
	return s.call("mkdir "+filepath.Base(name), func() error { return s.FS.Mkdir(name, perm) }, nil)
}

func (s *faultFS) Rename(from, to string) error {
	return s.call("rename "+filepath.Base(from), func() error { return s.FS.Rename(from, to) }, nil)
}

func (s *faultFS) Remove(name string) error {
	return s.call("remove "+filepath.Base(name), func() error { return s.FS.Remove(name) }, nil)
}

func (s *faultFS) SyncDir(name string) error {
	return s.call("syncdir "+filepath.Base(name), func() error { return nil }, nil)
}

type faultFile struct {
	File
	s    *faultFS
	name string
}

func (f *faultFile) WriteAt(b []byte, offset int64) (n int, err error) {
	if f.name == lockFile {
		return f.File.WriteAt(b, offset) // for messages only
	}
	write := func(size int) func() error {
		return func() error { n, err = f.File.WriteAt(b[:size], offset); return err }
	}
	half := len(b) / 2
	if f.name == markFile {
		half = 0 // it fits a sector
	}
	if e := f.s.call("write "+f.name, write(len(b)), write(half)); e != nil {
		return 0, e
	}
	return n, nil
}

func (f *faultFile) Write(b []byte) (n int, err error) {
	write := func(size int) func() error {
		return func() error { n, err = f.File.Write(b[:size]); return err }
	}
	if e := f.s.call("write "+f.name, write(len(b)), write(len(b)/2)); e != nil {
		return 0, e
	}
	return n, nil
}

func (f *faultFile) Sync() error {
	return f.s.call("sync "+f.name, func() error { return nil }, nil)
}

func (f *faultFile) Truncate(size int64) error {
	return f.s.call("truncate "+f.name, func() error { return f.File.Truncate(size) }, nil)
}

// A faultAppender brings the log library, which calls package os by itself,
// under the same count. Its records get to the file in part before it fails.
type faultAppender struct {
	appender
	s   *faultFS
	dir string
}

func (s *faultFS) openAppender(dir string, sync bool, segmentSize int64) (appender, error) {
	var a appender
	err := s.call("open log", func() (err error) {
		a, err = openAppender(dir, sync, segmentSize)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return &faultAppender{a, s, dir}, nil
}

func (a *faultAppender) append(first Rev, records [][]byte) error {
	var all []byte
	for _, r := range records {
		all = appendFrame(all, r)
	}
	// Short writes of every kind, then the whole one, whose sync may fail.
	for _, n := range []int{0, 1, len(all) / 2, len(all) - 1} {
		short := func() error { return a.short(all[:n]) }
		fails := a.s.at == a.s.calls.Load()+1
		err := a.s.call(fmt.Sprintf("append %d of %d bytes", n, len(all)), func() error {
			if fails {
				return short()
			}
			return nil
		}, short)
		if err != nil {
			return err
		}
	}
	return a.s.call("append and sync", func() error { return a.appender.append(first, records) }, func() error {
		return a.appender.append(first, records)
	})
}

// short writes bytes behind the last segment, as a write that is cut would.
func (a *faultAppender) short(b []byte) error {
	firsts, _, err := listSegments(OS, a.dir)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.dir, segmentName(firsts[len(firsts)-1])), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// A faultRun is one workload on a directory, and what it was answered.
type faultRun struct {
	t      *testing.T
	fsys   *faultFS
	dir    string
	clock  *lawClock
	done   []faultWrite // in order, without what was not committed
	answer string
}

// A faultWrite is a transaction that is there, or, if nobody was told its
// outcome, may be.
type faultWrite struct {
	writes map[string]*cell
	sure   bool
}

func (f *faultRun) options() Options {
	o := Options{Create: true, Now: f.clock.now, Writer: "w", FS: f.fsys, sizes: lawSizes, openAppender: f.fsys.openAppender}
	o.sizes.fold, o.sizes.keep = 1<<20, 1<<10
	return o
}

// tell notes what the last write was answered.
func (f *faultRun) tell(res Result, err error) {
	f.answer += fmt.Sprintf("%v (%v); ", res.Outcome, err)
	if (err == nil) != (res.Outcome == Committed) {
		f.t.Errorf("%s: error %v beside outcome %v", f.tag(), err, res.Outcome)
	}
	if errors.Is(err, ErrUnknownOutcome) != (res.Outcome == OutcomeUnknown) {
		f.t.Errorf("%s: error %v beside outcome %v", f.tag(), err, res.Outcome)
	}
	last := len(f.done) - 1
	switch res.Outcome {
	case Committed:
		f.done[last].sure = true
	case NotCommitted:
		f.done = f.done[:last]
	}
}

func merged(s lawState, writes map[string]*cell) lawState {
	s = maps.Clone(s)
	for ikey, c := range writes {
		if c == nil {
			delete(s, ikey)
		} else {
			s[ikey] = *c
		}
	}
	return s
}

func (f *faultRun) tag() string {
	last := f.fsys.names
	if f.fsys.at > 0 && int(f.fsys.at) <= len(last) {
		last = last[f.fsys.at-1 : f.fsys.at]
	}
	return fmt.Sprintf("call %d (%s), %v; answers %s", f.fsys.at, strings.Join(last, ""), f.fsys.mode, f.answer)
}

// write commits one transaction and notes the answer. A killed process gives
// none.
func (f *faultRun) write(db *DB, writes map[string]*cell) {
	f.clock.ms++
	f.done = append(f.done, faultWrite{writes: writes})
	f.tell(updateAll(db, writes))
}

func (f *faultRun) load(db *DB, writes map[string]*cell) {
	f.clock.ms++
	f.done = append(f.done, faultWrite{writes: writes})
	res, err := db.Load(context.Background(), func(yield func(Item, error) bool) {
		for ikey, c := range writes {
			if !yield(Item{Key: userKey([]byte(ikey)), Value: []byte(c.value)}, nil) {
				return
			}
		}
	}, Replace)
	f.tell(res.Result, err)
}

// work is what every fault falls into: creating, writing, folding, loading,
// merging, compacting, and between them handles of other processes.
func (f *faultRun) work() {
	ctx := context.Background()
	var db *DB
	reopen := func() bool {
		if db != nil {
			_ = db.Close()
		}
		var err error
		db, err = Open(ctx, f.dir, f.options())
		if err != nil && !errors.Is(err, errFault) {
			f.t.Errorf("%s: Open = %v", f.tag(), err)
		}
		return err == nil
	}
	defer func() {
		if db != nil && !f.fsys.dead.Load() { // a panic leaves locks behind that a killed process does not
			_ = db.Close()
		}
	}()
	set := func(from, to, size int) map[string]*cell {
		writes := make(map[string]*cell)
		for i := from; i < to; i++ {
			writes[userIKey(fmt.Sprintf("k%02d", i))] = &cell{value: strings.Repeat(string(rune('a'+i%26)), size)}
		}
		return writes
	}
	for round := range 3 {
		if !reopen() {
			return
		}
		f.write(db, set(round, round+2, 20))
		f.write(db, set(5, 25, 60)) // rotates
		f.write(db, map[string]*cell{userIKey("k05"): nil, userIKey("k01"): {value: fmt.Sprint(round)}})
		if db.exists.Load() {
			_ = db.fold(ctx)
		}
		f.load(db, set(20+round, 50, 30))
		f.write(db, set(round, round+3, 5))
		f.look(db)
	}
	if db.exists.Load() {
		keep := time.Duration(0)
		_, _ = db.Compact(ctx, CompactOptions{Keep: &keep})
	}
	f.write(db, set(0, 2, 9))
	f.look(db)
}

// look reads through the handle that had the fault: it must not show what was
// answered to be not committed.
func (f *faultRun) look(db *DB) {
	got, _, err := dump(db, Newest)
	if err != nil {
		if !errors.Is(err, errFault) {
			f.t.Errorf("%s: read: %v", f.tag(), err)
		}
		return
	}
	f.allowed(got, "the handle that had the fault")
}

// allowed fails the test unless a state is one of those that may be there.
func (f *faultRun) allowed(got lawState, who string) {
	states := []lawState{{}}
	for _, w := range f.done {
		for i, s := range states {
			after := merged(s, w.writes)
			if w.sure {
				states[i] = after
			} else {
				states = append(states, after)
			}
		}
	}
	d := ""
	for i, s := range states {
		if e := differ(got, s); e == "" {
			return
		} else if i == 0 {
			d = e
		}
	}
	f.t.Errorf("%s: read by %s: %s, and %d other states do not fit either", f.tag(), who, d, len(states)-1)
}

// run runs the workload into its fault, then looks at what is there.
func (f *faultRun) run() {
	func() {
		defer func() {
			if p := recover(); p != nil {
				if _, ok := p.(killed); !ok {
					panic(p)
				}
			}
		}()
		f.work()
	}()
	f.fsys.end()
	ctx := context.Background()
	o := Options{Create: true, Wait: -1, Now: f.clock.now, sizes: lawSizes}
	db, err := Open(ctx, f.dir, o)
	if err != nil {
		f.t.Errorf("%s: Open afterwards = %v", f.tag(), err)
		return
	}
	defer db.Close()
	got, _, err := dump(db, Newest)
	if err != nil {
		f.t.Errorf("%s: read afterwards: %v", f.tag(), err)
		return
	}
	f.allowed(got, "another process")
	f.write(db, map[string]*cell{userIKey("next"): {value: "n"}})
	if last := f.done[len(f.done)-1]; !last.sure || last.writes[userIKey("next")] == nil {
		f.t.Errorf("%s: Update afterwards is not committed", f.tag())
		return
	}
	if err := db.maintain(ctx, 3); err != nil {
		f.t.Errorf("%s: maintain afterwards: %v", f.tag(), err)
	}
	if got, _, err = dump(db, Newest); err != nil {
		f.t.Errorf("%s: read at the end: %v", f.tag(), err)
	}
	f.allowed(got, "another process, after its own write")
}

// Ensure that whatever call fails, or is the last one of its process, an
// answer is true: what was committed is there, what was not committed never
// is, a transaction is there whole or not at all, and the database opens by
// itself and takes writes.
func TestLawFaults(t *testing.T) {
	base := lawDir(t)
	n := 0
	begin := func(mode faultMode, at int64) *faultRun {
		n++
		return &faultRun{
			t: t, fsys: &faultFS{FS: OS, mode: mode, at: at}, dir: filepath.Join(base, fmt.Sprint(n)),
			clock: newLawClock(),
		}
	}
	whole := begin(faultFail, 0)
	whole.run()
	calls := whole.fsys.calls.Load()
	t.Logf("%d calls: %s", calls, whole.answer)
	if t.Failed() {
		return
	}
	step := int64(effort(7, 1, 1))
	for mode := faultFail; mode <= faultTorn; mode++ {
		for at := int64(1); at <= calls; at += step {
			f := begin(mode, at)
			f.run()
			if t.Failed() {
				t.Logf("%s", strings.Join(f.fsys.names[max(0, int(at)-20):min(len(f.fsys.names), int(at)+20)], "\n"))
				return
			}
			os.RemoveAll(f.dir)
		}
	}
}
