//go:build linux

package blackbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKilledImportIsAllOrNothing: an import killed at any moment leaves all of
// its keys or none, what was there before stays, and the next one succeeds.
func TestKilledImportIsAllOrNothing(t *testing.T) {
	r := newRand(t)
	for _, c := range []struct {
		name    string
		records int
		kills   int
	}{
		{"one record of the log", 2_000, max(*rounds/5, 1)},
		{"tables", 300_000, max(*rounds/5, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDB(t)
			base := map[string]string{}
			for i := range 100 {
				base[fmt.Sprintf("base/%d", i)] = text(r, 20)
			}
			d.must(t, jsonl(t, base), "import", "--format", "jsonl")

			// The keys are not in order, so the import has to sort.
			var b strings.Builder
			for i := range c.records {
				fmt.Fprintf(&b, `{"key":"import/%08x","value":"%s"}`+"\n", uint32(i)*2_654_435_761, text(r, 40))
			}
			file := filepath.Join(t.TempDir(), "import.jsonl")
			if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			took := timeOfImport(t, file)

			all, none, late := 0, 0, 0
			for range c.kills {
				killed := killImport(t, d, file, time.Duration(r.Int64N(int64(took)*12/10+1)))
				n := d.count(t, "import/")
				switch {
				case n == c.records:
					all++
				case n == 0 && killed:
					none++
				default:
					t.Fatalf("after an import (killed: %v): %d keys of it, want 0 or %d", killed, n, c.records)
				}
				if !killed {
					late++
				}
				equalEntries(t, "what was there before", d.list(t, "base/"), base)
				d.must(t, "", "check")
				if n > 0 {
					d.must(t, "", "del", "-y", "--prefix", "import/")
				}
			}
			d.must(t, "", "import", file)
			if n := d.count(t, "import/"); n != c.records {
				t.Errorf("after the last import: %d keys, want %d", n, c.records)
			}
			t.Logf("%d kills within 1.2 times the %v of an import of %d records: %d left nothing, %d everything, %d came too late",
				c.kills, took.Round(time.Millisecond), c.records, none, all, late)
		})
	}
}

// timeOfImport is how long an import takes into a database of its own.
func timeOfImport(t *testing.T, file string) time.Duration {
	t.Helper()
	d := newDB(t)
	d.must(t, "", "set", "k", "v")
	begin := time.Now()
	d.must(t, "", "import", file)
	return time.Since(begin)
}

// killImport starts an import, kills it after some time, and reports whether
// the kill came before its end.
func killImport(t *testing.T, d db, file string, after time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	c := d.command(ctx, "import", file)
	err := c.Run() // killed when the context ends
	if err == nil {
		return false
	}
	if ctx.Err() == nil {
		t.Fatalf("import: %v", err)
	}
	return true
}
