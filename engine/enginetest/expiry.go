package enginetest

import (
	"errors"
	"time"

	"kvsh/engine"
)

var expiryLaws = []law{
	{"A key is there until its moment and gone from then on", engine.CanWrite | engine.CanExpire, expiryEdge},
	{"The moment of expiry is kept in milliseconds", engine.CanWrite | engine.CanExpire, expiryMilliseconds},
	{"A plain set clears the expiry", engine.CanWrite | engine.CanExpire, setClearsExpiry},
	{"A new expiry replaces the one before", engine.CanWrite | engine.CanExpire, expiryReplaced},
	{"A moment in the past deletes the key", engine.CanWrite | engine.CanExpire, expiryPast},
	{"A key that expired can be set again", engine.CanWrite | engine.CanExpire, setAfterExpiry},
	{"The past is seen with the time it had", engine.CanWrite | engine.CanExpire | engine.CanReadPast, expiryInPast},
	{"A transaction keeps its time while the clock goes on", engine.CanWrite | engine.CanExpire, txKeepsTime},
}

func expiryEdge(e *env) {
	at := e.clock.Now().Add(10 * time.Second)
	e.setExpiring("a", "1", at)
	e.set("b", "2")
	e.clock.advance(10*time.Second - time.Millisecond)
	e.want("a=1", "b=2")
	e.clock.advance(time.Millisecond)
	e.view(engine.Newest, func(tx engine.Tx) {
		if !tx.Now().Equal(at) {
			e.Errorf("Now() = %v, want the time of the clock, %v", tx.Now(), at)
		}
		e.wantNone(tx, "a")
		e.wantIn(tx, engine.Range{}, "b=2")
		e.wantIn(tx, engine.Range{Limit: 1}, "b=2")
		e.wantIn(tx, engine.Range{Reverse: true}, "b=2")
		e.wantCount(tx, engine.Range{}, 1)
	})
	e.clock.advance(time.Hour)
	e.want("b=2")
}

func expiryMilliseconds(e *env) {
	at := e.clock.Now().Add(time.Second + 999_999*time.Nanosecond)
	e.setExpiring("a", "1", at)
	want := at.Truncate(time.Millisecond)
	e.view(engine.Newest, func(tx engine.Tx) {
		got, err := tx.Get(e.ctx, "a")
		if err != nil || !got.Expires.Equal(want) {
			e.Errorf("Get(%q) expires at %v, %v, want %v", "a", got.Expires, err, want)
		}
		for entry := range tx.Scan(e.ctx, engine.Range{KeysOnly: true}) {
			if !entry.Expires.Equal(want) {
				e.Errorf("Scan() yields %q with the expiry %v, want %v", entry.Key, entry.Expires, want)
			}
		}
	})
}

func setClearsExpiry(e *env) {
	e.setExpiring("a", "1", e.clock.Now().Add(time.Second))
	e.set("a", "2")
	e.update(func(tx engine.Tx) error {
		return errors.Join(tx.SetExpiring(e.ctx, "b", nil, e.clock.Now().Add(time.Second)), tx.Set(e.ctx, "b", []byte("3")))
	})
	e.view(engine.Newest, func(tx engine.Tx) {
		for _, k := range []string{"a", "b"} {
			if got, err := tx.Get(e.ctx, k); err != nil || !got.Expires.IsZero() {
				e.Errorf("Get(%q) expires at %v, %v, want never", k, got.Expires, err)
			}
		}
	})
	e.clock.advance(time.Hour)
	e.want("a=2", "b=3")
}

func expiryReplaced(e *env) {
	e.setExpiring("a", "1", e.clock.Now().Add(time.Second))
	e.setExpiring("a", "2", e.clock.Now().Add(time.Minute))
	e.setExpiring("b", "1", e.clock.Now().Add(time.Hour))
	e.setExpiring("b", "2", e.clock.Now().Add(time.Second))
	e.clock.advance(30 * time.Second)
	e.want("a=2")
	e.clock.advance(30 * time.Second)
	e.want()
}

func expiryPast(e *env) {
	for _, at := range []time.Time{
		e.clock.Now().Add(-time.Hour),
		e.clock.Now(),
		time.UnixMilli(0),
		time.UnixMilli(-1),
		{},
	} {
		e.set("a", "1")
		res := e.update(func(tx engine.Tx) error {
			if err := tx.SetExpiring(e.ctx, "a", []byte("2"), at); err != nil {
				return err
			}
			e.wantNone(tx, "a")
			e.wantCount(tx, engine.Range{}, 0)
			return nil
		})
		e.view(engine.Newest, func(tx engine.Tx) {
			if tx.Rev() != res.Rev {
				e.Errorf("Rev() = %d, want %d", tx.Rev(), res.Rev)
			}
			e.wantNone(tx, "a")
			e.wantIn(tx, engine.Range{})
		})
	}
}

func setAfterExpiry(e *env) {
	e.setExpiring("a", "1", e.clock.Now().Add(time.Second))
	e.clock.advance(time.Minute)
	e.update(func(tx engine.Tx) error {
		e.wantNone(tx, "a")
		return tx.Set(e.ctx, "a", []byte("2"))
	})
	e.want("a=2")
}

func expiryInPast(e *env) {
	one := e.setExpiring("a", "1", e.clock.Now().Add(10*time.Second))
	e.clock.advance(5 * time.Second)
	two := e.set("b", "2")
	e.clock.advance(5 * time.Second)
	three := e.set("c", "3")
	e.clock.advance(time.Hour)
	e.set("d", "4")
	for _, c := range []struct {
		at   engine.Result
		want []string
	}{
		{one, []string{"a=1"}},
		{two, []string{"a=1", "b=2"}},
		{three, []string{"b=2", "c=3"}},
	} {
		e.view(c.at.Rev, func(tx engine.Tx) {
			if !tx.Now().Equal(c.at.Stamp.Time()) {
				e.Errorf("Now() at revision %d = %v, want %v", c.at.Rev, tx.Now(), c.at.Stamp.Time())
			}
			e.wantIn(tx, engine.Range{}, c.want...)
			e.wantCount(tx, engine.Range{}, int64(len(c.want)))
		})
	}
	e.want("b=2", "c=3", "d=4")
}

func txKeepsTime(e *env) {
	e.setExpiring("a", "1", e.clock.Now().Add(time.Second))
	e.view(engine.Newest, func(tx engine.Tx) {
		before := tx.Now()
		e.clock.advance(time.Minute)
		e.wantGet(tx, "a", "1")
		e.wantIn(tx, engine.Range{}, "a=1")
		if !tx.Now().Equal(before) {
			e.Errorf("Now() = %v, and %v before, want it to stay", tx.Now(), before)
		}
	})
	e.want()
}
