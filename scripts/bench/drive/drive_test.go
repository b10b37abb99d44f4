package drive

import (
	"bytes"
	"errors"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Ensure that keys have 16 bytes, that none comes twice, and that sorted ones
// are.
func TestRecords(t *testing.T) {
	for _, r := range []Records{{N: 10_000, ValueSize: 100}, {N: 10_000, ValueSize: 1024, Sorted: true}, {N: 1}} {
		seen := make(map[string]bool)
		last := ""
		i := 0
		for key, value := range r.All() {
			k := string(key)
			if len(k) != 16 || len(value) != r.ValueSize {
				t.Fatalf("record %d of %+v is %q = %d bytes", i, r, k, len(value))
			}
			if seen[k] {
				t.Fatalf("record %d of %+v: the key %q comes twice", i, r, k)
			}
			if r.Sorted && k <= last && i > 0 {
				t.Fatalf("record %d of %+v: %q comes after %q", i, r, k, last)
			}
			if k != r.Key(i) || !bytes.Equal(value, r.AppendValue(nil, i)) {
				t.Fatalf("record %d of %+v differs from Key and AppendValue", i, r)
			}
			seen[k], last = true, k
			i++
		}
		if i != r.N {
			t.Errorf("All of %+v yields %d records", r, i)
		}
	}
}

// Ensure that ordered records are the same ones, by their keys.
func TestOrdered(t *testing.T) {
	r := Records{N: 10_000, ValueSize: 20}
	want := map[string]string{}
	for key, value := range r.All() {
		want[string(key)] = string(value)
	}
	last := ""
	for key, value := range r.Ordered() {
		k := string(key)
		if k <= last {
			t.Fatalf("%q comes after %q", k, last)
		}
		if want[k] != string(value) {
			t.Fatalf("record %q = %q, want %q", k, value, want[k])
		}
		delete(want, k)
		last = k
	}
	if len(want) > 0 {
		t.Errorf("Ordered leaves out %d records", len(want))
	}
}

// A mapStore is the simplest store. The one named by a path outlives Close.
type mapStore struct {
	mu   sync.Mutex
	live map[string]string
}

var stores sync.Map

func openMap(path string, create bool) (Store, error) {
	if s, ok := stores.Load(path); ok {
		return s.(*mapStore), nil
	}
	if !create {
		return nil, errors.New("no store at " + path)
	}
	s := &mapStore{live: make(map[string]string)}
	stores.Store(path, s)
	return s, nil
}

func (s *mapStore) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	for k, v := range records {
		s.live[string(k)] = string(v)
	}
	return nil
}

func (s *mapStore) Set(k, v []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[string(k)] = string(v)
	return nil
}

func (s *mapStore) Get(k []byte) ([]byte, error) {
	v, ok := s.live[string(k)]
	if !ok {
		return nil, errors.New("not found")
	}
	return []byte(v), nil
}

func (s *mapStore) Scan(from, prefix []byte, limit int, fn func(k, v []byte)) error {
	for _, k := range slices.Sorted(maps.Keys(s.live)) {
		if k >= string(from) && strings.HasPrefix(k, string(prefix)) && limit > 0 {
			fn([]byte(k), []byte(s.live[k]))
			limit--
		}
	}
	return nil
}

func (s *mapStore) Keys(fn func(k []byte)) error {
	for k := range s.live {
		fn([]byte(k))
	}
	return nil
}

func (s *mapStore) Close() error { return nil }

// Ensure that each row is measured on a store that has the records, and that
// none is on a store without them.
func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	do := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(openMap, args, &out)
		return out.String(), err
	}
	if _, err := do("get", path, "k"); err == nil {
		t.Error("get made a store")
	}
	if _, err := do("load", path, "1000", "100", "random"); err != nil {
		t.Fatal(err)
	}
	r := Records{N: 1000, ValueSize: 100}
	if got, err := do("get", path, r.Key(7)); err != nil || got != string(r.AppendValue(nil, 7)) {
		t.Errorf("get of record 7 = %q, %v", got, err)
	}
	for _, row := range []string{"get", "gets", "scan", "scan100k", "prefix", "suffix", "contains", "open", "set1", "set32"} {
		if got, err := do("measure", path, "1000", "100", row, "1ms"); err != nil || len(strings.Fields(got)) != 3 {
			t.Errorf("measure %s = %q, %v", row, got, err)
		}
	}
	if _, err := do("set", path, "only", "x"); err != nil {
		t.Fatal(err)
	}
	if got, err := do("get", path, "only"); err != nil || got != "x" {
		t.Errorf("get after set = %q, %v", got, err)
	}
	// A store that gives wrong answers is no faster, it is wrong.
	for _, row := range []string{"get", "gets"} {
		if got, err := do("measure", path, "1000", "99", row, "1ms"); err == nil {
			t.Errorf("measure %s with values of another size = %q", row, got)
		}
	}
	if _, err := do("measure", path, "1000", "100", "nothing", "1ms"); err == nil {
		t.Error("measure takes a row that there is not")
	}
}
