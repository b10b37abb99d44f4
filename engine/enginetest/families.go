package enginetest

import (
	"errors"
	"strings"
	"time"

	"kvsh/engine"
)

var familyLaws = []law{
	{"Families do not see each other", engine.CanWrite | engine.CanFamilies, familiesIsolated},
	{"A family is listed as long as it holds a key", engine.CanWrite | engine.CanFamilies, familiesListed},
	{"A family of expired keys is not listed", engine.CanWrite | engine.CanFamilies | engine.CanExpire, familiesExpire},
	{"A bad name of a family is refused", engine.CanWrite | engine.CanFamilies, familyNames},
}

func familiesIsolated(e *env) {
	e.update(func(tx engine.Tx) error {
		a, b := tx.In("a"), tx.In("b")
		err := errors.Join(tx.Set(e.ctx, "k", []byte("default")), a.Set(e.ctx, "k", []byte("in a")),
			b.Set(e.ctx, "k", []byte("in b")), b.Set(e.ctx, "only", nil))
		e.wantIn(tx, engine.Range{}, "k=default")
		e.wantIn(a, engine.Range{}, "k=in a")
		e.wantIn(b, engine.Range{Reverse: true}, "only=", "k=in b")
		return err
	})
	e.update(func(tx engine.Tx) error { return tx.In("a").Delete(e.ctx, "k") })
	e.view(engine.Newest, func(tx engine.Tx) {
		e.wantGet(tx, "k", "default")
		e.wantNone(tx.In("a"), "k")
		e.wantGet(tx.In("b"), "k", "in b")
		e.wantGet(tx.In("a").In("b"), "k", "in b")
		e.wantGet(tx.In("b").In(""), "k", "default")
		e.wantNone(tx, "only")
		e.wantCount(tx.In("a"), engine.Range{}, 0)
		e.wantCount(tx.In("b"), engine.Range{}, 2)
	})
}

func familiesListed(e *env) {
	e.set("k", "in the default family")
	e.update(func(tx engine.Tx) error {
		e.wantFamilies(tx)
		err := errors.Join(tx.In("z").Set(e.ctx, "k", nil), tx.In("A-b_c.9").Set(e.ctx, "k", nil), tx.In("m").Set(e.ctx, "k", nil))
		e.wantFamilies(tx, "A-b_c.9", "m", "z")
		return err
	})
	e.view(engine.Newest, func(tx engine.Tx) { e.wantFamilies(tx.In("m"), "A-b_c.9", "m", "z") })
	e.update(func(tx engine.Tx) error {
		err := errors.Join(tx.In("m").Delete(e.ctx, "k"), tx.In("none").Delete(e.ctx, "k"))
		e.wantFamilies(tx, "A-b_c.9", "z")
		return err
	})
	e.view(engine.Newest, func(tx engine.Tx) { e.wantFamilies(tx, "A-b_c.9", "z") })
	e.update(func(tx engine.Tx) error { return tx.In("m").Set(e.ctx, "k2", nil) })
	e.view(engine.Newest, func(tx engine.Tx) { e.wantFamilies(tx, "A-b_c.9", "m", "z") })
}

func familiesExpire(e *env) {
	e.update(func(tx engine.Tx) error {
		return tx.In("f").SetExpiring(e.ctx, "k", nil, e.clock.Now().Add(time.Second))
	})
	e.view(engine.Newest, func(tx engine.Tx) { e.wantFamilies(tx, "f") })
	e.clock.advance(time.Second)
	e.view(engine.Newest, func(tx engine.Tx) { e.wantFamilies(tx) })
}

func familyNames(e *env) {
	for _, c := range []struct {
		name  string
		want  error
		class engine.Class
	}{
		{"a b", engine.ErrInvalid, engine.ClassInvalid},
		{"a/b", engine.ErrInvalid, engine.ClassInvalid},
		{"é", engine.ErrInvalid, engine.ClassInvalid},
		{"a\x00", engine.ErrInvalid, engine.ClassInvalid},
		{strings.Repeat("f", engine.MaxFamilySize+1), engine.ErrTooLarge, engine.ClassTooLarge},
	} {
		res, err := e.store.Update(e.ctx, func(tx engine.Tx) error { return tx.In(c.name).Set(e.ctx, "k", nil) })
		e.wantRefused("Set in the family "+c.name, res, err, c.want, c.class)
		e.view(engine.Newest, func(tx engine.Tx) {
			_, err := tx.In(c.name).Get(e.ctx, "k")
			e.wantError("Get in the family "+c.name, err, c.want, c.class)
		})
	}
	longest := strings.Repeat("f", engine.MaxFamilySize)
	e.update(func(tx engine.Tx) error { return tx.In(longest).Set(e.ctx, "k", nil) })
	e.view(engine.Newest, func(tx engine.Tx) { e.wantFamilies(tx, longest) })
}
