package engine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A faultRun is one workload that falls into one fault, and what it was
// answered.
type faultRun struct {
	t      *testing.T
	work   *faultWork
	fsys   *faultFS
	dir    string // of the database
	beside string // a folder for backups
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
	o.sizes.fold, o.sizes.keep, o.sizes.small = 1<<20, 1<<10, 300
	return o
}

func (f *faultRun) tag() string {
	call := ""
	if at := f.fsys.fault.at; f.fsys.hit() {
		call = f.fsys.names[at-1]
	}
	return fmt.Sprintf("%s, %v (%s); answers %s", f.work.name, f.fsys.fault, call, f.answer)
}

func (f *faultRun) errorf(format string, args ...any) {
	f.t.Helper()
	f.t.Errorf("%s: %s", f.tag(), fmt.Sprintf(format, args...))
}

// tell notes what the last write was answered.
func (f *faultRun) tell(res Result, err error) {
	f.answer += fmt.Sprintf("%v (%v); ", res.Outcome, err)
	if (err == nil) != (res.Outcome == Committed) || errors.Is(err, ErrUnknownOutcome) != (res.Outcome == OutcomeUnknown) {
		f.errorf("error %v beside outcome %v", err, res.Outcome)
	}
	last := len(f.done) - 1
	switch res.Outcome {
	case Committed:
		f.done[last].sure = true
	case NotCommitted:
		f.done = f.done[:last]
	}
	f.fails("a write", err)
}

// fails notes an error of a call, which has to be that of the fault.
func (f *faultRun) fails(what string, err error) bool {
	f.t.Helper()
	if err != nil && !errors.Is(err, errFault) && !errors.Is(err, ErrUnavailable) {
		f.errorf("%s: %v, want the injected fault", what, err)
	}
	return err != nil
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

// states is all states that may be there.
func (f *faultRun) states() []lawState {
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
	return states
}

// allowed fails the test unless a state is one of those that may be there.
func (f *faultRun) allowed(got lawState, who string) {
	f.t.Helper()
	d := ""
	states := f.states()
	for i, s := range states {
		e := differ(got, s)
		if e == "" {
			return
		}
		if i == 0 {
			d = e
		}
	}
	f.errorf("read by %s: %s, and %d other states do not fit either", who, d, len(states)-1)
}

// look reads through the handle that had the fault: what it says has to be
// true.
func (f *faultRun) look(db *DB) {
	f.t.Helper()
	got, _, err := dump(db, Newest)
	if !f.fails("read", err) {
		f.allowed(got, "the handle that had the fault")
	}
}

// untilKilled runs f up to the end of its process.
func untilKilled(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(killed); !ok {
				panic(p)
			}
		}
	}()
	f()
}

// run runs the workload into its fault, then looks at what is there.
func (f *faultRun) run(before *faultStart) {
	before.img.write(f.t, f.dir)
	if before.img == nil {
		os.RemoveAll(f.dir)
	}
	f.done = append([]faultWrite(nil), before.done...)
	untilKilled(func() { f.work.run(f) })
	f.fsys.end()
	if !f.t.Failed() {
		f.afterwards()
	}
}

// afterwards opens the database as another process, to which nothing happens.
func (f *faultRun) afterwards() {
	o := Options{Create: true, Wait: -1, Now: f.clock.now, sizes: lawSizes}
	db, err := Open(f.t.Context(), f.dir, o)
	if err != nil {
		f.errorf("Open afterwards = %v", err)
		return
	}
	defer db.Close()
	got, _, err := dump(db, Newest)
	if err != nil {
		f.errorf("read afterwards: %v", err)
		return
	}
	f.allowed(got, "another process")
	if f.work.also != nil {
		f.work.also(f)
	}
	f.clock.ms++
	f.done = append(f.done, faultWrite{writes: map[string]*cell{userIKey("next"): {value: "n"}}, sure: true})
	if res, err := updateAll(db, f.done[len(f.done)-1].writes); err != nil || res.Outcome != Committed {
		f.errorf("Update afterwards = %v, %v, want committed", res.Outcome, err)
		return
	}
	if err := db.maintain(f.t.Context(), 3); err != nil {
		f.errorf("maintain afterwards: %v", err)
	}
	if got, _, err = dump(db, Newest); err != nil {
		f.errorf("read at the end: %v", err)
	}
	f.allowed(got, "another process, after its own write")
	report, err := Check(f.t.Context(), nil, f.dir, false)
	if err != nil || report.Verdict == VerdictDamaged {
		f.errorf("check at the end: %v, %v, %v", report.Verdict, report.Faults, err)
	}
}

// faults is every fault of a workload with so many calls. write says of each
// change whether it can be done in part.
func faults(changes, reads int, write []bool) (all []fault) {
	for at := 1; at <= changes; at++ {
		parts := []part{partNone, partAll}
		if write[at-1] {
			parts = []part{partNone, partByte, partHalf, partMost, partAll}
		}
		for _, p := range parts {
			for _, err := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EINTR} {
				for _, times := range []int{1, 2, forever} {
					all = append(all, fault{at: at, times: times, err: err, part: p})
				}
			}
			if p != partAll {
				all = append(all, fault{at: at, times: forever, part: p})
			}
		}
	}
	for at := 1; at <= reads; at++ {
		for _, times := range []int{1, 2, forever} {
			all = append(all,
				fault{reads: true, at: at, times: times, err: syscall.EIO, part: part(at % 2 * int(partHalf))},
				fault{reads: true, at: at, times: times, err: syscall.EINTR})
		}
	}
	return all
}

// Ensure that whatever call fails, in whatever way and however often, or is
// the last one of its process, an answer is true: what was committed is there,
// what was not committed never is, a transaction is there whole or not at all,
// what is read is right, and the database opens by itself and takes writes.
//
// Every call of every workload goes wrong: with EIO, ENOSPC and EINTR; with
// nothing, a byte, half, all but a byte, and all of it done; once, twice and
// for ever; and as the last call of its process. -short takes one in thirty.
func TestLawFaults(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // garbage is half of the work
	base := lawDir(t)
	var runs atomic.Int64
	for i := range faultWorks {
		w := &faultWorks[i]
		t.Run(w.name, func(t *testing.T) {
			n := w.matrix(t, filepath.Join(base, fmt.Sprint(i)))
			runs.Add(int64(n))
		})
	}
	t.Logf("%d workloads, %d faults", len(faultWorks), runs.Load())
}

// matrix runs a workload into each of its faults and returns how many came to
// pass.
func (w *faultWork) matrix(t *testing.T, base string) int {
	start := w.start(t, filepath.Join(base, "start"))
	begin := func(t *testing.T, n int, what fault) *faultRun {
		dir := filepath.Join(base, fmt.Sprint(n))
		if err := os.MkdirAll(filepath.Join(dir, "beside"), 0o700); err != nil {
			t.Fatal(err)
		}
		return &faultRun{
			t: t, work: w, fsys: &faultFS{FS: OS, fault: what}, dir: filepath.Join(dir, "db"), beside: filepath.Join(dir, "beside"),
			clock: &lawClock{ms: start.ms},
		}
	}
	whole := begin(t, -1, fault{})
	whole.run(start)
	if whole.answer = strings.ReplaceAll(whole.answer, "committed (<nil>); ", ""); whole.answer != "" {
		t.Errorf("without a fault: %s", whole.answer)
	}
	changes, reads := len(whole.fsys.names), whole.fsys.reads
	all := faults(changes, reads, whole.fsys.writes)
	step := effort(30, 1, 1)
	var hits atomic.Int64
	var next atomic.Int64
	var group sync.WaitGroup
	for worker := range 2 {
		group.Go(func() {
			for !t.Failed() {
				i := int(next.Add(1)-1) * step
				if i >= len(all) {
					return
				}
				f := begin(t, worker, all[i])
				f.run(start)
				if f.fsys.hit() {
					hits.Add(1)
				}
				os.RemoveAll(f.beside)
			}
		})
	}
	group.Wait()
	t.Logf("%d changes, %d reads, %d faults", changes, reads, hits.Load())
	return int(hits.Load())
}
