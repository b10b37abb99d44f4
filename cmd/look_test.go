package cmd

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lookingLines are the commands that look at files which may be damaged.
var lookingLines = []string{
	"check", "check --deep", "check --json", "log ls", "log show", "log show -m pretty", "log show --hex", "log stat", "log grep 4",
	"log follow --from 1 --limit 1", "log verify", "info", "doctor", "doctor -m pretty", "inspect %[1]s/MARK", "inspect %[1]s/FORMAT",
	"inspect %[1]s/MANIFEST", "inspect %[1]s/LOCK", "inspect %[1]s/log/00000000000000000001", "inspect --hex %[1]s/log/00000000000000000001",
}

// Whatever is damaged, looking at it changes no byte, makes no file, and ends
// with an answer: found (0, 1), cannot read (3), damaged (4), not a file of
// kvsh (7).
func TestLookingAtDamageChangesNothing(t *testing.T) {
	bend := func(pattern string, at int) func(*testing.T, string) {
		return func(t *testing.T, db string) {
			names, err := filepath.Glob(filepath.Join(db, pattern))
			if err != nil || len(names) == 0 {
				t.Fatalf("%s: %v, %v", pattern, names, err)
			}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if len(b) == 0 {
					continue
				}
				b[min(at, len(b)-1)] ^= 8
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, db string) {
			if err := os.RemoveAll(filepath.Join(db, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, string){
		"log":         bend("log/*", 45),
		"table":       bend("tables/*.kvt", 70),
		"footer":      bend("tables/*.kvt", 1<<30),
		"MARK":        bend("MARK", 40),
		"MANIFEST":    bend("MANIFEST", 50),
		"FORMAT":      bend("FORMAT", 50),
		"no MARK":     remove("MARK"),
		"no MANIFEST": remove("MANIFEST"),
		"no FORMAT":   remove("FORMAT"),
		"no LOCK":     remove("LOCK"),
		"no log":      remove("log"),
		"no tables":   remove("tables"),
	} {
		t.Run(name, func(t *testing.T) {
			_, db := readable(t)
			damage(t, db)
			before := files(t, filepath.Dir(db))
			for _, line := range lookingLines {
				code, _, errs := invoke(t, "", append([]string{"-d", db}, readingWords(t, line, db)...)...)
				switch code {
				case exitYes, exitNo, exitIO, exitDamaged, exitBadInput:
				default:
					t.Errorf("%q = %d: %s", line, code, errs)
				}
				if code > exitNo && !strings.HasPrefix(errs, "kvsh: ") {
					t.Errorf("%q = %d and says %q", line, code, errs)
				}
				if after := files(t, filepath.Dir(db)); !maps.Equal(before, after) {
					t.Fatalf("%q changed something", line)
				}
			}
		})
	}
}
