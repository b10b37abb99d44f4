package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"kvsh/engine"
)

var scanLaws = []law{
	{"Scan and Count of any range equal the model", engine.CanWrite, scanModel},
	{"Pages put together are the whole, in both directions", engine.CanWrite, pages},
	{"A scan that is left early leaves the transaction usable", engine.CanWrite, scanLeftEarly},
	{"A scan can run again and inside another one", engine.CanWrite, scanAgain},
	{"Writing while scanning does not disturb the scan", engine.CanWrite, writeWhileScanning},
	{"Ten thousand keys in one transaction come back in order", engine.CanWrite, manyKeys},
}

// randomRange selects anything, often by several conditions at once.
func randomRange(r *rand.Rand) engine.Range {
	var out engine.Range
	if r.IntN(3) == 0 {
		out.From = shortKey(r)
	}
	if r.IntN(3) == 0 {
		out.To = shortKey(r)
	}
	if r.IntN(3) == 0 {
		out.Prefix = shortKey(r)[:1]
	}
	if r.IntN(3) == 0 {
		out.Limit = 1 + r.IntN(6)
	}
	if r.IntN(4) == 0 {
		suffix := shortKey(r)[:1]
		out.Match = func(key []byte) bool { return strings.HasSuffix(string(key), suffix) }
	}
	out.Reverse = r.IntN(2) == 0
	out.KeysOnly = r.IntN(4) == 0
	return out
}

// change makes random writes, to a transaction and to its model.
func (e *env) change(tx engine.Tx, r *rand.Rand, m model, n int) {
	e.Helper()
	for range n {
		k := shortKey(r)
		var err error
		if r.IntN(3) == 0 {
			delete(m, k)
			err = tx.Delete(e.ctx, k)
		} else {
			m[k] = fmt.Sprint(r.IntN(1000))
			err = tx.Set(e.ctx, k, []byte(m[k]))
		}
		if err != nil {
			e.Fatalf("write of %q = %v, want no error", k, err)
		}
	}
}

func scanModel(e *env) {
	r := e.random()
	m := model{}
	check := func(tx engine.Tx) {
		e.Helper()
		for range 60 {
			rng := randomRange(r)
			want := m.entries(rng)
			e.wantIn(tx, rng, want...)
			e.wantCount(tx, rng, int64(len(want)))
		}
	}
	for range 15 {
		e.update(func(tx engine.Tx) error {
			e.change(tx, r, m, 12)
			check(tx) // its own writes over the committed state
			return nil
		})
		e.view(engine.Newest, check)
	}
	tx := e.begin()
	e.change(tx, r, m, 30)
	check(tx)
}

func pages(e *env) {
	r := e.random()
	m := model{}
	e.update(func(tx engine.Tx) error { e.change(tx, r, m, 80); return nil })
	e.view(engine.Newest, func(tx engine.Tx) {
		for _, size := range []int{1, 2, 7, 1000} {
			rng := engine.Range{Limit: size}
			var got []string
			for page := e.scan(tx, rng); len(page) > 0; page = e.scan(tx, rng) {
				got = append(got, page...)
				rng.From = keyOf(page[len(page)-1]) + "\x00"
			}
			if want := m.entries(engine.Range{}); !slices.Equal(got, want) {
				e.Errorf("pages of %d = %q, want %q", size, got, want)
			}
			rng, got = engine.Range{Limit: size, Reverse: true}, nil
			for page := e.scan(tx, rng); len(page) > 0; page = e.scan(tx, rng) {
				got = append(got, page...)
				rng.To = keyOf(page[len(page)-1])
			}
			if want := m.entries(engine.Range{Reverse: true}); !slices.Equal(got, want) {
				e.Errorf("pages of %d in reverse = %q, want %q", size, got, want)
			}
		}
	})
}

// keyOf is the key in "key=value"; no key in these tests holds a "=".
func keyOf(entry string) string {
	key, _, _ := strings.Cut(entry, "=")
	return key
}

func scanLeftEarly(e *env) {
	e.update(func(tx engine.Tx) error {
		for _, k := range []string{"a", "b", "c"} {
			if err := tx.Set(e.ctx, k, nil); err != nil {
				return err
			}
		}
		return nil
	})
	e.update(func(tx engine.Tx) error {
		for entry, err := range tx.Scan(e.ctx, engine.Range{}) {
			if err != nil || entry.Key != "a" {
				e.Errorf("Scan() begins with %q, %v, want %q", entry.Key, err, "a")
			}
			break
		}
		e.wantIn(tx, engine.Range{}, "a=", "b=", "c=")
		return tx.Set(e.ctx, "d", nil)
	})
	e.want("a=", "b=", "c=", "d=")
}

func scanAgain(e *env) {
	e.set("a", "1")
	e.set("b", "2")
	e.view(engine.Newest, func(tx engine.Tx) {
		seq := tx.Scan(e.ctx, engine.Range{})
		var got []string
		for outer := range seq {
			for inner := range seq {
				got = append(got, outer.Key+inner.Key)
			}
		}
		if want := []string{"aa", "ab", "ba", "bb"}; !slices.Equal(got, want) {
			e.Errorf("a scan within itself = %q, want %q", got, want)
		}
	})
}

func writeWhileScanning(e *env) {
	for _, k := range []string{"a", "b", "c"} {
		e.set(k, "old")
	}
	for _, reverse := range []bool{false, true} {
		tx := e.begin()
		if err := tx.Set(e.ctx, "b", []byte("own")); err != nil {
			e.Fatalf("Set(%q) = %v, want no error", "b", err)
		}
		var got []string
		for entry, err := range tx.Scan(e.ctx, engine.Range{Reverse: reverse}) {
			if err != nil {
				e.Fatalf("Scan() ended with %v, want no error", err)
			}
			got = append(got, entry.Key+"="+string(entry.Value))
			for _, k := range []string{entry.Key + "x", "0" + entry.Key} {
				if err := tx.Set(e.ctx, k, nil); err != nil {
					e.Fatalf("Set(%q) = %v, want no error", k, err)
				}
			}
			for _, k := range []string{"a", "b", "c"} {
				if err := tx.Delete(e.ctx, k); err != nil {
					e.Fatalf("Delete(%q) = %v, want no error", k, err)
				}
			}
		}
		want := []string{"a=old", "b=own", "c=old"}
		if reverse {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			e.Errorf("Scan(Reverse: %v) while writing = %q, want %q", reverse, got, want)
		}
		e.wantIn(tx, engine.Range{}, "0a=", "0b=", "0c=", "ax=", "bx=", "cx=")
		tx.Rollback()
	}
}

func manyKeys(e *env) {
	const n = 10_000
	r := e.random()
	e.update(func(tx engine.Tx) error {
		for _, i := range r.Perm(n) {
			if err := tx.Set(e.ctx, fmt.Sprintf("%05d", i), nil); err != nil {
				return err
			}
		}
		return nil
	})
	e.view(engine.Newest, func(tx engine.Tx) {
		i := 0
		for entry, err := range tx.Scan(e.ctx, engine.Range{}) {
			if want := fmt.Sprintf("%05d", i); err != nil || entry.Key != want {
				e.Fatalf("entry %d of Scan() = %q, %v, want %q", i, entry.Key, err, want)
			}
			i++
		}
		if i != n {
			e.Errorf("Scan() yields %d entries, want %d", i, n)
		}
	})
}
