package engine

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// streamOptions make a stream of all but the shortest loads.
func streamOptions(clock *lawClock) Options {
	return Options{Create: true, Now: clock.now, Writer: "w", Wait: -1, sizes: lawSizes}
}

// streamItems are items whose keys ascend, of which none is in a state of even
// keys, but for a few, at any place, that no stream can take.
func streamItems(r *rand.Rand, clock *lawClock) []Item {
	key := func(i int) []byte { return fmt.Appendf(nil, "%06d", i) }
	value := func() []byte { return bytes.Repeat([]byte{byte('a' + r.IntN(26))}, r.IntN(1500)) }
	var items []Item
	for i := range r.IntN([]int{60, 300}[r.IntN(2)]) {
		it := Item{Key: key(2*i + 1), Value: value()}
		if r.IntN(8) == 0 {
			it.Expires = clock.now().Add(time.Hour)
		}
		items = append(items, it)
	}
	for range r.IntN(3) { // a second one can hide what became of the first
		if len(items) == 0 {
			break
		}
		at := r.IntN(len(items))
		switch it := &items[at]; r.IntN(8) {
		default:
			it.Key = key(2 * at) // in order, and perhaps there
		case 0:
			it.Key = key(r.IntN(600))
		case 1:
			it.Key = items[r.IntN(at+1)].Key
		case 2:
			it.Delete, it.Value, it.Expires = true, nil, time.Time{}
		case 3:
			it.Expires = clock.now().Add(-time.Hour)
		case 4:
			it.Family = "other"
		}
	}
	return items
}

func yieldItems(items []Item) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, it := range items {
			it.Key, it.Value = bytes.Clone(it.Key), bytes.Clone(it.Value)
			if !yield(it, nil) {
				return
			}
			clear(it.Key) // only good until here
			clear(it.Value)
		}
	}
}

func stateOf(t *testing.T, s Store) (all lawState) {
	t.Helper()
	err := s.View(t.Context(), Newest, func(tx Tx) (err error) {
		all, err = readAll(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Ensure that a load of items that ascend, wherever the first one comes that
// does not, counts and leaves what the store in memory does, which sorts
// nothing; with a database that is there and with one that it makes.
func TestLawLoadStream(t *testing.T) {
	r := lawRand(t)
	for n := range effort(150, 300, 5000) {
		clock := newLawClock()
		dir := filepath.Join(lawDir(t), "db")
		db := mustOpen(t, dir, streamOptions(clock))
		mem := NewMem(MemOptions{Now: clock.now})
		stores := []Store{db, mem}
		on := []OnConflict{Replace, Keep}[r.IntN(2)]
		loads := [][]Item{streamItems(r, clock)}
		if r.IntN(3) > 0 {
			var before []Item
			for i := range 1 + r.IntN(200) {
				before = append(before, Item{Key: fmt.Appendf(nil, "%06d", 2*i), Value: []byte("was there")})
			}
			loads = [][]Item{before, loads[0]}
		}
		for _, items := range loads {
			var results []LoadResult
			for _, s := range stores {
				res, err := s.Load(t.Context(), yieldItems(items), on)
				if err != nil {
					t.Fatalf("round %d: Load = %v", n, err)
				}
				res.Result = Result{}
				results = append(results, res)
			}
			if results[0] != results[1] {
				t.Fatalf("round %d: Load of %d items counts %+v, in memory %+v", n, len(items), results[0], results[1])
			}
		}
		if d := differ(stateOf(t, db), stateOf(t, mem)); d != "" {
			t.Fatalf("round %d: %s", n, d)
		}
		if left, err := filepath.Glob(filepath.Join(dir, tablesDir, "*.tmp")); err != nil || len(left) > 0 {
			t.Errorf("round %d: Load leaves %v, %v", n, left, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Ensure that items that ascend are on their way into a table before the last
// of them came.
func TestLoadStreams(t *testing.T) {
	for _, name := range []string{"there", "not there"} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "t.kv")
			db := mustOpen(t, dir, streamOptions(newLawClock()))
			defer db.Close()
			if name == "there" {
				mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
			}
			fds := func() (open int) {
				entries, err := os.ReadDir("/proc/self/fd")
				if err != nil {
					t.Skip("no list of open files here")
				}
				for _, e := range entries {
					to, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
					if strings.HasPrefix(to, parent) && (strings.HasSuffix(to, ".tmp") || strings.HasSuffix(to, "(deleted)")) {
						open++
					}
				}
				return open
			}
			streams := 0
			res, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
				for i := range 40 {
					if !yield(Item{Key: fmt.Appendf(nil, "l%02d", i), Value: make([]byte, 100)}, nil) {
						return
					}
				}
				streams = fds()
			}, Replace)
			if err != nil || res.Added != 40 {
				t.Errorf("Load = %+v, %v, want 40 keys", res, err)
			}
			if streams != 1 {
				t.Errorf("%d temporary files are open before the last item, want the table", streams)
			}
		})
	}
}

// Ensure that nothing is left of a stream whose last item is bad, and no
// database is made for it.
func TestLoadStreamBadItem(t *testing.T) {
	for _, exists := range []bool{false, true} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "t.kv")
		db := mustOpen(t, dir, streamOptions(newLawClock()))
		if exists {
			mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
		}
		_, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
			for i := range 200 { // several blocks
				if !yield(Item{Key: fmt.Appendf(nil, "l%03d", i), Value: make([]byte, 1000)}, nil) {
					return
				}
			}
			yield(Item{}, errBadItem)
		}, Replace)
		if !errors.Is(err, errBadItem) {
			t.Errorf("Load = %v, want the error of its items", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if exists {
			parent = filepath.Join(dir, tablesDir)
		}
		if left := temporaryFiles(t, parent); len(left) > 0 {
			t.Errorf("database there %t: Load leaves %v", exists, left)
		}
	}
}

// Ensure that a stream into whose span another process writes meanwhile counts
// and decides as if it had begun afterwards; also if that process makes the
// database.
func TestLawLoadStreamOvertaken(t *testing.T) {
	for _, exists := range []bool{false, true} {
		for _, on := range []OnConflict{Replace, Keep, Fail} {
			dir := filepath.Join(lawDir(t), "db")
			o := streamOptions(newLawClock())
			if exists {
				db := mustOpen(t, dir, o)
				mustUpdate(t, db, map[string]*cell{userIKey("a"): {value: "before"}})
				db.Close()
			}
			db := mustOpen(t, dir, o)
			res, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
				for i := range 100 {
					if i == 70 {
						other := mustOpen(t, dir, o)
						mustUpdate(t, other, map[string]*cell{userIKey("k033"): {value: "of the other"}})
						other.Close()
					}
					if !yield(Item{Key: fmt.Appendf(nil, "k%03d", i), Value: make([]byte, 1000)}, nil) {
						return
					}
				}
			}, on)
			db.Close()
			want := LoadResult{Result: res.Result, Added: 99, Changed: 1}
			switch on {
			case Keep:
				want.Changed, want.Kept = 0, 1
			case Fail:
				want = LoadResult{Result: res.Result}
			}
			if fails := on == Fail; res != want || errors.Is(err, ErrExists) != fails || (err != nil) != fails {
				t.Errorf("there %t, on conflict %d: Load = %+v, %v, want %+v", exists, on, res, err, want)
			}
			later := mustOpen(t, dir, o)
			if c := stateOf(t, later)[userIKey("k033")]; (c.value == "of the other") != (on != Replace) {
				t.Errorf("there %t, on conflict %d: k033 = %.20q", exists, on, c.value)
			}
			later.Close()
		}
	}
}
