package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The laws of the files law_*_test.go try to make the engine lose data, read
// wrong data, or answer untruthfully. This file holds what they share: a model
// that remembers every state, and images of directories.
//
// Random laws print their seed; KVSH_SEED runs them with it again. -short makes
// all of them smaller, KVSH_SOAK=1 larger.

// lawSizes make every kind of file come and go with a few kilobytes of data.
var lawSizes = sizes{segment: 1 << 10, fold: 4 << 10, slice: 4 << 10, load: 64 << 10, small: 512, keep: 2 << 10}

// soaking reports whether there is time.
func soaking() bool { return os.Getenv("KVSH_SOAK") == "1" }

// effort is the size of a law: for -short, in CI, when soaking.
func effort(short, ci, soak int) int {
	switch {
	case soaking():
		return soak
	case testing.Short():
		return short
	}
	return ci
}

// lawRand returns the source of a random law. Its seed is in the log of the
// test.
func lawRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KVSH_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("KVSH_SEED=%q: %v", s, err)
		}
		seed = n
	}
	t.Logf("KVSH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// lawDir returns a fresh folder, in memory where the machine has such: these
// laws are about what is written, not about the disk.
func lawDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "kvsh-law-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A lawClock stands still until it is moved.
type lawClock struct{ ms int64 }

func (c *lawClock) now() time.Time { return time.UnixMilli(c.ms) }

func newLawClock() *lawClock { return &lawClock{ms: 1_770_000_000_000} }

// A cell is what a key holds.
type cell struct {
	value   string
	expires int64 // Unix milliseconds; 0: never
}

// A lawState is everything at one revision, by ikey; what has expired since it
// was written included.
type lawState map[string]cell

// A lawModel is a database that forgets nothing: its states by revision, the
// empty one first, with their stamps.
type lawModel struct {
	states []lawState
	stamps []Stamp
	writes []map[string]*cell // what each revision wrote; a nil cell is a delete
}

func newLawModel() *lawModel {
	return &lawModel{states: []lawState{{}}, stamps: []Stamp{0}, writes: []map[string]*cell{nil}}
}

func (m *lawModel) rev() Rev { return Rev(len(m.states) - 1) }

func (m *lawModel) newest() lawState { return m.states[len(m.states)-1] }

// commit adds the state that the writes make of the newest one. A nil cell is
// a delete.
func (m *lawModel) commit(writes map[string]*cell, stamp Stamp) {
	next := maps.Clone(m.newest())
	for ikey, c := range writes {
		if c == nil {
			delete(next, ikey)
		} else {
			next[ikey] = *c
		}
	}
	m.states = append(m.states, next)
	m.stamps = append(m.stamps, stamp)
	m.writes = append(m.writes, writes)
}

// at is what is to be read at a revision when the time is nowMillis.
func (s lawState) at(nowMillis int64) lawState {
	out := make(lawState, len(s))
	for ikey, c := range s {
		if c.expires == 0 || c.expires > nowMillis {
			out[ikey] = c
		}
	}
	return out
}

// past is what View(rev) is to read.
func (m *lawModel) past(rev Rev) lawState {
	return m.states[rev].at(m.stamps[rev].Time().UnixMilli())
}

func cellOf(e Entry) cell {
	c := cell{value: string(e.Value)}
	if !e.Expires.IsZero() {
		c.expires = e.Expires.UnixMilli()
	}
	return c
}

// readAll reads everything a transaction sees, of every family.
func readAll(ctx context.Context, tx Tx) (lawState, error) {
	families, err := tx.Families(ctx)
	if err != nil {
		return nil, err
	}
	all := make(lawState)
	for _, family := range append([]string{""}, families...) {
		last := ""
		for e, err := range tx.In(family).Scan(ctx, Range{}) {
			if err != nil {
				return nil, err
			}
			if e.Key <= last {
				return nil, fmt.Errorf("key %q of %q after %q", e.Key, family, last)
			}
			last = e.Key
			all[string(appendIKey(nil, family, e.Key))] = cellOf(e)
		}
	}
	return all, nil
}

// dump reads everything at a revision and says which one that was.
func dump(db *DB, at Rev) (all lawState, rev Rev, err error) {
	err = db.View(context.Background(), at, func(tx Tx) error {
		rev = tx.Rev()
		all, err = readAll(context.Background(), tx)
		return err
	})
	return all, rev, err
}

// differ says where two states differ, or returns the empty string.
func differ(got, want lawState) string {
	for _, ikey := range slices.Sorted(maps.Keys(want)) {
		if c, ok := got[ikey]; !ok {
			return fmt.Sprintf("key %q is missing, want %.40q", ikey, want[ikey].value)
		} else if c != want[ikey] {
			return fmt.Sprintf("key %q = %.40q (expires %d), want %.40q (expires %d)", ikey, c.value, c.expires, want[ikey].value, want[ikey].expires)
		}
	}
	for _, ikey := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[ikey]; !ok {
			return fmt.Sprintf("key %q = %.40q, want none", ikey, got[ikey].value)
		}
	}
	return ""
}

// An image is the content of a directory: files by slashed path. Folders end
// in a slash and have none.
type image map[string][]byte

func readImage(t *testing.T, dir string) image {
	t.Helper()
	img := make(image)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			img[name+"/"] = nil
			return nil
		}
		img[name], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(img, "./")
	return img
}

// write makes dir hold the image and nothing else.
func (img image) write(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{""}, slices.Sorted(maps.Keys(img))...) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		var err error
		if name == "" || strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o700)
		} else {
			err = os.WriteFile(path, img[name], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// changed says which file differs in another image, or returns the empty
// string. LOCK does not count: it says who was there last.
func (img image) changed(other image) string {
	for _, name := range slices.Sorted(maps.Keys(img)) {
		if b, ok := other[name]; !ok {
			return name + " is gone"
		} else if name != lockFile && string(b) != string(img[name]) {
			return name + " has changed"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		if _, ok := img[name]; !ok {
			return name + " is new"
		}
	}
	return ""
}

// quarantined returns the bytes of each file of quarantine/, without the head.
func (img image) quarantined() (all [][]byte) {
	for _, name := range slices.Sorted(maps.Keys(img)) {
		if strings.HasPrefix(name, quarantineDir+"/") && name != quarantineDir+"/" {
			_, body, _ := strings.Cut(string(img[name]), "\n\n")
			all = append(all, []byte(body))
		}
	}
	return all
}

// asOtherBoot is a MARK as a former run of the machine would have left it.
func asOtherBoot(t *testing.T, raw []byte) []byte {
	t.Helper()
	m, reason := decodeMark(raw)
	if reason != "" {
		t.Fatalf("MARK: %s", reason)
	}
	m.boot[0] ^= 0xff
	b := m.encode()
	return b[:]
}

// honest reports whether an error says what is wrong with the files and where:
// that it is damage, with the name of a file, or that they are newer.
func honest(err error) bool {
	var c *CorruptError
	if errors.As(err, &c) {
		return c.File != "" && c.Reason != "" && errors.Is(err, ErrDamaged)
	}
	return errors.Is(err, ErrNewer)
}

// guarded runs f and returns its panic as an error.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// mustOpen opens a database that has to open.
func mustOpen(t *testing.T, dir string, o Options) *DB {
	t.Helper()
	db, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatalf("Open = %v, want no error", err)
	}
	return db
}

// mustUpdate commits writes that have to be committed.
func mustUpdate(t *testing.T, db *DB, writes map[string]*cell) Result {
	t.Helper()
	res, err := updateAll(db, writes)
	if err != nil || res.Outcome != Committed {
		t.Fatalf("Update = %v, %v, want committed", res.Outcome, err)
	}
	return res
}

// updateAll commits writes by ikey.
func updateAll(db *DB, writes map[string]*cell) (Result, error) {
	ctx := context.Background()
	return db.Update(ctx, func(tx Tx) error { return put(ctx, tx, writes) })
}

func put(ctx context.Context, tx Tx, writes map[string]*cell) error {
	for ikey, c := range writes {
		family, key := splitIKey([]byte(ikey))
		in := tx.In(string(family))
		var err error
		switch {
		case c == nil:
			err = in.Delete(ctx, string(key))
		case c.expires != 0:
			err = in.SetExpiring(ctx, string(key), []byte(c.value), time.UnixMilli(c.expires))
		default:
			err = in.Set(ctx, string(key), []byte(c.value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// userIKey is the ikey of a key of the default family.
func userIKey(key string) string { return string(appendIKey(nil, "", key)) }
