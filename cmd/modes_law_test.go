package cmd

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
	"kvsh/format"
	"kvsh/repl"
)

// modeSession is a session on a database in memory with pairs, at a terminal of
// 40 columns or in a pipe, with an environment.
func modeSession(t *testing.T, terminal bool, environment, pairs map[string]string) (run func(words ...string) string) {
	t.Helper()
	var out, errs bytes.Buffer
	s := NewSession(Streams{
		In: strings.NewReader(""), Out: &out, Err: &errs, OutTerminal: terminal,
		Width: func() int { return 40 }, Getenv: func(name string) string { return environment[name] },
	})
	s.set.DB, s.door = memoryName, doorScript
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	err := setPairs(t, s, pairs)
	if err != nil {
		t.Fatal(err)
	}
	return func(words ...string) string {
		t.Helper()
		out.Reset()
		errs.Reset()
		if err := s.runLine(t.Context(), words); err != nil {
			t.Fatalf("%q = %v %s", words, err, &errs)
		}
		if err := s.out.Flush(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
}

// setPairs writes pairs as one transaction.
func setPairs(t *testing.T, s *Session, pairs map[string]string) error {
	t.Helper()
	_, err := s.update(t.Context(), func(tx engine.Tx) error {
		for key, value := range pairs {
			if err := tx.Set(t.Context(), key, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// randomPairs are keys with values of any bytes, some longer than any screen is
// wide. Without NUL none of them has one.
func randomPairs(r *rand.Rand, withNUL bool) map[string]string {
	text := func(most int) string {
		b := make([]byte, r.IntN(most))
		for i := range b {
			if b[i] = byte(r.IntN(256)); r.IntN(2) == 0 {
				b[i] = "ab \t\n\r\"'\\,:;#=\x1b\x00\x9b"[r.IntN(17)]
			}
			if !withNUL && b[i] == 0 {
				b[i] = 1
			}
		}
		return string(b)
	}
	pairs := map[string]string{"long": strings.Repeat("word ", 2000)}
	for range 12 {
		pairs["k"+text(12)] = text(200)
	}
	return pairs
}

// losslessModes are the modes from which the bytes come back, each with how.
var losslessModes = map[string]func(t *testing.T, out string) map[string]string{
	"quoted": func(t *testing.T, out string) map[string]string { return pairsOfWords(t, out, 0) },
	"kvsh":   func(t *testing.T, out string) map[string]string { return pairsOfWords(t, out, 1) },
	"jsonl":  importedPairs("jsonl"),
	"json":   importedPairs("json"),
	"csv":    importedPairs("csv"),
	"tsv":    importedPairs("tsv"),
	"nul":    importedPairs("nul"),
	"hex": func(t *testing.T, out string) map[string]string {
		pairs := map[string]string{}
		for line := range strings.Lines(out) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			k, err := hex.DecodeString(strings.ReplaceAll(key, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			v, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			pairs[string(k)] = string(v)
		}
		return pairs
	},
}

// pairsOfWords are the pairs of lines whose words are a key and its value.
func pairsOfWords(t *testing.T, out string, column int) map[string]string {
	t.Helper()
	commands, err := repl.Split(nil, out, repl.ScriptDoor)
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]string{}
	for _, c := range commands {
		words := c.Texts(nil)
		if len(words) != column+2 {
			t.Fatalf("line of words %q, want %d", words, column+2)
		}
		pairs[words[column]] = words[column+1]
	}
	return pairs
}

// importedPairs reads the pairs as import would.
func importedPairs(name string) func(t *testing.T, out string) map[string]string {
	return func(t *testing.T, out string) map[string]string {
		t.Helper()
		f, err := format.ParseFormat(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "tsv" { // the header is for terminals
			out = "key\tvalue\n" + strings.TrimPrefix(out, "key\tvalue\n")
		}
		pairs := map[string]string{}
		for r, err := range format.NewImporter(strings.NewReader(out), f, format.ImportOptions{}).Records() {
			if err != nil {
				t.Fatalf("%s: %v in %.300q", name, err, out)
			}
			pairs[string(r.Key)] = string(r.Value)
		}
		return pairs
	}
}

// What a lossless mode prints holds the bytes of all keys and values, however
// long, in a pipe and, but for NUL, at a terminal, which gets no control byte and
// no escape sequence.
func TestModesLoseNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 40 {
		for name, parse := range losslessModes {
			pairs := randomPairs(r, name != "nul")
			run := modeSession(t, i%2 == 1 && name != "nul", nil, pairs)
			if got := parse(t, run("list", "-v", "-m", name)); !maps.Equal(got, pairs) {
				t.Fatalf("list -v -m %s = %q, want %q", name, got, pairs)
			}
			if name == "hex" || name == "nul" || name == "tsv" || name == "quoted" {
				continue // their get has the value alone
			}
			for key, value := range pairs {
				if got := parse(t, run("get", "-m", name, "--", key)); got[key] != value || len(got) != 1 {
					t.Fatalf("get -m %s %q = %q, want %q", name, key, got, value)
				}
			}
		}
	}
}

// No mode lets a control byte or an escape sequence through to a terminal (nul,
// which refuses some data, is in TestNoEscapesAtTerminal), for keys and values of any bytes, by any command that shows them.
func TestTerminalGetsNoControlBytes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 15 {
		pairs := randomPairs(r, true)
		run := modeSession(t, true, map[string]string{"NO_COLOR": "1"}, pairs)
		for _, mode := range []string{"auto", "pretty", "quoted", "table", "jsonl", "json", "tsv", "csv", "hex", "kvsh", "raw"} {
			lines := [][]string{
				{"list"},
				{"list", "-v"},
				{"list", "-l"},
				{"grep", "."},
				{"grep", "-l", "."},
				{"tree"},
				{"tree", "--sep", "\x1b"},
				{"watch", "--from", "1", fmt.Sprintf("--limit=%d", len(pairs))},
			}
			for key := range pairs {
				lines = append(lines, []string{"get", "--", key}, []string{"show", "--", key})
			}
			for _, line := range lines {
				if mode == "kvsh" && line[0] != "list" && line[0] != "get" {
					continue
				}
				out := run(append([]string{"-m", mode}, line...)...)
				for _, c := range out {
					if c != '\n' && (c < ' ' || c >= 0x7f && c < 0xa0) && !(c == '\t' && mode != "pretty" && mode != "table") {
						t.Fatalf("%q -m %s lets %q through: %.300q", line, mode, c, out)
					}
				}
			}
		}
	}
}

// Colour is for terminals that want it, and only in the modes for people.
func TestColour(t *testing.T) {
	pairs := map[string]string{"a": "1"}
	for _, c := range []struct {
		terminal bool
		env      map[string]string
		line     string
		want     bool
	}{
		{true, map[string]string{"TERM": "xterm"}, "list -v", true},
		{true, map[string]string{"TERM": "xterm"}, "list -v -m pretty", true},
		{true, map[string]string{"TERM": "xterm"}, "--no-color list -v", false},
		{true, map[string]string{"TERM": "dumb"}, "list -v", false},
		{true, map[string]string{}, "list -v", false},
		{true, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, "list -v", false},
		{true, map[string]string{"TERM": "xterm", "NO_COLOR": ""}, "list -v", true},
		{true, map[string]string{"TERM": "xterm", "NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, "list -v", false},
		{false, map[string]string{"TERM": "xterm"}, "list -v -m pretty", false},
		{false, map[string]string{"TERM": "xterm", "CLICOLOR_FORCE": "1"}, "list -v -m pretty", true},
		{false, map[string]string{"TERM": "xterm", "CLICOLOR_FORCE": "0"}, "list -v -m pretty", false},
		{false, map[string]string{"TERM": "xterm", "CLICOLOR_FORCE": "1"}, "list -v", false},
		{false, map[string]string{"TERM": "xterm", "CLICOLOR_FORCE": "1"}, "--no-color list -v -m pretty", false},
		{true, map[string]string{"TERM": "xterm"}, "list -v -m tsv", false},
		{true, map[string]string{"TERM": "xterm"}, "list -v -m quoted", false},
		{true, map[string]string{"TERM": "xterm"}, "list -v -m jsonl", false},
		{true, map[string]string{"TERM": "xterm"}, "list -v -m csv", false},
		{true, map[string]string{"TERM": "xterm"}, "list -v -m kvsh", false},
	} {
		out := modeSession(t, c.terminal, c.env, pairs)(strings.Fields(c.line)...)
		if got := strings.Contains(out, "\x1b["); got != c.want {
			t.Errorf("%s (terminal %v, %v) = %q, want colour %v", c.line, c.terminal, c.env, out, c.want)
		}
	}
}

// The rows of grep and of log show hold the bytes of values, too.
func TestRowsOfOtherCommandsLoseNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	pairs := randomPairs(r, true)
	run := modeSession(t, false, nil, pairs)
	lines := map[string]string{} // by key
	for _, words := range wordsOf(t, run("grep", "-m", "quoted", "")) {
		lines[words[0]] += words[2] + "\n"
	}
	for key, value := range pairs {
		want := strings.ReplaceAll(strings.TrimSuffix(value, "\n")+"\n", "\r\n", "\n")
		if value == "" {
			want = ""
		}
		if lines[key] != want {
			t.Errorf("grep found %q in %q, want %q", lines[key], key, want)
		}
	}
	db := filepath.Join(t.TempDir(), "t.kv")
	words := []string{"-d", db, "mset"}
	for key, value := range pairs {
		words = append(words, key, value)
	}
	if code, _, errs := invoke(t, "", words...); code != exitYes {
		t.Fatalf("mset = %d: %s", code, errs)
	}
	_, out, _ := invoke(t, "", "-d", db, "log", "show", "-m", "quoted")
	shown := map[string]string{}
	for _, words := range wordsOf(t, out) {
		shown[words[5]] = words[6]
	}
	if !maps.Equal(shown, pairs) {
		t.Errorf("log show = %q, want %q", shown, pairs)
	}
}
