package cmd

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kvsh/format"
)

// atTerminal runs a command whose output is a terminal of a width.
func atTerminal(t *testing.T, width int, environment map[string]string, args ...string) (out, errs string) {
	t.Helper()
	var outs, messages bytes.Buffer
	code := Run(t.Context(), args, Streams{
		In: strings.NewReader(""), Out: &outs, Err: &messages, Getenv: func(name string) string { return environment[name] },
		OutTerminal: true, Width: func() int { return width },
	})
	if code > exitNo {
		t.Fatalf("%q = %d: %s", args, code, messages.String())
	}
	return outs.String(), messages.String()
}

// prettyDB is a database with wide, long and hostile keys and values.
func prettyDB(t *testing.T) (dir, db string) {
	t.Helper()
	dir = t.TempDir()
	db = filepath.Join(dir, "t.kv")
	for _, args := range [][]string{
		{"mset", "user:1", `{"name":"Ann","n":12.50}`, "user:2", "two\nlines \x1b[31mred", "schlüssel:" + strings.Repeat("世界", 40), strings.Repeat("é", 3000)},
		{"set", "user:1", `{"name":"Ann","tags":["a",1,true,null]}`},
		{"set", "bin", "\x01\x02\xff"},
		{"set", "bad\x1b[2J\u009bkey", strings.Repeat("\x00", 500)},
		{"del", "user:2"},
		{"handler", "add", "pass", "../scripts/handlers/swap.star"},
		{"--cf", "drafts", "set", "x", "y"},
		{"snapshot", "save", filepath.Join(dir, "backup.kvs")},
	} {
		if code, _, errs := invoke(t, "", append([]string{"-q", "-d", db}, args...)...); code != exitYes {
			t.Fatalf("%q = %d: %s", args, code, errs)
		}
	}
	return dir, db
}

var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Nothing that is aligned is wider than the terminal, whatever the data; and
// no byte that a terminal would obey is written but the colours of kvsh.
func TestPrettyFits(t *testing.T) {
	dir, db := prettyDB(t)
	commands := [][]string{
		{"list"},
		{"list", "-l"},
		{"list", "-v"},
		{"list", "-lv"},
		{"history", "user:1"},
		{"history", "bad\x1b[2J\u009bkey"},
		{"log", "ls"},
		{"snapshot", "ls", dir},
		{"diff", "1"},
		{"diff", "1", "4"},
		{"tree"},
		{"cf", "ls"},
		{"handler", "ls"},
		{"quarantine", "ls"},
		{"config"},
		{"get", "user:1"},
		{"ttl", "user:1"},
		{"count"},
		{"info"},
	}
	for _, width := range []int{40, 80, 200} {
		for _, args := range commands {
			out, errs := atTerminal(t, width, map[string]string{"TERM": "xterm"}, append([]string{"-d", db}, args...)...)
			bare := colors.ReplaceAllString(out, "")
			for line := range strings.Lines(bare) {
				line = strings.TrimSuffix(line, "\n")
				// A word alone is not broken: it could not be copied then.
				if strings.HasPrefix(line, "file  ") && strings.HasSuffix(line, "/backup.kvs") {
					continue // nor a name
				}
				if args[0] == "info" && !strings.Contains(line[min(infoIndent, len(line)):], " ") {
					continue
				}
				limit := width
				if args[0] == "diff" {
					limit = max(width, 50) // two values on a line, which say how much they leave out
				}
				if w := format.Width(line); w > limit {
					t.Errorf("%q at width %d writes a line of %d columns: %q", args, width, w, line)
				}
			}
			if i := strings.IndexFunc(bare, func(r rune) bool { return r != '\n' && (r < ' ' || 0x7f <= r && r < 0xa0) }); i >= 0 {
				t.Errorf("%q at width %d writes a control character: %q", args, width, bare[max(i-20, 0):min(i+20, len(bare))])
			}
			if strings.Contains(errs, "shortened") != strings.Contains(bare, "…+") && args[0] != "diff" {
				t.Errorf("%q at width %d says %q of what it shortened in %q", args, width, errs, bare)
			}
		}
	}
}

// What people see is laid out just so; times and ages are put aside.
func TestPrettyScreens(t *testing.T) {
	_, db := prettyDB(t)
	times := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	for _, c := range []struct {
		width int
		line  string
		want  string
	}{
		{40, "list -l --prefix user", "key     size  rev  age  ttl\nuser:1  39 B    2  AGE    -\n"},
		{80, "history user:1", `rev  time                 op   size  value                               expires
  2  TIME  set  39 B  {"name":"Ann","tags":["a",1,…+11 B  -
  1  TIME  set  24 B  {"name":"Ann","n":12.50}            -
`},
		{40, "history user:1 --limit 1", "rev      2\ntime     TIME\nop       set\nsize     39 B\nvalue    {\"name\":\"Ann\",\"tags\":[\"a\"…+14 B\nexpires  -\n"},
		{200, "tree", "prefix      keys    bytes\nschlüssel:     1  6.1 KiB\nuser:          1     45 B\ntotal          4  6.7 KiB\n"},
		{80, "show bin", "key      bin\nkind     binary\nsize     3 B\nrev      3\nage      AGE, of TIME\nttl      none\nversions 1\n\n00000000  01 02 ff                                          |...|\n00000003\n"},
		{80, "get --raw bin", `\x01\x02\xff`},
		{80, "-m raw get bin", `\x01\x02\xff` + "\n"},
		{80, "-0 get user:1", `{"name":"Ann","tags":["a",1,true,null]}\0`},
		{80, "-0 list --prefix u", `user:1\0`},
	} {
		out, _ := atTerminal(t, c.width, map[string]string{"NO_COLOR": "1"}, append([]string{"-d", db}, strings.Fields(c.line)...)...)
		out = times.ReplaceAllString(out, "TIME")
		out = regexp.MustCompile(`(?m) \d[sm]( +-)$`).ReplaceAllString(out, "now$1") // in a column, which is wider
		out = regexp.MustCompile(`\b(now|\d+[sm])\b`).ReplaceAllString(out, "AGE")
		if out != c.want {
			t.Errorf("%s at width %d shows\n%s\nwant\n%s", c.line, c.width, out, c.want)
		}
	}
}

// NO_COLOR and a dumb terminal have no colour, CLICOLOR_FORCE gives it to a pipe.
func TestColors(t *testing.T) {
	_, db := prettyDB(t)
	for _, args := range [][]string{{"list", "-l"}, {"show", "user:1"}, {"info"}} {
		args = append([]string{"-d", db}, args...)
		if out, _ := atTerminal(t, 80, map[string]string{"TERM": "xterm"}, args...); !strings.Contains(out, "\x1b[") {
			t.Errorf("%q shows no colour at a terminal", args)
		}
		for _, environment := range []map[string]string{{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}, {}} {
			if out, _ := atTerminal(t, 80, environment, args...); strings.Contains(out, "\x1b") {
				t.Errorf("%q with %v shows colour: %q", args, environment, out)
			}
		}
		if code, out, _ := invoke(t, "", args...); code != exitYes || strings.Contains(out, "\x1b") {
			t.Errorf("%q = %d and writes colour down a pipe: %q", args, code, out)
		}
	}
}
