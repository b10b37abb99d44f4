package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"kvsh/engine"
)

var watchLaws = []law{
	{"Watch from 1 yields every transaction with all its events", engine.CanWrite | engine.CanWatch, watchAll},
	{"Watch from 0 yields what comes and nothing that was", engine.CanWrite | engine.CanWatch, watchNew},
	{"Watch waits for a revision that is not there yet", engine.CanWrite | engine.CanWatch, watchLater},
	{"Watch that resumes has no gap and no repeat while others write", engine.CanWrite | engine.CanWatch, watchResumes},
	{"Watch ends with the error of the context", engine.CanWrite | engine.CanWatch, watchEnds},
	{"An event tells the family and the expiry", engine.CanWrite | engine.CanWatch | engine.CanFamilies | engine.CanExpire, watchEvents},
	{"The value of an event is a copy", engine.CanWrite | engine.CanWatch, watchCopies},
}

// events lists the events of a change, sorted: "set family/key=value".
func (e *env) events(c engine.Change) []string {
	e.Helper()
	var got []string
	for ev, err := range c.Events {
		if err != nil {
			e.Fatalf("events of revision %d ended with %v, want no error", c.Rev, err)
		}
		s := fmt.Sprintf("%s %s/%s=%s", ev.Op, ev.Family, ev.Key, ev.Value)
		if !ev.Expires.IsZero() {
			s += fmt.Sprintf(" until %d", ev.Expires.UnixMilli())
		}
		got = append(got, s)
	}
	slices.Sort(got)
	return got
}

// take reads the next n changes from a revision on, then leaves.
func (e *env) take(from engine.Rev, n int, fn func(c engine.Change)) {
	e.Helper()
	if n == 0 {
		return
	}
	for c, err := range e.store.Watch(e.ctx, from) {
		if err != nil {
			e.Errorf("Watch(%d) ended with %v, want %d more changes", from, err, n)
			return
		}
		fn(c)
		if n--; n == 0 {
			return
		}
	}
	e.Errorf("Watch(%d) ended without an error, want %d more changes", from, n)
}

func watchAll(e *env) {
	var want [][]string
	var results []engine.Result
	commit := func(fn func(tx engine.Tx) error, events ...string) {
		e.clock.advance(1e9)
		results = append(results, e.update(fn))
		want = append(want, events)
	}
	commit(func(tx engine.Tx) error { return tx.Set(e.ctx, "a", []byte("1")) }, "set /a=1")
	commit(func(tx engine.Tx) error {
		return errors.Join(tx.Set(e.ctx, "b", []byte("2")), tx.Set(e.ctx, "b", nil), tx.Delete(e.ctx, "a"))
	}, "del /a=", "set /b=")
	commit(func(tx engine.Tx) error {
		return errors.Join(tx.Delete(e.ctx, "b"), tx.Set(e.ctx, "b", []byte("\x00\xff")))
	}, "set /b=\x00\xff")
	for from := range want {
		i := from
		e.take(engine.Rev(from+1), len(want)-from, func(c engine.Change) {
			if c.Rev != results[i].Rev || c.Stamp != results[i].Stamp {
				e.Errorf("change %d is %d (stamp %d), want what %+v says", i, c.Rev, c.Stamp, results[i])
			}
			if got := e.events(c); !slices.Equal(got, want[i]) {
				e.Errorf("events of revision %d = %q, want %q", c.Rev, got, want[i])
			}
			i++
		})
	}
}

func watchNew(e *env) {
	e.set("old", "1")
	got := make(chan []engine.Rev)
	first := make(chan struct{}) // closed when the watcher has had one
	go func() {
		var revs []engine.Rev
		e.take(0, 3, func(c engine.Change) {
			if revs = append(revs, c.Rev); len(revs) == 1 {
				close(first)
			}
		})
		got <- revs
	}()
	// When the watcher begins is not known, so there is always one to come.
	for done := false; !done; {
		select {
		case <-first:
			done = true
		default:
			e.set("new", "1")
		}
	}
	e.set("new", "2")
	e.set("new", "3")
	revs := <-got
	if len(revs) != 3 || revs[0] < 2 || revs[1] != revs[0]+1 || revs[2] != revs[0]+2 {
		e.Errorf("Watch(0) yields revisions %d, want three in a row, not the first", revs)
	}
}

func watchLater(e *env) {
	e.set("a", "1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		want := engine.Rev(4)
		e.take(4, 2, func(c engine.Change) {
			if c.Rev != want {
				e.Errorf("Watch(4) yields revision %d, want %d", c.Rev, want)
			}
			want++
		})
	}()
	for range 4 {
		e.set("a", "2")
	}
	<-done
}

func watchResumes(e *env) {
	const writers, each = 4, 25
	r := e.random()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				_, err := e.store.Update(e.ctx, func(tx engine.Tx) error {
					return tx.Set(e.ctx, fmt.Sprintf("%d:%02d", w, i), nil)
				})
				if err != nil {
					e.Errorf("Update() = %v, want no error", err)
				}
			}
		})
	}
	var got []string
	next := engine.Rev(1)
	for left := writers * each; left > 0 && !e.Failed(); {
		n := min(left, 1+r.IntN(9))
		e.take(next, n, func(c engine.Change) {
			if c.Rev != next {
				e.Errorf("Watch yields revision %d, want %d", c.Rev, next)
			}
			next = c.Rev + 1
			got = append(got, e.events(c)...)
		})
		left -= n
	}
	wg.Wait()
	var want []string
	for w := range writers {
		for i := range each {
			want = append(want, fmt.Sprintf("set /%d:%02d=", w, i))
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		e.Errorf("watched %d events %q, want each of the %d writes once", len(got), got, len(want))
	}
}

func watchEnds(e *env) {
	e.set("a", "1")
	ctx, cancel := context.WithCancel(e.ctx)
	var changes int
	var errs []error
	for _, err := range e.store.Watch(ctx, 1) {
		if err == nil {
			changes++
			cancel()
			continue
		}
		errs = append(errs, err)
	}
	if changes != 1 || len(errs) != 1 {
		e.Fatalf("Watch yields %d changes and the errors %v, want one change, then one error", changes, errs)
	}
	e.wantError("Watch after cancel", errs[0], context.Canceled, engine.ClassCancelled)

	ctx, cancel = context.WithTimeout(e.ctx, time.Millisecond)
	defer cancel()
	for c, err := range e.store.Watch(ctx, 2) {
		if err == nil {
			e.Errorf("Watch(2) yields revision %d, want none", c.Rev)
			continue
		}
		e.wantError("Watch past its deadline", err, context.DeadlineExceeded, engine.ClassCancelled)
	}
}

func watchEvents(e *env) {
	at := e.clock.Now().Add(time.Minute)
	e.update(func(tx engine.Tx) error {
		return errors.Join(tx.In("f").SetExpiring(e.ctx, "a", []byte("1"), at), tx.Set(e.ctx, "a", []byte("2")),
			tx.In("f").Delete(e.ctx, "b"), tx.SetExpiring(e.ctx, "past", []byte("3"), e.clock.Now().Add(-time.Second)))
	})
	want := []string{"del /past=", "del f/b=", "set /a=2", fmt.Sprintf("set f/a=1 until %d", at.UnixMilli())}
	e.take(1, 1, func(c engine.Change) {
		if got := e.events(c); !slices.Equal(got, want) {
			e.Errorf("events = %q, want %q", got, want)
		}
	})
	e.take(1, 1, func(c engine.Change) {
		for ev := range c.Events {
			want := engine.OpDelete
			switch {
			case ev.Family == "f" && ev.Key == "a":
				want = engine.OpSetExpiring
			case strings.HasPrefix(ev.Key, "a"):
				want = engine.OpSet
			}
			if ev.Op != want {
				e.Errorf("the event of %q in %q is %d, want %d", ev.Key, ev.Family, ev.Op, want)
			}
		}
	})
}

func watchCopies(e *env) {
	e.set("a", "before")
	e.take(1, 1, func(c engine.Change) {
		for ev := range c.Events {
			copy(ev.Value, "XXXXXX")
		}
	})
	e.want("a=before")
	e.take(1, 1, func(c engine.Change) {
		if got, want := e.events(c), []string{"set /a=before"}; !slices.Equal(got, want) {
			e.Errorf("events = %q, want %q", got, want)
		}
	})
}
