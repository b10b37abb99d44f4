package enginetest

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"kvsh/engine"
)

var loadLaws = []law{
	{"Load replaces, keeps or refuses keys that are there", engine.CanWrite, loadOnConflict},
	{"The last item of a key counts, and once", engine.CanWrite, loadDuplicates},
	{"An error of the items writes nothing and comes back as it is", engine.CanWrite, loadError},
	{"A load with nothing to write commits nothing", engine.CanWrite, loadNothing},
	{"A bad item is refused and nothing is written", engine.CanWrite, loadBadItem},
	{"A load is one transaction of any size", engine.CanWrite, loadMany},
	{"The bytes of an item may change when the next is asked for", engine.CanWrite, loadReusesBytes},
	{"Load compares the expiry too", engine.CanWrite | engine.CanExpire, loadExpiry},
	{"Load writes to the family of each item", engine.CanWrite | engine.CanFamilies, loadFamilies},
}

func set(key, value string) engine.Item {
	return engine.Item{Key: []byte(key), Value: []byte(value)}
}

func del(key string) engine.Item { return engine.Item{Key: []byte(key), Delete: true} }

// items yields the items, and then the error if there is one.
func items(err error, list ...engine.Item) iter.Seq2[engine.Item, error] {
	return func(yield func(engine.Item, error) bool) {
		for _, i := range list {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(engine.Item{}, err)
		}
	}
}

// load loads the items and checks what is counted: added, changed, same, kept,
// deleted.
func (e *env) load(on engine.OnConflict, list []engine.Item, want [5]int64) engine.LoadResult {
	e.Helper()
	res, err := e.store.Load(e.ctx, items(nil, list...), on)
	if err != nil || res.Outcome != engine.Committed {
		e.Fatalf("Load(%d) = %+v, %v, want it committed", on, res, err)
	}
	if got := [5]int64{res.Added, res.Changed, res.Same, res.Kept, res.Deleted}; got != want {
		e.Errorf("Load(%d) counts (added, changed, same, kept, deleted) %v, want %v", on, got, want)
	}
	return res
}

func loadOnConflict(e *env) {
	e.set("changed", "old")
	e.set("deleted", "old")
	e.set("same", "old")
	before := e.set("untouched", "old")
	list := []engine.Item{set("same", "old"), set("changed", "new"), set("added", ""), del("deleted"), del("missing")}

	res, err := e.store.Load(e.ctx, items(nil, list...), engine.Fail)
	e.wantRefused("Load(Fail)", res.Result, err, engine.ErrExists, engine.ClassRefused)
	for _, one := range []engine.Item{set("same", "old"), set("same", "new"), del("same")} {
		res, err := e.store.Load(e.ctx, items(nil, set("other", ""), one), engine.Fail)
		e.wantRefused("Load(Fail) of a key that is there", res.Result, err, engine.ErrExists, engine.ClassRefused)
	}
	e.want("changed=old", "deleted=old", "same=old", "untouched=old")

	got := e.load(engine.Keep, list, [5]int64{1, 0, 0, 3, 0})
	if got.Rev != before.Rev+1 || got.Stamp <= before.Stamp {
		e.Errorf("Load(Keep) = %+v, want the revision after %+v", got, before)
	}
	e.want("added=", "changed=old", "deleted=old", "same=old", "untouched=old")

	got = e.load(engine.Replace, list, [5]int64{0, 1, 2, 0, 1})
	e.want("added=", "changed=new", "same=old", "untouched=old")
	e.view(engine.Newest, func(tx engine.Tx) {
		if same, err := tx.Get(e.ctx, "same"); err != nil || same.Rev >= got.Rev {
			e.Errorf("Get(%q) has revision %d, %v, want the one before the load of revision %d", "same", same.Rev, err, got.Rev)
		}
	})
	e.load(engine.Fail, []engine.Item{set("x", "1"), del("missing")}, [5]int64{1, 0, 0, 0, 0})
}

func loadDuplicates(e *env) {
	e.set("a", "1")
	e.set("b", "1")
	e.load(engine.Replace, []engine.Item{
		set("a", "2"), set("new", "1"), set("a", "3"), set("b", "2"), set("b", "1"), set("gone", "1"), del("gone"), del("back"), set("back", "1"), set("new", "2"),
	}, [5]int64{2, 1, 1, 0, 0})
	e.want("a=3", "b=1", "back=1", "new=2")
	e.load(engine.Keep, []engine.Item{set("a", "4"), set("a", "5"), set("z", "1"), set("z", "2")}, [5]int64{1, 0, 0, 1, 0})
	e.load(engine.Fail, []engine.Item{set("y", "1"), set("y", "2")}, [5]int64{1, 0, 0, 0, 0})
	e.want("a=3", "b=1", "back=1", "new=2", "y=2", "z=2")
}

func loadError(e *env) {
	e.set("a", "1")
	own := errors.New("line 3: not a record")
	res, err := e.store.Load(e.ctx, items(own, set("a", "2"), set("b", "2")), engine.Replace)
	if err != own { //nolint:errorlint // the very same error must come back
		e.Errorf("Load() = %v, want the error of the items", err)
	}
	e.wantRefused("Load with an error", res.Result, err, own, engine.ClassOther)
	e.want("a=1")
	if got := e.set("c", ""); got.Rev != 2 {
		e.Errorf("the commit after a refused load is %+v, want revision 2", got)
	}
}

func loadNothing(e *env) {
	before := e.set("a", "1")
	for _, c := range []struct {
		on   engine.OnConflict
		list []engine.Item
		want [5]int64
	}{
		{engine.Replace, nil, [5]int64{}},
		{engine.Fail, nil, [5]int64{}},
		{engine.Replace, []engine.Item{set("a", "1"), del("missing")}, [5]int64{0, 0, 1, 0, 0}},
		{engine.Keep, []engine.Item{set("a", "2")}, [5]int64{0, 0, 0, 1, 0}},
	} {
		if got := e.load(c.on, c.list, c.want); got.Rev != before.Rev {
			e.Errorf("Load(%d) that writes nothing = %+v, want revision %d", c.on, got, before.Rev)
		}
	}
	if rev := e.newest(); rev != before.Rev {
		e.Errorf("the newest revision is %d, want %d", rev, before.Rev)
	}
}

func loadBadItem(e *env) {
	res, err := e.store.Load(e.ctx, items(nil, set("a", "1"), set("", "1")), engine.Replace)
	e.wantRefused("Load of an empty key", res.Result, err, engine.ErrInvalid, engine.ClassInvalid)
	long := engine.Item{Key: make([]byte, engine.MaxKeySize+1)}
	res, err = e.store.Load(e.ctx, items(nil, set("a", "1"), long), engine.Replace)
	e.wantRefused("Load of a long key", res.Result, err, engine.ErrTooLarge, engine.ClassTooLarge)
	large := engine.Item{Key: []byte("k"), Value: make([]byte, engine.MaxValueSize+1)}
	res, err = e.store.Load(e.ctx, items(nil, set("a", "1"), large), engine.Replace)
	e.wantRefused("Load of a large value", res.Result, err, engine.ErrTooLarge, engine.ClassTooLarge)
	e.want()
	if rev := e.newest(); rev != 0 {
		e.Errorf("the newest revision is %d after refused loads, want 0", rev)
	}
}

// loadMany loads more than one transaction of Update may hold.
func loadMany(e *env) {
	const n = 72
	value := make([]byte, engine.MaxTxSize/64)
	list := make([]engine.Item, n)
	for i := range list {
		// Not in order of the keys.
		list[i] = engine.Item{Key: fmt.Appendf(nil, "%02d", i*29%n), Value: value}
	}
	if got := e.load(engine.Replace, list, [5]int64{n, 0, 0, 0, 0}); got.Rev != 1 {
		e.Errorf("Load() = %+v, want revision 1", got)
	}
	e.view(engine.Newest, func(tx engine.Tx) {
		i := 0
		for entry, err := range tx.Scan(e.ctx, engine.Range{}) {
			if want := fmt.Sprintf("%02d", i); err != nil || entry.Key != want || entry.Size != len(value) || entry.Rev != 1 {
				e.Errorf("entry %d is %q with %d bytes of revision %d, %v, want %q", i, entry.Key, entry.Size, entry.Rev, err, want)
			}
			i++
		}
		e.wantCount(tx, engine.Range{}, n)
	})
	e.set("00", "small")
	e.view(engine.Newest, func(tx engine.Tx) {
		e.wantGet(tx, "00", "small")
		e.wantCount(tx, engine.Range{}, n)
	})
}

func loadReusesBytes(e *env) {
	key, value := []byte("0"), []byte("0")
	_, err := e.store.Load(e.ctx, func(yield func(engine.Item, error) bool) {
		for c := byte('a'); c <= 'e'; c++ {
			key[0], value[0] = c, c
			if !yield(engine.Item{Key: key, Value: value}, nil) {
				return
			}
			key[0], value[0] = 'X', 'X'
		}
	}, engine.Replace)
	if err != nil {
		e.Fatalf("Load() = %v, want no error", err)
	}
	e.want("a=a", "b=b", "c=c", "d=d", "e=e")
}

func loadExpiry(e *env) {
	at := e.clock.Now().Add(time.Minute)
	expiring := func(key string, at time.Time) engine.Item {
		return engine.Item{Key: []byte(key), Value: []byte("1"), Expires: at}
	}
	e.load(engine.Replace, []engine.Item{expiring("a", at), expiring("b", at), expiring("c", at), set("d", "1"), expiring("past", e.clock.Now())},
		[5]int64{4, 0, 0, 0, 0})
	e.want("a=1", "b=1", "c=1", "d=1")
	e.load(engine.Replace, []engine.Item{expiring("a", at), expiring("b", at.Add(time.Minute)), set("c", "1"), expiring("d", at)},
		[5]int64{0, 3, 1, 0, 0})
	e.clock.advance(time.Minute)
	e.want("b=1", "c=1")
	e.load(engine.Fail, []engine.Item{set("a", "back"), set("d", "back")}, [5]int64{2, 0, 0, 0, 0})
	e.load(engine.Replace, []engine.Item{expiring("c", e.clock.Now().Add(-time.Hour))}, [5]int64{0, 0, 0, 0, 1})
	e.want("a=back", "b=1", "d=back")
}

func loadFamilies(e *env) {
	in := func(family string, i engine.Item) engine.Item { i.Family = family; return i }
	e.load(engine.Replace, []engine.Item{in("f", set("a", "f")), set("a", "default"), in("g", set("a", "g")), in("h", del("a"))},
		[5]int64{3, 0, 0, 0, 0})
	e.view(engine.Newest, func(tx engine.Tx) {
		e.wantFamilies(tx, "f", "g")
		e.wantGet(tx, "a", "default")
		e.wantGet(tx.In("f"), "a", "f")
		e.wantGet(tx.In("g"), "a", "g")
	})
	res, err := e.store.Load(e.ctx, items(nil, in("no such name", set("a", ""))), engine.Replace)
	e.wantRefused("Load to a bad family", res.Result, err, engine.ErrInvalid, engine.ClassInvalid)
}
