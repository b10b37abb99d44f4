package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A record that MARK does not reach, but behind which a whole record says that
// all before it were durable, had been acknowledged.
func TestCheckProvesAcknowledged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	db := openTest(t, dir, Options{Create: true})
	updateTest(t, db, setKey("a"))
	old, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"b", "c", "d"} {
		updateTest(t, db, setKey(key))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	all := recordsTest(t, dir, 0, 0)
	bad := all[2]
	flip(t, filepath.Join(dir, bad.File), bad.Offset+bad.Length-5, 0)
	for _, mark := range [][]byte{nil, old} {
		if mark != nil {
			if err := os.WriteFile(filepath.Join(dir, markFile), mark, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		rep := checkTest(t, dir, false)
		if len(rep.Faults) != 1 || rep.Faults[0].Acknowledged != AcknowledgedYes || rep.Faults[0].Rev != 3 ||
			!slices.Equal(rep.Faults[0].Keys, []string{"c"}) {
			t.Errorf("Check with MARK %x = %+v, want revision 3, acknowledged, key c", mark, rep.Faults)
		}
	}
}

// A damaged place in a table names the keys of its block, whichever of its two
// runs it lies in, and those of its page where the index page is damaged.
func TestCheckNamesKeysOfTables(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t.kv")
	db := openTest(t, dir, Options{Create: true})
	updateTest(t, db, func(ctx context.Context, tx Tx) error {
		for i := range 3000 {
			if err := tx.Set(ctx, fmt.Sprintf("k%04d", i), make([]byte, 100)); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := db.Compact(t.Context(), CompactOptions{}); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, tablesDir, "*"+tableSuffix))
	if err != nil || len(names) != 1 {
		t.Fatalf("tables %v, %v", names, err)
	}
	var pieces []Piece
	if err := Inspect(t.Context(), nil, names[0], 0, func(p Piece) bool { pieces = append(pieces, p); return true }); err != nil {
		t.Fatal(err)
	}
	blocks, sum := 0, int64(0)
	for _, p := range pieces {
		if p.What != "keys" && p.What != "values" && p.What != "index page" && p.What != "filter" {
			continue
		}
		at := p.Offset + p.Length/2
		flip(t, names[0], at, 3)
		rep := checkTest(t, dir, false)
		flip(t, names[0], at, 3)
		if len(rep.Faults) != 1 || rep.Faults[0].Acknowledged != AcknowledgedYes {
			t.Errorf("Check with damaged %s = %+v, want one fault, acknowledged", p.What, rep.Faults)
			continue
		}
		f := rep.Faults[0]
		switch {
		case f.KeysTo == "" || f.KeysFrom > f.KeysTo:
			t.Errorf("%s: keys from %q to %q, want a span", p.What, f.KeysFrom, f.KeysTo)
		case p.What == "values":
			blocks++
			sum += f.Entries
			if len(f.Keys) != maxFaultKeys || f.Keys[0] < f.KeysFrom || f.Keys[maxFaultKeys-1] > f.KeysTo {
				t.Errorf("values: keys %q in %q to %q, want the first of the block", f.Keys, f.KeysFrom, f.KeysTo)
			}
		case p.What == "keys" && (f.Entries == 0 || len(f.Keys) != 0):
			t.Errorf("keys: %d entries, %q, want a number and no keys", f.Entries, f.Keys)
		}
	}
	if blocks < 3 || sum != 3000 {
		t.Errorf("%d blocks have %d entries, want 3 blocks or more and 3000", blocks, sum)
	}
}
