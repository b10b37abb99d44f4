package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"kvsh/engine"
)

// A line of a script has no limit of its own: a value up to the limit of
// values may stand in it, and what is too much for a value or for a
// transaction is refused with its place, after which the next line is read.
func TestBigLines(t *testing.T) {
	db := filepath.Join(t.TempDir(), "t.kv")
	value := func(mebibytes int) string { return strings.Repeat("x", mebibytes<<20) }
	whole := strings.Repeat("y", engine.MaxValueSize)
	for _, c := range []struct {
		name   string
		script string
		code   int
		errs   string // begins so
		count  string // of keys afterwards
	}{
		{"a value of 30 MiB", "set a " + value(30), exitYes, "", "1"},
		{"two on a line", "mset b " + value(30) + " c " + value(30) + "\r\n", exitYes, "", "3"},
		{"in quotes, over lines", `set d "` + strings.Repeat("x\r\n", 10<<20) + "\"\n", exitYes, "", "4"},
		{"the largest", "set e " + whole + "\nexists e", exitYes, "", "5"},
		{"a byte more", "count; set f " + whole + "y", exitUsage, `kvsh: stdin:1:8: set "f": value of 33554433 bytes, the limit is 33554432: too large`, "5"},
		{"50 MiB", "count\n\nset f " + value(50) + "\nset g 1\n", exitUsage, `kvsh: stdin:3:1: set "f": value of 52428800 bytes`, "6"},
		{"a transaction", "mset h " + value(30) + " i " + value(30) + " j " + value(30), exitUsage, "kvsh: stdin:1:1: mset: ", "6"},
		{"a key", "set " + value(1) + " 1", exitUsage, `kvsh: stdin:1:1: set "xxx`, "6"},
		{"an open quote", "set k '" + value(50), exitUsage, "kvsh: stdin:1:7: quote ' is not closed", "6"},
		{"a word too many", "get a; count a " + value(50), exitUsage, "kvsh: stdin:1:8: count: one word too many: \"xxx", "6"},
		{"an unknown flag", "count --" + value(50), exitUsage, "kvsh: stdin:1:1: count: unknown flag --xxx", "6"},
		{"a bad number", "list --limit " + value(50), exitUsage, "kvsh: stdin:1:1: list: --limit: not a number: \"xxx", "6"},
		{"a bad span", "list --wait " + value(50), exitUsage, "kvsh: stdin:1:1: list: --wait: not a time span: \"xxx", "6"},
		{"an unknown command", value(50), exitUsage, "kvsh: stdin:1:1: unknown command \"xxx", "6"},
	} {
		code, _, errs := invoke(t, c.script, "-q", "-k", "-d", db)
		if code != c.code || !strings.HasPrefix(errs, c.errs) || c.errs == "" && errs != "" {
			t.Errorf("%s: exit code %d, stderr %.200q, want %d, %q", c.name, code, errs, c.code, c.errs)
		}
		if len(errs) > 1000 {
			t.Errorf("%s: %d bytes on stderr, want a message", c.name, len(errs))
		}
		if _, n, _ := invoke(t, "", "-d", db, "count"); n != c.count+"\n" {
			t.Errorf("%s: %q keys afterwards, want %s", c.name, n, c.count)
		}
	}
	if _, out, _ := invoke(t, "", "-d", db, "list", "-l", "-m", "csv"); !strings.Contains(out, fmt.Sprintf("\nd,%d,", 30<<20)) {
		t.Errorf("list -l = %q, want d with the bytes between its quotes", out)
	}
}
