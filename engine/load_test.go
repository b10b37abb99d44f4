package engine

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
)

// errBadItem is what is wrong with the last item of a load.
var errBadItem = errors.New("bad item")

// itemsThenError yields n items of a kilobyte, in no order, and then err.
func itemsThenError(n int, err error) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		value := bytes.Repeat([]byte("v"), 1000)
		for i := range n {
			if !yield(Item{Key: fmt.Appendf(nil, "%d", i*7919%n), Value: value}, nil) {
				return
			}
		}
		if err != nil {
			yield(Item{}, err)
		}
	}
}

// Ensure that a load which fails, however much of it was read and sorted, makes
// no database where there was none, and leaves nothing beside it; and that
// nothing is left of one that succeeds.
func TestLoadMakesNoDatabaseOfBadItems(t *testing.T) {
	for _, n := range []int{0, 10, 1000} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "t.kv")
		o := Options{Create: true, sizes: lawSizes}
		db, err := Open(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Load(t.Context(), itemsThenError(n, errBadItem), Replace); !errors.Is(err, errBadItem) {
			t.Errorf("Load of %d items and a bad one = %v, want that", n, err)
		}
		if names := temporaryFiles(t, parent); len(names) > 0 {
			t.Errorf("after a load that failed behind %d items: %v", n, names)
		}
		res, err := db.Load(t.Context(), itemsThenError(n, nil), Replace)
		if err != nil || res.Added != int64(n) {
			t.Errorf("Load of %d items = %+v, %v", n, res, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(parent)
		if err != nil || n > 0 && (len(entries) != 1 || entries[0].Name() != "t.kv") {
			t.Errorf("beside the database: %v, %v", entries, err)
		}
	}
}
