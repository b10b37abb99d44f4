package enginetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kvsh/engine"
)

var errorLaws = []law{
	{"A call with a context that ended does nothing", engine.CanWrite, cancelledBefore},
	{"A context that ends in the middle ends the transaction without a write", engine.CanWrite, cancelledWithin},
	{"A scan stops when its context ends", engine.CanWrite, cancelledScan},
	{"A closed store takes no calls", engine.CanWrite, closedStore},
	{"What a store does not declare it refuses", 0, undeclared},
}

func cancelledBefore(e *env) {
	e.set("a", "1")
	ctx, cancel := context.WithCancel(e.ctx)
	open := e.begin()
	if err := open.Set(e.ctx, "b", nil); err != nil {
		e.Fatalf("Set(%q) = %v, want no error", "b", err)
	}
	cancel()
	fn := func(engine.Tx) error { e.Error("the function ran under an ended context"); return nil }
	e.wantError("View", e.store.View(ctx, engine.Newest, fn), context.Canceled, engine.ClassCancelled)
	res, err := e.store.Update(ctx, fn)
	e.wantRefused("Update", res, err, context.Canceled, engine.ClassCancelled)
	_, err = e.store.Begin(ctx)
	e.wantError("Begin", err, context.Canceled, engine.ClassCancelled)
	load, err := e.store.Load(ctx, items(nil, set("b", "")), engine.Replace)
	e.wantRefused("Load", load.Result, err, context.Canceled, engine.ClassCancelled)
	res, err = open.Commit(ctx)
	e.wantRefused("Commit", res, err, context.Canceled, engine.ClassCancelled)
	e.view(engine.Newest, func(tx engine.Tx) {
		_, err := tx.Get(ctx, "a")
		e.wantError("Get", err, context.Canceled, engine.ClassCancelled)
		_, err = tx.Count(ctx, engine.Range{})
		e.wantError("Count", err, context.Canceled, engine.ClassCancelled)
		_, err = tx.Families(ctx)
		e.wantError("Families", err, context.Canceled, engine.ClassCancelled)
	})
	e.want("a=1")
}

func cancelledWithin(e *env) {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		ctx, cancel := context.WithCancel(e.ctx)
		if cause == context.DeadlineExceeded {
			ctx, cancel = context.WithTimeout(e.ctx, 10*time.Millisecond)
		}
		res, err := e.store.Update(ctx, func(tx engine.Tx) error {
			if err := tx.Set(e.ctx, "a", nil); err != nil {
				return err
			}
			if cause == context.Canceled {
				cancel()
			}
			<-ctx.Done()
			return nil
		})
		cancel()
		e.wantRefused("Update", res, err, cause, engine.ClassCancelled)
	}
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	load, err := e.store.Load(ctx, func(yield func(engine.Item, error) bool) {
		if yield(set("a", ""), nil) {
			cancel() // after the last item: the load has still to commit
		}
	}, engine.Replace)
	e.wantRefused("Load", load.Result, err, context.Canceled, engine.ClassCancelled)
	e.want()
}

// cancelledScan leaves a store some entries until it looks at its context.
func cancelledScan(e *env) {
	const keys = 5000
	e.update(func(tx engine.Tx) error {
		for i := range keys {
			if err := tx.Set(e.ctx, fmt.Sprintf("%05d", i), nil); err != nil {
				return err
			}
		}
		return nil
	})
	ctx, cancel := context.WithCancel(e.ctx)
	e.view(engine.Newest, func(tx engine.Tx) {
		seq := tx.Scan(ctx, engine.Range{})
		var errs []error
		entries := 0
		collect := func() {
			entries, errs = 0, nil
			for _, err := range seq {
				if err != nil {
					errs = append(errs, err)
					continue
				}
				if entries++; entries == 10 {
					cancel()
				}
			}
			if entries == keys || len(errs) != 1 {
				e.Fatalf("Scan() yields %d entries and the errors %v, want it to end with one error before entry %d", entries, errs, keys)
			}
			e.wantError("Scan", errs[0], context.Canceled, engine.ClassCancelled)
		}
		collect()
		if collect(); entries != 0 {
			e.Errorf("Scan() begun under an ended context yields %d entries, want none", entries)
		}
	})
}

func closedStore(e *env) {
	e.set("a", "1")
	open := e.begin()
	if err := open.Set(e.ctx, "b", nil); err != nil {
		e.Fatalf("Set(%q) = %v, want no error", "b", err)
	}
	watch := e.store.Watch(e.ctx, 1)
	e.close()
	fn := func(engine.Tx) error { e.Error("the function ran on a closed store"); return nil }
	res, updateErr := e.store.Update(e.ctx, fn)
	_, beginErr := e.store.Begin(e.ctx)
	load, loadErr := e.store.Load(e.ctx, items(nil, set("b", "")), engine.Replace)
	commit, commitErr := open.Commit(e.ctx)
	errs := map[string]error{
		"View": e.store.View(e.ctx, engine.Newest, fn), "Update": updateErr, "Begin": beginErr, "Load": loadErr, "Commit": commitErr,
	}
	if e.store.Capabilities().Has(engine.CanWatch) {
		errs["Watch"] = nil
		for _, err := range watch {
			errs["Watch"] = err
		}
	}
	for call, err := range errs {
		if !errors.Is(err, engine.ErrClosed) {
			e.Errorf("%s on a closed store = %v, want ErrClosed", call, err)
		}
	}
	for _, got := range []engine.Result{res, load.Result, commit} {
		if got.Outcome != engine.NotCommitted {
			e.Errorf("a write to a closed store = %+v, want %q", got, engine.NotCommitted)
		}
	}
}

// undeclared checks what a store answers where it declares not to be able to.
func undeclared(e *env) {
	can := e.store.Capabilities()
	unsupported := func(call string, err error) {
		e.Helper()
		e.wantError(call, err, engine.ErrUnsupported, engine.ClassUnsupported)
	}
	if !can.Has(engine.CanWrite) {
		_, err := e.store.Update(e.ctx, func(tx engine.Tx) error { return tx.Set(e.ctx, "a", nil) })
		if class := engine.ClassOf(err); class != engine.ClassUnsupported && class != engine.ClassRefused {
			e.Errorf("Update() = %v, want ErrUnsupported or ErrReadOnly", err)
		}
		return
	}
	e.set("a", "1")
	e.set("a", "2")
	if !can.Has(engine.CanReadPast) {
		unsupported("View(1)", e.store.View(e.ctx, 1, func(engine.Tx) error { return nil }))
	}
	if !can.Has(engine.CanWatch) {
		err := errors.New("no error")
		for _, got := range e.store.Watch(e.ctx, 1) {
			err = got
			break
		}
		unsupported("Watch(1)", err)
	}
	if !can.Has(engine.CanFamilies) {
		res, err := e.store.Update(e.ctx, func(tx engine.Tx) error { return tx.In("f").Set(e.ctx, "a", nil) })
		e.wantRefused("Set in a family", res, err, engine.ErrUnsupported, engine.ClassUnsupported)
	}
	if !can.Has(engine.CanExpire) {
		res, err := e.store.Update(e.ctx, func(tx engine.Tx) error {
			return tx.SetExpiring(e.ctx, "a", nil, e.clock.Now().Add(time.Hour))
		})
		e.wantRefused("SetExpiring", res, err, engine.ErrUnsupported, engine.ClassUnsupported)
	}
}
