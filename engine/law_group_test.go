package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A groupAppender fails as often as it is told to, in any of the ways a write
// can: before, in the middle, and when all is written but the sync fails.
type groupAppender struct {
	appender
	t *groupFault
	f *faultAppender // writes in part
}

type groupFault struct {
	mu     sync.Mutex
	draw   func(n int) int
	shared int // writes of several transactions that failed
}

// enough reports whether several transactions have shared a failed write often
// enough for what they answer to be seen.
func (g *groupFault) enough() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shared >= effort(10, 40, 400)
}

func (a *groupAppender) append(first Rev, records [][]byte) error {
	a.t.mu.Lock()
	how := a.t.draw(12)
	if how < 4 && len(records) > 1 {
		a.t.shared++
	}
	a.t.mu.Unlock()
	var all []byte
	for _, r := range records {
		all = appendFrame(all, r)
	}
	switch how {
	case 0:
		return errFault
	case 1:
		return errors.Join(errFault, a.f.short(all[:len(all)-1]))
	case 2:
		return errors.Join(errFault, a.f.short(all[:len(all)/2]))
	case 3:
		return errors.Join(errFault, a.appender.append(first, records))
	}
	return a.appender.append(first, records)
}

// Ensure that answers are true also where transactions share a write that
// fails: each counter is at the number of additions that were committed, and
// every transaction saw those before it and none that was taken back.
func TestLawGroupFaults(t *testing.T) {
	r := lawRand(t)
	dir := filepath.Join(lawDir(t), "g.kv")
	fault := &groupFault{draw: r.IntN}
	// The handles wait for each other as long as a slow disk makes them.
	o := Options{Create: true, Wait: 10 * time.Minute, sizes: lawSizes}
	o.openAppender = func(dir string, sync bool, segmentSize int64) (appender, error) {
		a, err := openAppender(dir, sync, segmentSize)
		return &groupAppender{a, fault, &faultAppender{dir: dir}}, err
	}
	dbs := []*DB{mustOpen(t, dir, o), mustOpen(t, dir, o)}
	defer dbs[0].Close()
	defer dbs[1].Close()
	const workers = 8
	var committed, failed [workers]int
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			own := fmt.Sprint("own", w)
			// How many share a write is up to the scheduler.
			for n := 0; n < effort(20, 150, 2000) || n < 10_000 && !fault.enough(); n++ {
				res, err := dbs[w%2].Update(t.Context(), func(tx Tx) error {
					for _, key := range []string{own, "all"} {
						n := 0
						e, err := tx.Get(t.Context(), key)
						if err == nil {
							n, err = strconv.Atoi(string(e.Value))
						}
						if err != nil && !errors.Is(err, ErrNotFound) {
							return err
						}
						if key == own && n != committed[w] {
							t.Errorf("%s is at %d in a transaction, %d additions were committed", own, n, committed[w])
						}
						if err := tx.Set(t.Context(), key, []byte(strconv.Itoa(n+1))); err != nil {
							return err
						}
					}
					return nil
				})
				switch {
				case res.Outcome == Committed && err == nil:
					committed[w]++
				case res.Outcome == NotCommitted && errors.Is(err, errFault):
					failed[w]++
				default:
					t.Errorf("Update = %v, %v", res.Outcome, err)
					return
				}
			}
		})
	}
	group.Wait()
	db := mustOpen(t, dir, Options{sizes: lawSizes})
	defer db.Close()
	got, _, err := dump(db, Newest)
	if err != nil {
		t.Fatal(err)
	}
	all, bad := 0, 0
	for w := range workers {
		all, bad = all+committed[w], bad+failed[w]
		if v := got[userIKey(fmt.Sprint("own", w))].value; v != strconv.Itoa(committed[w]) {
			t.Errorf("own%d = %s, %d additions were committed", w, v, committed[w])
		}
	}
	if v := got[userIKey("all")].value; v != strconv.Itoa(all) {
		t.Errorf("all = %s, %d additions were committed", v, all)
	}
	if bad == 0 || !fault.enough() {
		t.Errorf("%d failed, %d writes of several among them", bad, fault.shared)
	}
	t.Logf("%d committed, %d not; %d failed writes of several", all, bad, fault.shared)
}

// Ensure that a load that keeps what is there neither replaces nor forgets what
// others write while its table is made: keys added less keys deleted are there.
func TestLawLoadBesideWrites(t *testing.T) {
	r := lawRand(t)
	seed := r.Uint64()
	dir := filepath.Join(lawDir(t), "l.kv")
	o := Options{Create: true, Wait: 10 * time.Minute, sizes: lawSizes} // as long as a slow disk makes them
	const keys = 60
	key := func(i int) string { return fmt.Sprintf("k%02d", i) }
	dbs := []*DB{mustOpen(t, dir, o), mustOpen(t, dir, o)}
	defer dbs[0].Close()
	defer dbs[1].Close()
	var loaded, toggled int64
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(done)
		for range effort(10, 60, 2000) {
			res, err := dbs[0].Load(t.Context(), func(yield func(Item, error) bool) {
				for i := range keys {
					if !yield(Item{Key: []byte(key(i)), Value: []byte("loaded")}, nil) {
						return
					}
				}
			}, Keep)
			if err != nil || res.Added+res.Kept != keys {
				t.Errorf("Load = %+v, %v, want %d keys", res, err, keys)
				return
			}
			loaded += res.Added
		}
	})
	group.Go(func() {
		r := rand.New(rand.NewPCG(seed, 2))
		for {
			select {
			case <-done:
				return
			default:
			}
			var change int64
			k := key(r.IntN(keys))
			_, err := dbs[1].Update(t.Context(), func(tx Tx) error {
				_, err := tx.Get(t.Context(), k)
				if errors.Is(err, ErrNotFound) {
					change = 1
					return tx.Set(t.Context(), k, []byte("toggled"))
				}
				change = -1
				return errors.Join(err, tx.Delete(t.Context(), k))
			})
			if err != nil {
				t.Errorf("Update: %v", err)
				return
			}
			toggled += change
		}
	})
	group.Wait()
	db := mustOpen(t, dir, Options{sizes: lawSizes})
	defer db.Close()
	got, rev, err := dump(db, Newest)
	if err != nil || int64(len(got)) != loaded+toggled {
		t.Errorf("%d keys are there, %v, want %d added by loads and %d by others", len(got), err, loaded, toggled)
	}
	t.Logf("revision %d, %d added by loads", rev, loaded)
}
