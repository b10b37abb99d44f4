package formatpage

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
)

// A law of all: what the decoder reads by the page is what the engine reads.

// filesOf is every file of a database.
func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, _ := filepath.Rel(dir, name)
		files[filepath.ToSlash(below)], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// copyOf is a copy of a database, which may be written to.
func copyOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy.kv")
	if err := os.MkdirAll(filepath.Join(dir, "history"), 0o700); err != nil { // which may be empty
		t.Fatal(err)
	}
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// compare compares states of a store with versions that were decoded.
func compare(t *testing.T, store engine.Store, rev uint64, decoded func(moment uint64) map[string]version) {
	t.Helper()
	ctx := t.Context()
	err := store.View(ctx, engine.Rev(rev), func(tx engine.Tx) error {
		want := decoded(uint64(tx.Now().UnixMilli()))
		families, err := tx.Families(ctx)
		if err != nil {
			return err
		}
		n := 0
		for _, family := range append([]string{""}, families...) {
			for e, err := range tx.In(family).Scan(ctx, engine.Range{}) {
				if err != nil {
					return err
				}
				n++
				expires := uint64(0)
				if !e.Expires.IsZero() {
					expires = uint64(e.Expires.UnixMilli())
				}
				got := version{family: family, key: e.Key, value: string(e.Value), rev: uint64(e.Rev), stamp: uint64(e.Stamp), expires: expires}
				decoded := want[family+"\x00"+e.Key]
				got.origin = decoded.origin // which the engine does not tell
				if got != decoded {
					t.Errorf("at revision %d the engine has %.200v, the page %.200v", rev, got, decoded)
				}
			}
		}
		if n != len(want) {
			t.Errorf("at revision %d the engine has %d keys, the page %d", rev, n, len(want))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compareAll compares every state of a database that can be read.
func compareAll(t *testing.T, files map[string][]byte) *database {
	t.Helper()
	decoded, err := decode(readPage(t), files)
	if err != nil {
		t.Fatal(err)
	}
	db, err := engine.Open(t.Context(), copyOf(t, files), engine.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for rev := max(decoded.manifest.history-1, 1); rev <= decoded.newest; rev++ {
		compare(t, db, rev, func(moment uint64) map[string]version { return decoded.at(rev, moment) })
	}
	return decoded
}

// The database that stands in the page is one, and reads as the page says.
func TestExample(t *testing.T) {
	db := compareAll(t, readPage(t).files)
	got := db.at(db.newest, 0)["\x00color"]
	if len(db.versions) != 1 || got.value != "red" || got.rev != 1 {
		t.Errorf("the example has %d versions and color is %q at revision %d, want 1, red and 1", len(db.versions), got.value, got.rev)
	}
}

// A database made by the first version of the format reads by the page.
func TestGolden(t *testing.T) {
	files := filesOf(t, "../../engine/testdata/golden-v1")
	db := compareAll(t, files)
	if db.newest != 162 || len(db.manifest.tables) != 4 {
		t.Errorf("revision %d and %d tables, want 162 and 4", db.newest, len(db.manifest.tables))
	}
	for name, b := range files {
		if !strings.HasPrefix(name, "quarantine/") {
			continue
		}
		head, taken, _ := strings.Cut(string(b), "\n\n")
		if !strings.HasPrefix(head, "kvsh quarantine 1\nfile log/") || !strings.Contains(head, fmt.Sprintf("\nlength %d\n", len(taken))) {
			t.Errorf("%s: %q, then %d bytes", name, head, len(taken))
		}
	}
}

// fresh is a database that this program makes: bulk loads that are in the log
// alone, tables of several blocks, values without end, families and expiries.
func fresh(t *testing.T) (*engine.DB, string) {
	t.Helper()
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "fresh.kv")
	db, err := engine.Open(ctx, dir, engine.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	update(t, db, func(tx engine.Tx) error {
		return tx.SetExpiring(ctx, "soon", []byte("gone"), time.Now().Add(24*time.Hour))
	})
	load(t, db, 0, 40_000)
	update(t, db, func(tx engine.Tx) error { return tx.In("other").Set(ctx, "item:5", []byte{0, 255}) })
	if _, err := db.Compact(ctx, engine.CompactOptions{}); err != nil {
		t.Fatal(err)
	}
	load(t, db, 30_000, 70_000)
	update(t, db, func(tx engine.Tx) error { return tx.Delete(ctx, "item:000007") })
	update(t, db, func(tx engine.Tx) error {
		return tx.In("other").SetExpiring(ctx, "later", []byte("gone"), time.Now().Add(time.Hour))
	})
	return db, dir
}

func update(t *testing.T, db *engine.DB, fn func(engine.Tx) error) {
	t.Helper()
	if _, err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// load loads items so many that they are a table at once.
func load(t *testing.T, db *engine.DB, from, to int) {
	t.Helper()
	items := func(yield func(engine.Item, error) bool) {
		for i := from; i < to; i++ {
			value := strings.Repeat("value ", i%40) + fmt.Sprint(to)
			if !yield(engine.Item{Key: fmt.Appendf(nil, "item:%06d", i), Value: []byte(value)}, nil) {
				return
			}
		}
	}
	if _, err := db.Load(t.Context(), items, engine.Replace); err != nil {
		t.Fatal(err)
	}
}

func TestFresh(t *testing.T) {
	_, dir := fresh(t)
	db := compareAll(t, filesOf(t, dir))
	if len(db.manifest.tables) == 0 || db.newest-db.manifest.folded != 2 {
		t.Errorf("%d tables, %d records behind them, want some and 2", len(db.manifest.tables), db.newest-db.manifest.folded)
	}
}

// A snapshot and an increment, which are compressed, read by the page.
func TestBackups(t *testing.T) {
	ctx := context.Background()
	db, _ := fresh(t)
	dir, p := t.TempDir(), readPage(t)
	snapshot, err := db.Snapshot(ctx, filepath.Join(dir, "s.kvs"))
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx engine.Tx) error { return tx.Set(ctx, "later", []byte("1")) })
	update(t, db, func(tx engine.Tx) error { return tx.Delete(ctx, "later") })
	increment, err := db.Increment(ctx, filepath.Join(dir, "i.kvi"), snapshot.Rev, snapshot.Stamp)
	if err != nil {
		t.Fatal(err)
	}
	files := filesOf(t, dir)
	full, err := p.table(files["s.kvs"])
	if err != nil {
		t.Fatal(err)
	}
	if full.kind != 4 || full.properties.number("revision") != uint64(snapshot.Rev) {
		t.Errorf("the snapshot has kind %d and revision %d, want 4 and %d", full.kind, full.properties.number("revision"), snapshot.Rev)
	}
	state := &database{versions: full.versions}
	store, err := engine.Open(ctx, filepath.Join(dir, "s.kvs"), engine.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	compare(t, store, 0, func(moment uint64) map[string]version { return state.at(uint64(snapshot.Rev), moment) })

	more, err := p.table(files["i.kvi"])
	if err != nil {
		t.Fatal(err)
	}
	if more.kind != 5 || more.properties.number("history") != uint64(snapshot.Rev)+1 || len(more.versions) != 2 ||
		!more.versions[0].deleted || more.versions[0].rev != uint64(increment.Rev) || number(more.properties.rest[:8]) != uint64(snapshot.Stamp) {
		t.Errorf("the increment has kind %d, first revision %d and %+v", more.kind, more.properties.number("history"), more.versions)
	}
}

// A page that is wrong in any one number of its tables is noticed.
func TestWrongPage(t *testing.T) {
	_, dir := fresh(t)
	databases := []map[string][]byte{filesOf(t, "../../engine/testdata/golden-v1"), filesOf(t, dir)}
	for section, rows := range readPage(t).layouts {
		for i := range rows {
			if rows[i].size == "*" {
				continue
			}
			p := readPage(t)
			p.layouts[section][i].size += "0"
			if readAll(p, databases[0]) == nil && readAll(p, databases[1]) == nil {
				t.Errorf("%s: %s of %s bytes is not noticed", section, rows[i].name, p.layouts[section][i].size)
			}
		}
	}
}

// readAll is the decoding of a database; a panic, such as of a slice that a
// wrong number made, is an error.
func readAll(p page, files map[string][]byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	_, err = decode(p, files)
	return err
}
