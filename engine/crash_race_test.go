//go:build crash

package engine

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"kvsh/engine/crashfs"
)

// race opens so many readers while a writer goes on between any two calls of
// theirs, and inside its writes. Each has to see a whole state that was the
// newest one at some moment since it began. The writer may be one that recovers
// what a crash left.
func (x *crashExplorer) race(m *crashMoment, readers int) {
	for range readers {
		if x.found >= maxFound {
			return
		}
		x.times.races++
		at := m.first + x.rand.IntN(len(m.history.Ops)-m.first+1)
		if err := x.raceFrom(m, at); err != nil {
			x.found++
			x.t.Errorf("KVSH_SEED=%d, workload %s: %sa reader that began behind call %d: %v", x.seed, x.name, m.trail, at, err)
		}
	}
}

func (x *crashExplorer) raceFrom(m *crashMoment, at int) error {
	mem := crashfs.Mount(m.history.Base, lockFile)
	defer mem.Unmount()
	for _, o := range m.history.Ops[:at] {
		mem.Play(o)
	}
	r := &racer{x: x, ops: m.history.Ops, mem: mem, at: at, speed: 1 + x.rand.IntN(6)}
	mem.BeforeRead = r.step
	now := m.model(at).now
	o := Options{
		ReadOnly: true, FS: crashSeam{mem}, sizes: x.run.sizes, boot: crashBoot(int(m.boot)),
		Now: func() time.Time { return time.UnixMilli(now) },
	}
	db, err := Open(context.Background(), filepath.Join(mem.Path(), filepath.Base(x.run.dir)), o)
	if err != nil {
		if p := m.promise(at, false); errors.Is(err, ErrNoDatabase) && !p.born {
			return nil
		}
		return broken("Open from call %d to %d = %v", at, r.at, err)
	}
	for i := range 4 {
		from := r.at
		if i == 3 {
			r.speed = 0 // the writer rests: now it has to work
		}
		var got lawState
		var rev Rev
		err := guarded(func() error { got, rev, err = dump(db, Newest); return err })
		if errors.Is(err, ErrUnavailable) && i < 3 {
			continue // it was overtaken again and again, and may try later
		}
		if err != nil {
			return broken("read from call %d to %d: %v", from, r.at, err)
		}
		// What is written in between is part of what may be seen.
		least, most := m.promise(from, false).least, m.promise(r.at, false).most
		if rev < least || rev > most {
			return broken("read from call %d to %d: revision %d, want %d to %d", from, r.at, rev, least, most)
		}
		if d := m.model(r.at).fits(got, rev); d != "" && m.model(from).fits(got, rev) != "" {
			return broken("read from call %d to %d: revision %d: %s", from, r.at, rev, d)
		}
	}
	return db.Close()
}

// A racer plays what the writer does next, each time the reader calls.
type racer struct {
	x     *crashExplorer
	ops   []crashfs.Op
	mem   *crashfs.FS
	at    int // calls that were played
	done  int // bytes of the next one that were
	speed int // at most so many calls at once
}

func (r *racer) step() {
	for range r.x.rand.IntN(r.speed + 1) {
		if r.at == len(r.ops) {
			return
		}
		o := r.ops[r.at]
		if o.Kind == crashfs.OpWrite && r.done == 0 && r.x.rand.IntN(4) == 0 {
			r.done = 1 + r.x.rand.IntN(len(o.Data))
			o.Data = o.Data[:r.done]
			r.mem.Play(o)
			return
		}
		r.mem.Play(o)
		r.at, r.done = r.at+1, 0
	}
}
