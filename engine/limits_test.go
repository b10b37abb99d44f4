package engine

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// A limit of the database holds for every way to write, in every process, and
// not for what is there already, which can still be deleted.
func TestLimits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "l.kv")
	db, other := openTest(t, dir, Options{Create: true}), openTest(t, dir, Options{Create: true})
	big := strings.Repeat("x", 101)
	set := func(db *DB, key, value string) error {
		_, err := db.Update(t.Context(), func(tx Tx) error { return tx.Set(t.Context(), key, []byte(value)) })
		return err
	}
	load := func(db *DB, key, value string) error {
		_, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
			yield(Item{Key: []byte(key), Value: []byte(value)}, nil)
		}, Replace)
		return err
	}
	commit := func(db *DB, key, value string) error {
		tx, err := db.Begin(t.Context())
		if err != nil {
			return err
		}
		if err := tx.Set(t.Context(), key, []byte(value)); err != nil {
			return err
		}
		_, err = tx.Commit(t.Context())
		return err
	}
	if err := set(db, "old"+big, big); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"limit.key": "100", "limit.value": "100", "limit.transaction": "1KiB"} {
		if err := db.SetSetting(t.Context(), name, value); err != nil {
			t.Fatalf("SetSetting(%s, %s) = %v", name, value, err)
		}
	}
	before, _, err := dump(other, Newest)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*DB, string, string) error{"set": set, "load": load, "commit": commit} {
		for _, db := range []*DB{db, other} {
			if err := write(db, big, "v"); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "limit.key is 100") {
				t.Errorf("%s of a key of 101 bytes = %v, want ErrTooLarge", name, err)
			}
			if err := write(db, "k", big); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "limit.value is 100") {
				t.Errorf("%s of a value of 101 bytes = %v, want ErrTooLarge", name, err)
			}
		}
	}
	many := func(ctx context.Context, tx Tx) error {
		for _, c := range "abcdefghijklmnop" {
			if err := tx.Set(ctx, string(c), []byte(big[:90])); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := db.Update(t.Context(), func(tx Tx) error { return many(t.Context(), tx) }); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Update of 16 values of 90 bytes = %v, want ErrTooLarge", err)
	}
	after, _, err := dump(other, Newest)
	if d := differ(after, before); err != nil || d != "" {
		t.Errorf("refused writes left %v %s", err, d)
	}
	for name, write := range map[string]func(*DB, string, string) error{"set": set, "load": load, "commit": commit} {
		if err := write(other, big[:100], big[:100]); err != nil {
			t.Errorf("%s of 100 bytes = %v, want nil", name, err)
		}
	}
	updateTest(t, db, func(ctx context.Context, tx Tx) error { return tx.Delete(ctx, "old"+big) })
	for name, values := range map[string][]string{
		"limit.key": {"0", "65536", "-1", "1x", "", "1 KiB"}, "limit.value": {"0", "33MiB"}, "limit.transaction": {"65MiB", "9999999999999999999999"},
	} {
		for _, value := range values {
			if err := db.SetSetting(t.Context(), name, value); !errors.Is(err, ErrInvalid) {
				t.Errorf("SetSetting(%s, %q) = %v, want ErrInvalid", name, value, err)
			}
		}
	}
	if err := db.SetSetting(t.Context(), "limit.value", "32MiB"); err != nil {
		t.Errorf("SetSetting of the default = %v", err)
	}
	if err := set(other, "k", big); err != nil {
		t.Errorf("set of 101 bytes with the default limit = %v", err)
	}
}
