package enginetest

import (
	"errors"
	"fmt"
	"iter"

	"kvsh/engine"
)

var txLaws = []law{
	{"A transaction reads its own writes", engine.CanWrite, readYourWrites},
	{"An error of the function writes nothing and comes back as it is", engine.CanWrite, rollbackOnError},
	{"A panic of the function writes nothing and leaves the store usable", engine.CanWrite, rollbackOnPanic},
	{"A function that writes nothing commits nothing", engine.CanWrite, emptyUpdate},
	{"Revisions have no gaps and stamps grow", engine.CanWrite, gapless},
	{"A stamp grows also when the clock goes back", engine.CanWrite, stampGrows},
	{"A View cannot write", engine.CanWrite, viewCannotWrite},
	{"An error of the function of a View comes back as it is", 0, viewError},
	{"A transaction that ended is closed", engine.CanWrite, endedTx},
	{"A View stays on its state while others write", engine.CanWrite, viewStays},
	{"An open transaction writes on Commit and not before", engine.CanWrite, openTxCommits},
	{"An open transaction that is rolled back writes nothing", engine.CanWrite, openTxRollsBack},
	{"Writes counts keys", engine.CanWrite, writesCountsKeys},
}

func readYourWrites(e *env) {
	e.set("a", "1")
	e.set("b", "2")
	check := func(tx engine.Tx) error {
		if err := errors.Join(tx.Set(e.ctx, "a", []byte("new")), tx.Delete(e.ctx, "b"), tx.Set(e.ctx, "c", []byte("3"))); err != nil {
			return err
		}
		e.wantGet(tx, "a", "new")
		e.wantNone(tx, "b")
		e.wantGet(tx, "c", "3")
		e.wantIn(tx, engine.Range{}, "a=new", "c=3")
		e.wantIn(tx, engine.Range{Reverse: true, Limit: 1}, "c=3")
		e.wantCount(tx, engine.Range{}, 2)
		if err := errors.Join(tx.Set(e.ctx, "b", []byte("back")), tx.Delete(e.ctx, "c")); err != nil {
			return err
		}
		e.wantIn(tx, engine.Range{}, "a=new", "b=back")
		return nil
	}
	tx := e.begin()
	if err := check(tx); err != nil {
		e.Errorf("writes of an open transaction = %v, want no error", err)
	}
	tx.Rollback()
	e.want("a=1", "b=2")
	e.update(check)
	e.want("a=new", "b=back")
}

func rollbackOnError(e *env) {
	e.set("a", "1")
	own := errors.New("my own")
	res, err := e.store.Update(e.ctx, func(tx engine.Tx) error {
		return errors.Join(tx.Set(e.ctx, "a", nil), tx.Set(e.ctx, "b", nil), tx.Delete(e.ctx, "a"))
	})
	if err != nil || res.Rev != 2 {
		e.Fatalf("Update() = %+v, %v, want revision 2", res, err)
	}
	res, err = e.store.Update(e.ctx, func(tx engine.Tx) error {
		if err := errors.Join(tx.Set(e.ctx, "c", nil), tx.Delete(e.ctx, "b")); err != nil {
			return err
		}
		return own
	})
	if err != own { //nolint:errorlint // the very same error must come back
		e.Errorf("Update() = %v, want the error of its function", err)
	}
	e.wantRefused("Update with an error", res, err, own, engine.ClassOther)
	e.want("b=")
	if got := e.set("d", ""); got.Rev != 3 {
		e.Errorf("the commit after a refused one is %+v, want revision 3", got)
	}
}

func rollbackOnPanic(e *env) {
	func() {
		defer func() {
			if got := recover(); got != "mine" {
				e.Errorf("Update() panics with %v, want the panic of its function", got)
			}
		}()
		_, err := e.store.Update(e.ctx, func(tx engine.Tx) error {
			if err := tx.Set(e.ctx, "a", nil); err != nil {
				return err
			}
			panic("mine")
		})
		e.Errorf("Update() = %v, want a panic", err)
	}()
	e.want()
	e.set("b", "1")
	e.want("b=1")
}

func emptyUpdate(e *env) {
	first := e.set("a", "1")
	got := e.update(func(tx engine.Tx) error { e.wantGet(tx, "a", "1"); return nil })
	if got.Rev != first.Rev {
		e.Errorf("Update() without a write = %+v, want revision %d", got, first.Rev)
	}
	tx := e.begin()
	e.wantGet(tx, "a", "1")
	if got, err := tx.Commit(e.ctx); err != nil || got.Outcome != engine.Committed || got.Rev != first.Rev {
		e.Errorf("Commit() without a write = %+v, %v, want revision %d", got, err, first.Rev)
	}
	if rev := e.newest(); rev != first.Rev {
		e.Errorf("the newest revision is %d, want %d", rev, first.Rev)
	}
}

func gapless(e *env) {
	var last engine.Result
	for i := range 30 {
		var got engine.Result
		if i%3 == 0 {
			tx := e.begin()
			if err := tx.Set(e.ctx, "k", []byte(fmt.Sprint(i))); err != nil {
				e.Fatalf("Set(%q) = %v, want no error", "k", err)
			}
			var err error
			if got, err = tx.Commit(e.ctx); err != nil {
				e.Fatalf("Commit() = %v, want no error", err)
			}
		} else {
			got = e.set("k", fmt.Sprint(i))
		}
		if got.Outcome != engine.Committed || got.Rev != last.Rev+1 || got.Stamp <= last.Stamp {
			e.Errorf("commit %d is %+v after %+v, want the next revision and a greater stamp", i, got, last)
		}
		if last = got; e.newest() != got.Rev {
			e.Errorf("the newest revision is %d after a commit of %d", e.newest(), got.Rev)
		}
	}
}

func stampGrows(e *env) {
	first := e.set("a", "1")
	if want := e.clock.Now(); !first.Stamp.Time().Equal(want) {
		e.Errorf("the first stamp says %v, want the time of the clock, %v", first.Stamp.Time(), want)
	}
	e.clock.advance(-e.clock.Now().Sub(first.Stamp.Time().AddDate(-1, 0, 0)))
	second := e.set("a", "2")
	third := e.set("a", "3")
	if second.Stamp <= first.Stamp || third.Stamp <= second.Stamp {
		e.Errorf("stamps are %d, %d, %d while the clock is a year back, want them to grow", first.Stamp, second.Stamp, third.Stamp)
	}
	e.clock.advance(10 * 365 * 24 * 3600e9)
	if fourth := e.set("a", "4"); !fourth.Stamp.Time().Equal(e.clock.Now()) {
		e.Errorf("the stamp says %v, want the time of the clock again, %v", fourth.Stamp.Time(), e.clock.Now())
	}
}

func viewCannotWrite(e *env) {
	e.view(engine.Newest, func(tx engine.Tx) {
		e.wantError("Set in a View", tx.Set(e.ctx, "a", nil), engine.ErrReadOnly, engine.ClassRefused)
		e.wantError("Delete in a View", tx.Delete(e.ctx, "a"), engine.ErrReadOnly, engine.ClassRefused)
		e.wantNone(tx, "a")
	})
	e.want()
}

func viewError(e *env) {
	own := errors.New("my own")
	if err := e.store.View(e.ctx, engine.Newest, func(engine.Tx) error { return own }); err != own { //nolint:errorlint // the very same
		e.Errorf("View() = %v, want the error of its function", err)
	}
}

// wantClosed checks that no method of the transaction works.
func (e *env) wantClosed(name string, tx engine.Tx) {
	e.Helper()
	_, getErr := tx.Get(e.ctx, "a")
	_, countErr := tx.Count(e.ctx, engine.Range{})
	_, familiesErr := tx.Families(e.ctx)
	var scanErr error
	for _, err := range tx.Scan(e.ctx, engine.Range{}) {
		scanErr = err
	}
	for call, err := range map[string]error{
		"Get": getErr, "Count": countErr, "Scan": scanErr, "Families": familiesErr,
		"Set": tx.Set(e.ctx, "a", nil), "Delete": tx.Delete(e.ctx, "a"),
	} {
		if !errors.Is(err, engine.ErrClosed) {
			e.Errorf("%s after %s = %v, want ErrClosed", call, name, err)
		}
	}
}

func endedTx(e *env) {
	e.set("a", "1")
	e.set("b", "1")
	var kept engine.Tx
	e.view(engine.Newest, func(tx engine.Tx) { kept = tx })
	e.wantClosed("View", kept)
	e.update(func(tx engine.Tx) error { kept = tx; return nil })
	e.wantClosed("Update", kept)
	open := e.begin()
	open.Rollback()
	e.wantClosed("Rollback", open)
	open = e.begin()
	if _, err := open.Commit(e.ctx); err != nil {
		e.Errorf("Commit() = %v, want no error", err)
	}
	e.wantClosed("Commit", open)
	e.scanOutlivesTx()
	e.want("a=1", "b=1")
}

// scanOutlivesTx goes on with a scan whose transaction has ended: what it read
// may not be there any more.
func (e *env) scanOutlivesTx() {
	e.Helper()
	next := func() (engine.Entry, error, bool) { return engine.Entry{}, nil, false }
	stop := func() {}
	defer func() { stop() }()
	e.view(engine.Newest, func(tx engine.Tx) {
		next, stop = iter.Pull2(tx.Scan(e.ctx, engine.Range{}))
		if entry, err, ok := next(); !ok || err != nil || entry.Key != "a" {
			e.Errorf("Scan() begins with %q, %v, want %q", entry.Key, err, "a")
		}
	})
	if entry, err, ok := next(); !ok || !errors.Is(err, engine.ErrClosed) {
		e.Errorf("Scan() goes on after its View with %q, %v, want ErrClosed", entry.Key, err)
	}
}

func viewStays(e *env) {
	e.set("a", "1")
	e.set("b", "1")
	tx := e.begin()
	check := func(tx engine.Tx) {
		e.Helper()
		e.wantGet(tx, "a", "1")
		e.wantGet(tx, "b", "1")
		e.wantNone(tx, "c")
		e.wantIn(tx, engine.Range{}, "a=1", "b=1")
		if tx.Rev() != 2 {
			e.Errorf("Rev() = %d, want 2", tx.Rev())
		}
	}
	e.view(engine.Newest, func(tx engine.Tx) {
		e.update(func(tx engine.Tx) error {
			return errors.Join(tx.Set(e.ctx, "a", nil), tx.Delete(e.ctx, "b"), tx.Set(e.ctx, "c", nil))
		})
		check(tx)
	})
	check(tx)
	e.want("a=", "c=")
}

func openTxCommits(e *env) {
	tx := e.begin()
	if err := tx.Set(e.ctx, "a", []byte("1")); err != nil {
		e.Fatalf("Set(%q) = %v, want no error", "a", err)
	}
	e.want()
	res, err := tx.Commit(e.ctx)
	if err != nil || res.Outcome != engine.Committed || res.Rev != 1 {
		e.Errorf("Commit() = %+v, %v, want revision 1 committed", res, err)
	}
	e.want("a=1")
	tx.Rollback()
	e.want("a=1")
	res, err = tx.Commit(e.ctx)
	if !errors.Is(err, engine.ErrClosed) || res.Outcome != engine.NotCommitted {
		e.Errorf("a second Commit() = %+v, %v, want ErrClosed and not committed", res, err)
	}
}

func openTxRollsBack(e *env) {
	tx := e.begin()
	if err := tx.Set(e.ctx, "a", nil); err != nil {
		e.Fatalf("Set(%q) = %v, want no error", "a", err)
	}
	tx.Rollback()
	tx.Rollback()
	res, err := tx.Commit(e.ctx)
	if !errors.Is(err, engine.ErrClosed) || res.Outcome != engine.NotCommitted {
		e.Errorf("Commit() after Rollback = %+v, %v, want ErrClosed and not committed", res, err)
	}
	e.want()
}

func writesCountsKeys(e *env) {
	e.set("a", "1")
	tx := e.begin()
	for i, step := range []struct {
		write func() error
		want  int
	}{
		{func() error { return nil }, 0},
		{func() error { return tx.Set(e.ctx, "a", nil) }, 1},
		{func() error { return tx.Set(e.ctx, "a", []byte("x")) }, 1},
		{func() error { return tx.Set(e.ctx, "b", nil) }, 2},
		{func() error { return tx.Delete(e.ctx, "a") }, 2},
		{func() error { _, err := tx.Count(e.ctx, engine.Range{}); return err }, 2},
	} {
		if err := step.write(); err != nil {
			e.Fatalf("step %d = %v, want no error", i, err)
		}
		if got := tx.Writes(); got != step.want {
			e.Errorf("Writes() after step %d = %d, want %d", i, got, step.want)
		}
	}
}
