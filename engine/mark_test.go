package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Ensure that a handle which reads a MARK that somebody has replaced, so that it
// hears of nothing new, does not write on what it believes to be the newest
// state.
func TestReplacedMark(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	deaf := openTest(t, dir, Options{Create: true})
	count := func(db *DB, add int) {
		t.Helper()
		_, err := db.Update(t.Context(), func(tx Tx) error {
			e, err := tx.Get(t.Context(), "n")
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			n, _ := strconv.Atoi(string(e.Value))
			return tx.Set(t.Context(), "n", strconv.AppendInt(nil, int64(n+add), 10))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	count(deaf, 1)
	for range 3 { // so that MARK is mapped
		err := deaf.View(t.Context(), 0, func(tx Tx) error {
			_, err := tx.Get(t.Context(), "n")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mark := filepath.Join(dir, markFile)
	b, err := os.ReadFile(mark)
	if err == nil {
		err = errors.Join(os.Remove(mark), os.WriteFile(mark, b, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	other := openTest(t, dir, Options{})
	count(other, 10)
	count(deaf, 100)
	err = other.View(t.Context(), 0, func(tx Tx) error {
		e, err := tx.Get(t.Context(), "n")
		if err == nil && string(e.Value) != "111" {
			t.Errorf("n = %s, want 111", e.Value)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
