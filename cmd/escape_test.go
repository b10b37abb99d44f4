package cmd

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// No command lets a control sequence out of a key, a value or the words of the
// user through to a terminal, in whatever mode.
func TestNoEscapesAtTerminal(t *testing.T) {
	const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31mk"
	db := filepath.Join(t.TempDir(), "t.kv")
	for _, args := range [][]string{
		{"mset", hostile, hostile, "a:" + hostile, "1"}, {"set", hostile, hostile + "2"}, {"--cf", "drafts", "set", hostile, "x"},
	} {
		if code, _, errs := invoke(t, "", append([]string{"-d", db}, args...)...); code != exitYes {
			t.Fatalf("%q: exit %d: %s", args, code, errs)
		}
	}
	for _, args := range [][]string{
		{"list"},
		{"list", "-l"},
		{"list", "-v"},
		{"get", hostile},
		{"get", hostile, "a:" + hostile},
		{"show", hostile},
		{"tree"},
		{"tree", "a:"},
		{"grep", "owned"},
		{"grep", "-l", "owned"},
		{"log", "show"},
		{"log", "grep", "owned"},
		{"log", "stat"},
		{"history", hostile},
		{"diff", "1", "2"},
		{"--dry-run", "undo"},
		{"hash"},
		{"ttl", hostile},
		{"info"},
		{"cf", "ls"},
		{"get", "none" + hostile},
		{"del", "none" + hostile},
		{"incr", hostile},
		{"cp", hostile, "a:" + hostile},
		{"mset", "--if-absent", hostile, "x"},
		{"set", "--if-value", hostile, hostile, hostile},
		{hostile},
		{"list", "--" + hostile},
		{"count", "--limit", hostile},
		{"list", "-m", hostile},
		{"import", hostile},
		{"-d", hostile, "list"},
		{"ttl", hostile, hostile},
		{"log", "show", hostile},
		{"use", hostile},
		{"list", "--regex", "(" + hostile},
		{"-m", "tsv", "list", "-v"},
		{"export"},
		{"--json", "list", "-v"},
		{"-m", "raw", "list"},
		{"-m", "raw", "list", "-v"},
		{"-m", "raw", "get", hostile},
		{"get", "--raw", hostile},
		{"get", "--raw", "-n", hostile, hostile},
		{"-0", "get", hostile},
		{"-0", "list", "-v"},
		{"-m", "quoted", "list", "-v"},
		{"-m", "table", "list", "-v"},
		{"-m", "json", "list", "-v"},
		{"-m", "csv", "list", "-v"},
		{"-m", "hex", "list", "-v"},
		{"-m", "kvsh", "list"},
		{"handler", "ls"},
		{"config"},
		{"watch", "--from", "1", "--limit", "2"},
		{"log", "follow", "--from", "1", "--limit", "2"},
		{"set", "--old", hostile, "y"},
	} {
		var out, errs bytes.Buffer
		Run(t.Context(), append([]string{"-d", db}, args...), Streams{
			In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" },
			OutTerminal: true, ErrTerminal: true, Width: func() int { return 80 },
		})
		for _, text := range []string{out.String(), errs.String()} {
			// Colours are the program's own; nothing else is to begin with ESC.
			for _, bad := range []string{"\x1b]", "\x1b[2J", "\x07", "\u009b"} {
				if strings.Contains(text, bad) {
					t.Errorf("%q wrote %q to the terminal: %.300q", args, bad, text)
				}
			}
		}
	}
}
