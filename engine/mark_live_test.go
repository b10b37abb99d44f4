package engine

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A handle that looks at MARK through a mapping sees each commit of others, and
// a MARK that is cut under it, or written over, ends neither the process nor
// its reading.
func TestLiveMark(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	db, other := openTest(t, dir, Options{Create: true}), openTest(t, dir, Options{Create: true})
	write := func(value string) {
		t.Helper()
		updateTest(t, other, func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "k", []byte(value)) })
	}
	read := func() (value string) {
		t.Helper()
		err := db.View(t.Context(), Newest, func(tx Tx) error {
			e, err := tx.Get(t.Context(), "k")
			value = string(e.Value)
			return err
		})
		if err != nil {
			t.Fatalf("Get = %v", err)
		}
		return value
	}
	want := func(value string) {
		t.Helper()
		if got := read(); got != value {
			t.Fatalf("Get = %q, want %q", got, value)
		}
	}
	write("0")
	for range 3 {
		want("0")
	}
	if currentBoot() == (bootID{}) {
		t.Skip("this system does not tell when it started, so no MARK is exact")
	}
	if db.live.data == nil {
		t.Fatal("MARK is not mapped after three looks")
	}
	for i := range 20 {
		value := string(bytes.Repeat([]byte{'a' + byte(i)}, i))
		write(value)
		want(value)
		if !db.live.is(db.seen) {
			t.Errorf("the mapping is not what was read of MARK")
		}
	}

	path := filepath.Join(dir, markFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, good[:50], bytes.Repeat([]byte{0}, markSize), append(bytes.Clone(good), 0)} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(bad) == 0 && db.live.is(string(good)) {
			t.Error("the mapping of a MARK of no bytes is what it was")
		}
		want(read())
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		want(string(bytes.Repeat([]byte{'a' + 19}, 19)))
	}
	write("last")
	want("last")
}
