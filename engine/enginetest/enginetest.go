// Package enginetest says what an engine.Store is: a suite of laws that holds
// for every implementation, whatever it keeps its data in.
//
// A law that needs a capability the store does not declare is skipped; what
// the store then has to answer is a law of its own. The suite makes about two
// thousand small commits and needs no network, no sleep and no order.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"kvsh/engine"
)

// Run checks the store that open makes. open returns a new and empty store
// each time, with now as its clock; the suite closes it. Random laws print
// their seed; the environment variable KVSH_SEED makes them run with it again.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) engine.Store) {
	t.Helper()
	for _, l := range slices.Concat(dataLaws, scanLaws, txLaws, conflictLaws, expiryLaws,
		familyLaws, historyLaws, pastLaws, watchLaws, loadLaws, errorLaws, concurrencyLaws) {
		t.Run(l.name, func(t *testing.T) {
			e := newEnv(t, open)
			if !e.store.Capabilities().Has(l.needs) {
				t.Skip("the store does not declare what this law needs")
			}
			l.check(e)
		})
	}
}

// A law is a sentence that holds for every store.
type law struct {
	name  string
	needs engine.Capabilities
	check func(e *env)
}

// An env is one empty store, and the means to talk to it.
type env struct {
	*testing.T
	ctx    context.Context
	store  engine.Store
	clock  *clock
	closed bool
}

func newEnv(t *testing.T, open func(t *testing.T, now func() time.Time) engine.Store) *env {
	t.Helper()
	c := &clock{now: time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC)}
	e := &env{T: t, ctx: t.Context(), clock: c, store: open(t, c.Now)}
	t.Cleanup(func() {
		if !e.closed {
			e.close()
		}
	})
	return e
}

func (e *env) close() {
	e.Helper()
	e.closed = true
	if err := e.store.Close(); err != nil {
		e.Errorf("Close() = %v, want no error", err)
	}
}

// A clock moves only when a test says so.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// advance moves the clock, back if d is negative.
func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// random returns a source, and prints its seed if the test fails.
func (e *env) random() *rand.Rand {
	e.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("KVSH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			e.Fatalf("KVSH_SEED=%q: %v", s, err)
		}
	}
	e.Cleanup(func() {
		if e.Failed() {
			e.Logf("run it again with KVSH_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// update commits what fn writes and returns the result.
func (e *env) update(fn func(tx engine.Tx) error) engine.Result {
	e.Helper()
	res, err := e.store.Update(e.ctx, fn)
	if err != nil || res.Outcome != engine.Committed {
		e.Fatalf("Update() = %+v, %v, want it committed", res, err)
	}
	return res
}

// set commits one key in the default family.
func (e *env) set(key, value string) engine.Result {
	e.Helper()
	return e.update(func(tx engine.Tx) error { return tx.Set(e.ctx, key, []byte(value)) })
}

func (e *env) setExpiring(key, value string, at time.Time) engine.Result {
	e.Helper()
	return e.update(func(tx engine.Tx) error { return tx.SetExpiring(e.ctx, key, []byte(value), at) })
}

func (e *env) del(key string) engine.Result {
	e.Helper()
	return e.update(func(tx engine.Tx) error { return tx.Delete(e.ctx, key) })
}

func (e *env) begin() engine.OpenTx {
	e.Helper()
	tx, err := e.store.Begin(e.ctx)
	if err != nil {
		e.Fatalf("Begin() = %v, want no error", err)
	}
	e.Cleanup(tx.Rollback)
	return tx
}

// view runs fn on the state at a revision.
func (e *env) view(at engine.Rev, fn func(tx engine.Tx)) {
	e.Helper()
	if err := e.store.View(e.ctx, at, func(tx engine.Tx) error { fn(tx); return nil }); err != nil {
		e.Fatalf("View(%d) = %v, want no error", at, err)
	}
}

// newest is the newest revision.
func (e *env) newest() (rev engine.Rev) {
	e.Helper()
	e.view(engine.Newest, func(tx engine.Tx) { rev = tx.Rev() })
	return rev
}

// want checks that the newest state of the default family is just so:
// "key=value" for each key, in order.
func (e *env) want(want ...string) {
	e.Helper()
	e.view(engine.Newest, func(tx engine.Tx) { e.wantIn(tx, engine.Range{}, want...) })
}

// wantIn checks what a transaction scans.
func (e *env) wantIn(tx engine.Tx, r engine.Range, want ...string) {
	e.Helper()
	if got := e.scan(tx, r); !slices.Equal(got, want) {
		e.Errorf("Scan(%s) = %q, want %q", describe(r), got, want)
	}
}

// scan lists a range as "key=value".
func (e *env) scan(tx engine.Tx, r engine.Range) []string {
	e.Helper()
	var got []string
	for entry, err := range tx.Scan(e.ctx, r) {
		if err != nil {
			e.Fatalf("Scan(%s) ended with %v, want no error", describe(r), err)
		}
		got = append(got, entry.Key+"="+string(entry.Value))
	}
	return got
}

// wantGet checks the value of one key.
func (e *env) wantGet(tx engine.Tx, key, want string) {
	e.Helper()
	entry, err := tx.Get(e.ctx, key)
	if err != nil || string(entry.Value) != want {
		e.Errorf("Get(%.40q) = %.40q, %v, want %.40q", key, entry.Value, err, want)
	}
}

// wantNone checks that a key is not there.
func (e *env) wantNone(tx engine.Tx, key string) {
	e.Helper()
	if entry, err := tx.Get(e.ctx, key); !errors.Is(err, engine.ErrNotFound) {
		e.Errorf("Get(%.40q) = %.40q, %v, want ErrNotFound", key, entry.Value, err)
	}
}

// wantCount checks the number of keys in a range.
func (e *env) wantCount(tx engine.Tx, r engine.Range, want int64) {
	e.Helper()
	if got, err := tx.Count(e.ctx, r); err != nil || got != want {
		e.Errorf("Count(%s) = %d, %v, want %d", describe(r), got, err, want)
	}
}

// wantFamilies checks the list of families.
func (e *env) wantFamilies(tx engine.Tx, want ...string) {
	e.Helper()
	if got, err := tx.Families(e.ctx); err != nil || !slices.Equal(got, want) {
		e.Errorf("Families() = %q, %v, want %q", got, err, want)
	}
}

// wantError checks an error and its class.
func (e *env) wantError(call string, err, want error, class engine.Class) {
	e.Helper()
	if !errors.Is(err, want) || engine.ClassOf(err) != class {
		e.Errorf("%s = %v (class %d), want %v (class %d)", call, err, engine.ClassOf(err), want, class)
	}
}

// wantRefused checks the result of a write that must not be there.
func (e *env) wantRefused(call string, res engine.Result, err, want error, class engine.Class) {
	e.Helper()
	e.wantError(call, err, want, class)
	if res.Outcome != engine.NotCommitted {
		e.Errorf("%s has the outcome %q, want %q", call, res.Outcome, engine.NotCommitted)
	}
}

func describe(r engine.Range) string {
	return fmt.Sprintf("{From:%q To:%q Prefix:%q Reverse:%v Limit:%d KeysOnly:%v Match:%v}",
		r.From, r.To, r.Prefix, r.Reverse, r.Limit, r.KeysOnly, r.Match != nil)
}

// A model is what one family holds: the value of each key.
type model map[string]string

// entries is what a scan of the range yields, as "key=value" (or "key=" for
// KeysOnly), found the slow and obvious way.
func (m model) entries(r engine.Range) []string {
	var got []string
	keys := slices.Sorted(maps.Keys(m))
	if r.Reverse {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		if k < r.From || r.To != "" && k >= r.To || len(k) < len(r.Prefix) || k[:len(r.Prefix)] != r.Prefix {
			continue
		}
		if r.Match != nil && !r.Match([]byte(k)) {
			continue
		}
		value := m[k]
		if r.KeysOnly {
			value = ""
		}
		if got = append(got, k+"="+value); len(got) == r.Limit {
			break
		}
	}
	return got
}

// shortKey is a random key that is likely to be, to extend and to border on
// another one: 1 to 3 of 5 bytes, the least and the greatest among them.
func shortKey(r *rand.Rand) string {
	k := make([]byte, 1+r.IntN(3))
	for i := range k {
		k[i] = "\x00ab\xfe\xff"[r.IntN(5)]
	}
	return string(k)
}
