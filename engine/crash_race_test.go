//go:build crash

package engine

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"kvsh/engine/crashfs"
)

// race opens readers while a writer goes on between any two calls of theirs,
// and inside its writes. Each has to see a whole state that was the newest one
// at some moment since it began.
func (x *crashExplorer) race() {
	ops := x.run.history.Ops
	for range len(ops) * effort(1, 4, 40) {
		if x.found > 0 {
			return
		}
		x.times.races++
		at := x.rand.IntN(len(ops) + 1)
		if err := x.raceFrom(at); err != nil {
			x.found++
			x.t.Errorf("KVSH_SEED=%d, workload %s: a reader that began behind call %d: %v", x.seed, x.name, at, err)
		}
	}
}

func (x *crashExplorer) raceFrom(at int) error {
	c := x.run
	mem := crashfs.Mount(c.history.Base, lockFile)
	defer mem.Unmount()
	for _, o := range c.history.Ops[:at] {
		mem.Play(o)
	}
	r := &racer{x: x, mem: mem, at: at, speed: 1 + x.rand.IntN(6)}
	mem.BeforeRead = r.step
	ctx := context.Background()
	o := Options{ReadOnly: true, FS: crashSeam{mem}, sizes: c.sizes, boot: crashBoot(0), Now: func() time.Time { return time.UnixMilli(c.clock.ms) }}
	db, err := Open(ctx, filepath.Join(mem.Path(), filepath.Base(c.dir)), o)
	if err != nil {
		if p := c.promise(at, false); errors.Is(err, ErrNoDatabase) && !p.born {
			return nil
		}
		return broken("Open = %v", err)
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
		least, most := c.promise(from, false).least, c.promise(r.at, false).most
		if rev < least || rev > most {
			return broken("read from call %d to %d: revision %d, want %d to %d", from, r.at, rev, least, most)
		}
		if d := c.at(r.at).fits(got, rev); d != "" {
			if d = c.at(from).fits(got, rev); d != "" {
				return broken("read from call %d to %d: revision %d: %s", from, r.at, rev, d)
			}
		}
	}
	return db.Close()
}

// A racer plays what the writer does next, each time the reader calls.
type racer struct {
	x     *crashExplorer
	mem   *crashfs.FS
	at    int // calls that were played
	done  int // bytes of the next one that were
	speed int
}

func (r *racer) step() {
	ops := r.x.run.history.Ops
	for range r.x.rand.IntN(r.speed + 1) {
		if r.at == len(ops) {
			return
		}
		o := ops[r.at]
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
