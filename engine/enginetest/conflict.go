package enginetest

import (
	"errors"

	"kvsh/engine"
)

var conflictLaws = []law{
	{"Commit fails when something read has changed", engine.CanWrite, conflicts},
	{"Commit succeeds when nothing read has changed", engine.CanWrite, noConflicts},
	{"Families are compared at commit", engine.CanWrite | engine.CanFamilies, familyConflicts},
	{"A transaction that conflicted can be made again", engine.CanWrite, conflictThenAgain},
}

// A conflictCase is a transaction that reads, and what another one does before
// it commits. The keys b, d and f are there.
type conflictCase struct {
	name      string
	read      func(e *env, tx engine.Tx) error
	meanwhile func(e *env, tx engine.Tx) error
}

func readGet(key string) func(e *env, tx engine.Tx) error {
	return func(e *env, tx engine.Tx) error {
		if _, err := tx.Get(e.ctx, key); !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		return nil
	}
}

func readScan(r engine.Range) func(e *env, tx engine.Tx) error {
	return func(e *env, tx engine.Tx) error { e.scan(tx, r); return nil }
}

func readCount(r engine.Range) func(e *env, tx engine.Tx) error {
	return func(e *env, tx engine.Tx) error { _, err := tx.Count(e.ctx, r); return err }
}

func doSet(key string) func(e *env, tx engine.Tx) error {
	return func(e *env, tx engine.Tx) error { return tx.Set(e.ctx, key, []byte("other")) }
}

func doDelete(key string) func(e *env, tx engine.Tx) error {
	return func(e *env, tx engine.Tx) error { return tx.Delete(e.ctx, key) }
}

func (c conflictCase) run(e *env) (engine.Result, error) {
	e.Helper()
	e.update(func(tx engine.Tx) error {
		for _, k := range []string{"a", "c", "cc", "e", "g", "out", "zz"} {
			if err := tx.Delete(e.ctx, k); err != nil {
				return err
			}
		}
		return errors.Join(tx.Set(e.ctx, "b", nil), tx.Set(e.ctx, "d", nil), tx.Set(e.ctx, "f", nil))
	})
	tx := e.begin()
	if err := c.read(e, tx); err != nil {
		e.Fatalf("%s: reading = %v, want no error", c.name, err)
	}
	if err := tx.Set(e.ctx, "out", nil); err != nil {
		e.Fatalf("%s: Set(%q) = %v, want no error", c.name, "out", err)
	}
	e.update(func(tx engine.Tx) error { return c.meanwhile(e, tx) })
	return tx.Commit(e.ctx)
}

func conflicts(e *env) {
	for _, c := range []conflictCase{
		{"a key that was read is set", readGet("b"), doSet("b")},
		{"a key that was read is deleted", readGet("b"), doDelete("b")},
		{"a key that was not there is set", readGet("c"), doSet("c")},
		{"a key in a scanned range is set", readScan(engine.Range{From: "a", To: "e"}), doSet("b")},
		{"a key in a scanned range is deleted", readScan(engine.Range{}), doDelete("f")},
		{"a key appears in a scanned range", readScan(engine.Range{From: "a", To: "e"}), doSet("c")},
		{"a key appears at the start of a scanned range", readScan(engine.Range{From: "c", To: "e"}), doSet("c")},
		{"a key appears behind the last of a scanned range", readScan(engine.Range{}), doSet("zz")},
		{"a key appears in a range scanned in reverse", readScan(engine.Range{From: "a", To: "e", Reverse: true}), doSet("c")},
		{"a key appears before the limit", readScan(engine.Range{Limit: 2}), doSet("c")},
		{"a key appears before the limit in reverse", readScan(engine.Range{Limit: 2, Reverse: true}), doSet("e")},
		{"the last key before the limit is set", readScan(engine.Range{Limit: 2}), doSet("d")},
		{"the last key before the limit in reverse is set", readScan(engine.Range{Limit: 2, Reverse: true}), doSet("d")},
		{"a key appears in a range with a limit not reached", readScan(engine.Range{Limit: 9}), doSet("g")},
		{"a key appears under an empty prefix", readScan(engine.Range{Prefix: "c"}), doSet("cc")},
		{"a key appears that matches", readScan(engine.Range{Match: func(k []byte) bool { return k[0] == 'c' }}), doSet("c")},
		{"a key appears in a range of keys only", readScan(engine.Range{KeysOnly: true}), doSet("c")},
		{"a key appears in a counted range", readCount(engine.Range{}), doSet("c")},
		{"a key goes from a counted range", readCount(engine.Range{To: "e"}), doDelete("b")},
	} {
		res, err := c.run(e)
		e.wantRefused("Commit when "+c.name, res, err, engine.ErrConflict, engine.ClassConflict)
		e.view(engine.Newest, func(tx engine.Tx) { e.wantNone(tx, "out") })
	}
}

func noConflicts(e *env) {
	blind := func(key string) func(e *env, tx engine.Tx) error {
		return func(e *env, tx engine.Tx) error { return tx.Set(e.ctx, key, nil) }
	}
	for _, c := range []conflictCase{
		{"nothing was read", blind("b"), doSet("a")},
		{"a key that was only written is set", blind("b"), doSet("b")},
		{"a key that was only deleted is set", doDelete("b"), doSet("b")},
		{"a key is set that was read after it was written", func(e *env, tx engine.Tx) error {
			return errors.Join(blind("b")(e, tx), readGet("b")(e, tx))
		}, doSet("b")},
		{"an unrelated key is set", readGet("b"), doSet("a")},
		{"an unrelated key is deleted", readGet("b"), doDelete("d")},
		{"a key is set beside the range", readScan(engine.Range{From: "b", To: "d"}), doSet("d")},
		{"a key is set before the range", readScan(engine.Range{From: "b", To: "d"}), doSet("a")},
		{"a key is set with another prefix", readScan(engine.Range{Prefix: "b"}), doSet("c")},
		{"a key is set beside a counted range", readCount(engine.Range{Prefix: "b"}), doSet("c")},
		{"a key is set behind the limit", readScan(engine.Range{Limit: 2}), doSet("e")},
		{"a key is set behind the limit in reverse", readScan(engine.Range{Limit: 2, Reverse: true}), doSet("c")},
	} {
		res, err := c.run(e)
		if err != nil || res.Outcome != engine.Committed || res.Rev != e.newest() {
			e.Errorf("Commit when %s = %+v, %v, want it committed", c.name, res, err)
		}
		e.view(engine.Newest, func(tx engine.Tx) { e.wantGet(tx, "out", "") })
	}
}

func familyConflicts(e *env) {
	readFamilies := func(e *env, tx engine.Tx) error { _, err := tx.Families(e.ctx); return err }
	res, err := conflictCase{"a family appears", readFamilies, func(e *env, tx engine.Tx) error {
		return tx.In("new").Set(e.ctx, "a", nil)
	}}.run(e)
	e.wantRefused("Commit when a family appears", res, err, engine.ErrConflict, engine.ClassConflict)
	res, err = conflictCase{"a family goes", readFamilies, func(e *env, tx engine.Tx) error {
		return tx.In("new").Delete(e.ctx, "a")
	}}.run(e)
	e.wantRefused("Commit when a family goes", res, err, engine.ErrConflict, engine.ClassConflict)
	res, err = conflictCase{"a key of that name is set in another family", readGet("b"), func(e *env, tx engine.Tx) error {
		return tx.In("other").Set(e.ctx, "b", nil)
	}}.run(e)
	if err != nil || res.Outcome != engine.Committed {
		e.Errorf("Commit when only another family has changed = %+v, %v, want it committed", res, err)
	}
	res, err = conflictCase{"a key that was read in another family is set", func(e *env, tx engine.Tx) error {
		return readGet("b")(e, tx.In("other"))
	}, func(e *env, tx engine.Tx) error {
		return tx.In("other").Set(e.ctx, "b", nil)
	}}.run(e)
	e.wantRefused("Commit when a key read in a family has changed", res, err, engine.ErrConflict, engine.ClassConflict)
}

func conflictThenAgain(e *env) {
	e.set("n", "1")
	for try, want := range []error{engine.ErrConflict, nil} {
		tx := e.begin()
		got, err := tx.Get(e.ctx, "n")
		if err != nil {
			e.Fatalf("Get(%q) = %v, want no error", "n", err)
		}
		if err := tx.Set(e.ctx, "n", append(got.Value, '+')); err != nil {
			e.Fatalf("Set(%q) = %v, want no error", "n", err)
		}
		if try == 0 {
			e.set("n", "2")
		}
		if _, err := tx.Commit(e.ctx); !errors.Is(err, want) {
			e.Errorf("Commit() at try %d = %v, want %v", try, err, want)
		}
	}
	e.want("n=2+")
}
