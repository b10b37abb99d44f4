package engine

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// The digest follows the state and nothing else: any change of a key, a value,
// an expiry or a family changes it, the way there does not.
func TestHash(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	digest := func(store Store) Digest {
		t.Helper()
		var d Digest
		err := store.View(t.Context(), Newest, func(tx Tx) (err error) {
			d, _, err = Hash(t.Context(), tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	set := func(store Store, fn func(ctx context.Context, tx Tx) error) {
		t.Helper()
		if _, err := store.Update(t.Context(), func(tx Tx) error { return fn(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	mem := NewMem(MemOptions{Now: func() time.Time { return now }})
	db := openTest(t, filepath.Join(t.TempDir(), "t.kv"), Options{Create: true, Now: func() time.Time { return now }})
	if digest(mem) != digest(db) {
		t.Error("two empty states differ")
	}
	set(mem, func(ctx context.Context, tx Tx) error {
		tx.Set(ctx, "a", []byte("1"))
		tx.In("f").Set(ctx, "a", nil)
		return tx.SetExpiring(ctx, "b", []byte("longer than eight bytes"), now.Add(time.Hour))
	})
	set(db, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "gone", nil) })
	set(db, func(ctx context.Context, tx Tx) error {
		return tx.SetExpiring(ctx, "b", []byte("longer than eight bytes"), now.Add(time.Hour))
	})
	set(db, func(ctx context.Context, tx Tx) error { return tx.In("f").Set(ctx, "a", nil) })
	set(db, func(ctx context.Context, tx Tx) error {
		tx.Delete(ctx, "gone")
		return tx.Set(ctx, "a", []byte("1"))
	})
	want := digest(mem)
	if got := digest(db); got != want {
		t.Errorf("digest of the same state reached otherwise = %s, want %s", got, want)
	}
	if got, golden := want.String(), "c33cbee6743a6831f0c6cd11ef0d0a0a"; got != golden {
		t.Errorf("digest = %s, want %s as it always was", got, golden)
	}
	seen := map[Digest]string{want: "the state"}
	for name, change := range map[string]func(context.Context, Tx) error{
		"another value":  func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "a", []byte("2")) },
		"a NUL behind":   func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "a", []byte("1\x00")) },
		"an empty value": func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "a", nil) },
		"a deleted key":  func(ctx context.Context, tx Tx) error { return tx.Delete(ctx, "a") },
		"another key":    func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "a\x00", []byte("1")) },
		"another family": func(ctx context.Context, tx Tx) error { return tx.In("g").Set(ctx, "a", nil) },
		"no expiry":      func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "b", []byte("longer than eight bytes")) },
		"a later expiry": func(ctx context.Context, tx Tx) error {
			return tx.SetExpiring(ctx, "b", []byte("longer than eight bytes"), now.Add(2*time.Hour))
		},
		"a changed tail": func(ctx context.Context, tx Tx) error {
			return tx.SetExpiring(ctx, "b", []byte("longer than eight byteS"), now.Add(time.Hour))
		},
		"a changed start": func(ctx context.Context, tx Tx) error {
			return tx.SetExpiring(ctx, "b", []byte("Longer than eight bytes"), now.Add(time.Hour))
		},
	} {
		open, err := mem.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := change(t.Context(), open); err != nil {
			t.Fatal(err)
		}
		got, _, err := Hash(t.Context(), open)
		open.Rollback()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[got] = name
	}
}
