package handler

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"kvsh/engine"
)

// update runs fn as a transaction that must be committed.
func update(t *testing.T, store engine.Store, fn func(engine.Tx) error) {
	t.Helper()
	if _, err := store.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func newStore(t *testing.T) engine.Store {
	t.Helper()
	store := engine.NewMem(engine.MemOptions{})
	t.Cleanup(func() { store.Close() })
	return store
}

// Each source that differs from the newest makes a version, and every version
// stays what it was until the handler is removed.
func TestVersions(t *testing.T) {
	store, ctx := newStore(t), t.Context()
	want := []string{"one", "two", "one", ""}
	update(t, store, func(tx engine.Tx) error {
		for i, source := range want {
			for _, isNew := range []bool{true, false} {
				s, added, err := Add(ctx, tx, "h", []byte(source))
				if err != nil || s.Version != i+1 || added != isNew {
					t.Errorf("Add(%q) = version %d, %v, %v, want %d, %v", source, s.Version, added, err, i+1, isNew)
				}
			}
		}
		_, _, err := Add(ctx, tx, "h-2", []byte("# A comment \nother"))
		return err
	})
	update(t, store, func(tx engine.Tx) error {
		for i, source := range want {
			s, err := Get(ctx, tx, "h", i+1)
			if err != nil || string(s.Source) != source || s.Version != i+1 || s.Name != "h" || s.Stamp == 0 {
				t.Errorf("Get(%d) = %+v, %v, want %q", i+1, s, err, source)
			}
		}
		if s, err := Get(ctx, tx, "h", 0); err != nil || s.Version != len(want) {
			t.Errorf("Get of the newest = version %d, %v, want %d", s.Version, err, len(want))
		}
		all, err := List(ctx, tx)
		if err != nil || len(all) != 2 || all[0].Name != "h" || all[0].Version != len(want) || all[1].About() != "A comment" || all[0].About() != "" {
			t.Errorf("List = %+v, %v", all, err)
		}
		if n, err := Remove(ctx, tx, "h"); err != nil || n != len(want) {
			t.Errorf("Remove = %d, %v, want %d", n, err, len(want))
		}
		return nil
	})
	update(t, store, func(tx engine.Tx) error {
		for version := range len(want) + 1 {
			if _, err := Get(ctx, tx, "h", version); !errors.Is(err, ErrNoHandler) {
				t.Errorf("Get(%d) after Remove = %v, want %v", version, err, ErrNoHandler)
			}
		}
		if _, err := Get(ctx, tx, "h-2", 1); err != nil {
			t.Errorf("Get of another handler = %v", err)
		}
		return nil
	})
}

// The bytes of a stored handler are for ever.
func TestStoredBytes(t *testing.T) {
	store, ctx := newStore(t), t.Context()
	update(t, store, func(tx engine.Tx) error {
		_, _, err := Add(ctx, tx, "h", []byte("a\x00\xff"))
		return err
	})
	update(t, store, func(tx engine.Tx) error {
		e, err := tx.In(".handlers").Get(ctx, "h@0000000001")
		if want := "#kvsh handler 1\na\x00\xff"; err != nil || string(e.Value) != want {
			t.Errorf("stored %q, %v, want %q", e.Value, err, want)
		}
		return nil
	})
}

// What is no handler is refused, and what a later version wrote as that.
func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       error
	}{
		{"h@0000000001", "#kvsh handler 2\nx", engine.ErrNewer},
		{"h@0000000001", "x", engine.ErrInvalid},
		{"h@0000000001", "", engine.ErrInvalid},
		{"h@0000000001", "#kvsh handler 1", engine.ErrNewer}, // a header without its end is none of ours
		{"h", header, engine.ErrInvalid},
		{"h@1", header, engine.ErrInvalid},
		{"h@0000000000", header, engine.ErrInvalid},
		{"h@9999999999", header, engine.ErrInvalid},
		{"h@+000000001", header, engine.ErrInvalid},
		{"H@0000000001", header, engine.ErrInvalid},
	} {
		if s, err := decode(engine.Entry{Key: c.key, Value: []byte(c.value)}); !errors.Is(err, c.want) {
			t.Errorf("decode(%q, %q) = %+v, %v, want %v", c.key, c.value, s, err, c.want)
		}
	}
	s, err := decode(engine.Entry{Key: storedKey("h", math.MaxInt32), Value: []byte(header)})
	if err != nil || s.Version != maxVersion {
		t.Errorf("decode of the last version = %+v, %v", s, err)
	}
}

func TestNames(t *testing.T) {
	longest := strings.Repeat("a", 64)
	for ref, want := range map[string]string{
		"a": "a 0", "a_b-9": "a_b-9 0", longest: longest + " 0", "a@7": "a 7", "a@0000000007": "a 7",
		"": "", "A": "", "a.b": "", "é": "", longest + "a": "", "a@": "", "a@0": "", "a@-1": "", "a@x": "", "@1": "", "a@1@1": "", "a@9999999999": "",
	} {
		name, version, err := ParseRef(ref)
		got := fmt.Sprint(name, " ", version)
		if want == "" && err == nil || want != "" && (err != nil || got != want) {
			t.Errorf("ParseRef(%q) = %s, %v, want %q", ref, got, err, want)
		}
	}
}
