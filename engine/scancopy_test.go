package engine

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"
)

// What a scan yields is the caller's: to keep, to change, to append to. No
// entry shows in another, of whatever sizes they are and with any limit.
func TestScanEntriesAreApart(t *testing.T) {
	r := lawRand(t)
	db := openTest(t, filepath.Join(t.TempDir(), "t.kv"), Options{Create: true})
	want := make(map[string][]byte)
	updateTest(t, db, func(ctx context.Context, tx Tx) error {
		for i := range 400 {
			key := fmt.Sprintf("%0*d", 3+r.IntN(5)*r.IntN(60), i)
			size := []int{0, 1, 10, 100, 1000, scanPieceSize - 1, scanPieceSize, scanPieceSize + 1}[min(r.IntN(8), r.IntN(8))]
			want[key] = bytes.Repeat([]byte{byte(i)}, size)
			if err := tx.Set(ctx, key, want[key]); err != nil {
				return err
			}
		}
		return nil
	})
	for _, limit := range []int{0, 1, 2, 70, 399, 1000} {
		var got []Entry
		err := db.View(t.Context(), Newest, func(tx Tx) error {
			for e, err := range tx.Scan(t.Context(), Range{Limit: limit}) {
				if err != nil {
					return err
				}
				got = append(got, e)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(want); limit > 0 && len(got) != min(limit, n) || limit == 0 && len(got) != n {
			t.Fatalf("Scan(Limit: %d) yields %d of %d entries", limit, len(got), n)
		}
		for _, e := range got {
			_ = append(e.Value, "appended"...)
		}
		for i, e := range got {
			if !bytes.Equal(e.Value, want[e.Key]) || e.Value == nil {
				t.Fatalf("Scan(Limit: %d) yields %d bytes for key %q, want %d, or others", limit, len(e.Value), e.Key, len(want[e.Key]))
			}
			for j := range e.Value {
				e.Value[j] ^= 0xff
			}
			if i > 0 && got[i-1].Key >= e.Key {
				t.Fatalf("Scan yields %q before %q", got[i-1].Key, e.Key)
			}
		}
	}
}

// A scan that takes one entry takes memory for one, and a long one for some at
// a time.
func TestScanPieces(t *testing.T) {
	var c scanCopy
	sizes := []int{}
	for range 200 {
		v := c.value(make([]byte, 100))
		if n := cap(c.values); len(sizes) == 0 || &v[0] == &c.values[0] {
			sizes = append(sizes, n)
		}
	}
	if got, want := fmt.Sprint(sizes), "[100 400 1600 6400 6400 6400]"; got != want {
		t.Errorf("pieces for values of 100 bytes = %s, want %s", got, want)
	}
	limited := scanCopy{left: 3}
	for range 3 {
		limited.key([]byte("0123456789"))
		limited.value(make([]byte, 16))
	}
	if n := cap(limited.values); n != 48 {
		t.Errorf("piece for 3 values of 16 bytes = %d bytes, want 48", n)
	}
}

// What a scan lends is there until the transaction ends, though meanwhile the
// tables it lies in were merged away and the transaction turned to others.
func TestLentValuesOutliveTables(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	o := Options{Create: true, sizes: lawSizes}
	db, other := openTest(t, dir, o), openTest(t, dir, o)
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i), 1}, 500) }
	for i := range 3 {
		updateTest(t, other, func(ctx context.Context, tx Tx) error {
			for j := range 100 {
				if err := tx.Set(ctx, fmt.Sprintf("%03d", 3*j+i), value(3*j+i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := other.fold(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(t.Context(), Newest, func(tx Tx) error {
		var lent []Entry
		for e, err := range tx.Scan(t.Context(), Range{Lend: true}) {
			if err != nil {
				return err
			}
			lent = append(lent, e)
		}
		compactAll(t, other)
		// Another transaction of this handle lets go of the tables that went.
		if err := db.View(t.Context(), Newest, func(Tx) error { return nil }); err != nil {
			return err
		}
		if err := tx.(*dbTx).again(errVanished); err != nil {
			return err
		}
		if len(lent) != 300 {
			t.Errorf("Scan lends %d values, want 300", len(lent))
		}
		for i, e := range lent {
			if !bytes.Equal(e.Value, value(i)) {
				t.Errorf("value lent of %q = %d bytes %x…, want %x…", e.Key, len(e.Value), e.Value[:2], value(i)[:2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
