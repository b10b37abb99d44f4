package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// A groupAppender fails as often as it is told to, in any of the ways a write
// can: before, in the middle, and when all is written but the sync fails.
type groupAppender struct {
	appender
	t *groupFault
	f *faultAppender // writes in part
}

type groupFault struct {
	mu   sync.Mutex
	draw func(n int) int
}

func (a *groupAppender) append(first Rev, records [][]byte) error {
	a.t.mu.Lock()
	how := a.t.draw(12)
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
	o := Options{Create: true, sizes: lawSizes}
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
			for range effort(20, 150, 2000) {
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
	if bad == 0 {
		t.Error("nothing failed")
	}
	t.Logf("%d committed, %d not", all, bad)
}
