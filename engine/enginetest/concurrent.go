package enginetest

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"kvsh/engine"
)

var concurrencyLaws = []law{
	{"Concurrent updates of one key lose nothing", engine.CanWrite, concurrentUpdates},
	{"Concurrent open transactions of one key lose nothing", engine.CanWrite, concurrentOpenTxs},
	{"A reader never sees half a transaction", engine.CanWrite, wholeTransactions},
	{"Readers may run while a writer does", engine.CanWrite, readersBesideWriter},
}

// number reads a key as a number; a key that is not there is 0.
func (e *env) number(tx engine.Tx, key string) (int, error) {
	got, err := tx.Get(e.ctx, key)
	if errors.Is(err, engine.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(got.Value))
}

// add adds to a key that holds a number.
func (e *env) add(tx engine.Tx, key string, n int) error {
	have, err := e.number(tx, key)
	if err != nil {
		return err
	}
	return tx.Set(e.ctx, key, []byte(strconv.Itoa(have+n)))
}

func concurrentUpdates(e *env) {
	const workers, each = 8, 100
	var wg sync.WaitGroup
	revs := make([][]engine.Rev, workers)
	for w := range workers {
		wg.Go(func() {
			for range each {
				res, err := e.store.Update(e.ctx, func(tx engine.Tx) error { return e.add(tx, "n", 1) })
				if err != nil || res.Outcome != engine.Committed {
					e.Errorf("Update() = %+v, %v, want it committed", res, err)
				}
				revs[w] = append(revs[w], res.Rev)
			}
		})
	}
	wg.Wait()
	e.want("n=800")
	seen := map[engine.Rev]bool{}
	for _, list := range revs {
		for _, rev := range list {
			if rev < 1 || rev > workers*each || seen[rev] {
				e.Errorf("revision %d is out of range or was given twice", rev)
			}
			seen[rev] = true
		}
	}
}

func concurrentOpenTxs(e *env) {
	const workers, each = 4, 10
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				tx, err := e.store.Begin(e.ctx)
				if err != nil {
					e.Errorf("Begin() = %v, want no error", err)
					return
				}
				if err := e.add(tx, "n", 1); err != nil {
					e.Errorf("reading and writing %q = %v, want no error", "n", err)
					return
				}
				switch res, err := tx.Commit(e.ctx); {
				case err == nil && res.Outcome == engine.Committed:
					done++
				case errors.Is(err, engine.ErrConflict) && res.Outcome == engine.NotCommitted:
				default:
					e.Errorf("Commit() = %+v, %v, want it committed or ErrConflict", res, err)
					return
				}
			}
		})
	}
	wg.Wait()
	e.want("n=40")
}

// wholeTransactions moves units from one key to another; their sum stays.
func wholeTransactions(e *env) {
	const sum, moves = 1000, 150
	e.update(func(tx engine.Tx) error { return e.add(tx, "left", sum) })
	var stop atomic.Bool
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			for last := engine.Rev(0); !stop.Load() && !e.Failed(); {
				err := e.store.View(e.ctx, engine.Newest, func(tx engine.Tx) error {
					if tx.Rev() < last {
						e.Errorf("reader %d sees revision %d after %d", reader, tx.Rev(), last)
					}
					last = tx.Rev()
					left, err1 := e.number(tx, "left")
					right, err2 := e.number(tx, "right")
					if err := errors.Join(err1, err2); err != nil {
						return err
					}
					if left+right != sum {
						e.Errorf("revision %d has %d + %d by Get, want the sum %d", tx.Rev(), left, right, sum)
					}
					total := 0
					for entry, err := range tx.Scan(e.ctx, engine.Range{Reverse: reader == 0}) {
						if err != nil {
							return err
						}
						n, err := strconv.Atoi(string(entry.Value))
						if err != nil {
							return err
						}
						total += n
					}
					if total != sum {
						e.Errorf("revision %d has the sum %d by Scan, want %d", tx.Rev(), total, sum)
					}
					return nil
				})
				if err != nil {
					e.Errorf("View() = %v, want no error", err)
				}
			}
		})
	}
	for range moves {
		e.update(func(tx engine.Tx) error {
			return errors.Join(e.add(tx, "left", -1), e.add(tx, "right", 1))
		})
	}
	stop.Store(true)
	wg.Wait()
	e.want("left=850", "right=150")
}

func readersBesideWriter(e *env) {
	e.set("a", "1")
	e.update(func(tx engine.Tx) error {
		if err := tx.Set(e.ctx, "a", []byte("2")); err != nil {
			return err
		}
		// Another goroutine, because the store may not count on who calls.
		done := make(chan struct{})
		go func() {
			defer close(done)
			err := e.store.View(e.ctx, engine.Newest, func(tx engine.Tx) error { e.wantGet(tx, "a", "1"); return nil })
			if err != nil {
				e.Errorf("View() within an Update = %v, want no error", err)
			}
		}()
		<-done
		return nil
	})
	e.want("a=2")
}
