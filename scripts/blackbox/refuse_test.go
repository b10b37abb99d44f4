//go:build linux

package blackbox

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A refusal is a command that must do nothing.
type refusal struct {
	name   string
	stdin  string
	args   []string
	code   int    // the exit code
	stderr string // what stderr must match
}

// tooLarge is a key and a value one byte over their limits.
var (
	tooLargeKey   = strings.Repeat("k", 65_536)
	tooLargeValue = strings.Repeat("v", 32<<20+1)
)

// refusals is what a good database must refuse. It holds the keys of
// newReadable. DB and DIR in the arguments stand for the database and the
// directory it is in.
var refusals = []refusal{
	{"empty key", "", []string{"set", "", "v"}, 2, `empty key`},
	{"empty key to read", "", []string{"get", ""}, 2, `empty key`},
	{"empty key among good ones", "", []string{"mset", "a", "1", "", "2"}, 2, `empty key`},
	{"empty key in a script", "set a 1\nset '' 2\n", []string{"--atomic"}, 2, `:2:.*empty key`},
	{"key too large", "", []string{"set", tooLargeKey, "v"}, 2, `65,?536.*65,?535`},
	{"key too large to read", "", []string{"get", tooLargeKey}, 2, `65,?536.*65,?535`},
	{"value too large", tooLargeValue, []string{"set", "k"}, 2, `too large`},
	{"value too large beside a good one", "set a 1\nset k " + tooLargeValue + "\n", []string{"--atomic"}, 2, `too large`},
	{"transaction too large", manyLarge(), []string{"--atomic"}, 2, `transaction.*too large`},
	{"unknown flag", "", []string{"get", "--bogus", "user:1"}, 2, `--bogus`},
	{"unknown command", "", []string{"gte", "user:1"}, 2, `gte`},
	{"unknown command with a flag", "", []string{"gte", "--bogus"}, 2, `unknown command "gte"`},
	{"unknown command and help", "", []string{"gte", "--help"}, 2, `unknown command "gte"`},
	{"no key", "", []string{"get"}, 2, `KEY`},
	{"key without a value", "", []string{"mset", "a", "1", "b"}, 2, `b|VALUE`},
	{"missing key", "", []string{"get", "user:9"}, 1, `get "user:9": key not found`},
	{"not a number", "", []string{"incr", "user:1"}, 2, `user:1`},
	{"no number to add", "", []string{"incr", "n", "one"}, 2, `one`},
	{"overflow", "", []string{"-c", "begin; set n 9223372036854775807; incr n; commit"}, 2, `incr "n"`},
	{"delete of a selection without -y", "", []string{"del", "--prefix", "user:"}, 6, `-y`},
	{"strict delete of a missing key", "", []string{"del", "--strict", "user:1", "user:9"}, 1, `user:9`},
	{"read-only", "", []string{"--readonly", "set", "k", "v"}, 6, `read-only`},
	{"condition not met", "", []string{"set", "--if-absent", "user:1", "v"}, 1, ``},
	{"wrong value", "", []string{"set", "--if-value", "x", "user:1", "v"}, 1, ``},
	{"wrong revision", "", []string{"set", "--if-rev", "1", "user:1", "v"}, 1, ``},
	{"pairs of which one is there", "", []string{"mset", "--if-absent", "new", "1", "user:1", "2"}, 1, `user:1`},
	{"target exists", "", []string{"mv", "user:1", "user:2"}, 6, `user:2`},
	{"copy onto a key", "", []string{"cp", "user:1", "user:2"}, 6, `user:2`},
	{"move of a missing key", "", []string{"mv", "user:9", "user:10"}, 1, `user:9`},
	{"open quote", "set user:1 'x\n", nil, 2, `1:\d+|line 1`},
	{"open transaction", "begin\nset user:1 x\n", nil, 2, `transaction`},
	{"atomic script that fails", "set user:1 x\nset user:2 y\nbogus\n", []string{"--atomic"}, 2, `3:|line 3`},
	{"bad expiry", "", []string{"set", "--ttl", "soon", "user:1", "v"}, 2, `soon`},
	{"unknown setting", "", []string{"config", "colour", "blue"}, 2, `colour`},
	{"bad setting", "", []string{"config", "sync", "sometimes"}, 2, `sometimes`},
	{"unknown format", "", []string{"export", "--format", "yaml"}, 2, `yaml`},
	{"unknown mode", "", []string{"-m", "yaml", "list"}, 2, `yaml`},
	{"bad pattern", "", []string{"list", "--regex", "("}, 2, `.`},
	{"init of a database", "", []string{"init"}, 6, `test\.kv`},
	{"restore onto a database", "", []string{"snapshot", "restore", "DIR/good.kvs"}, 6, `test\.kv`},
	{"restore of no snapshot", "", []string{"snapshot", "restore", "/dev/null", "-d", "DIR/other.kv"}, 3, `null`},
	{"snapshot onto a file", "", []string{"snapshot", "save", "DIR/good.kvs"}, 6, `good\.kvs`},
	{"export into no directory", "", []string{"export", "-o", "DIR/missing/out.jsonl"}, 3, `missing`},
	{"import of no file", "", []string{"import", "DIR/missing.jsonl"}, 3, `missing\.jsonl`},
	{"import that conflicts", `{"key":"user:1","value":"1"}` + "\n", []string{"import", "--format", "jsonl", "--on-conflict", "fail"}, 6, `user:1`},
}

// manyLarge is a script of good writes that are too much for one transaction.
func manyLarge() string {
	var b strings.Builder
	for i := range 3 {
		fmt.Fprintf(&b, "set large%d %s\n", i, tooLargeValue[1:])
	}
	return b.String()
}

// badInput is input that import must refuse whole, and the place it must name.
// Each begins with a good record.
var badInput = []struct {
	name, format, input string
	place               string
}{
	{"cut in a line", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"key":"b","val`, `:2|line 2`},
	{"no JSON", "jsonl", `{"key":"a","value":"1"}` + "\nnonsense\n", `:2|line 2`},
	{"no key", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"value":"2"}` + "\n", `:2|line 2`},
	{"empty key", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"key":"","value":"2"}` + "\n", `:2|line 2`},
	{"key too large", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"key":"` + tooLargeKey + `","value":"2"}` + "\n", `:2|line 2`},
	{"two keys", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"key":"b","key_b64":"Yg==","value":"2"}` + "\n", `:2|line 2`},
	{"bad base64", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"key_b64":"%%","value":"2"}` + "\n", `:2|line 2`},
	{"bad time", "jsonl", `{"key":"a","value":"1"}` + "\n" + `{"key":"b","value":"2","expires":"soon"}` + "\n", `:2|line 2`},
	{"array not closed", "json", `[{"key":"a","value":"1"},` + "\n" + `{"key":"b","value":"2"}`, `:\d|line \d|offset|byte`},
	{"column too few", "csv", "key,value\na,1\nb\n", `:3|line 3`},
	{"column too many", "csv", "key,value\na,1\nb,2,3\n", `:3|line 3`},
	{"quote not closed", "csv", "key,value\na,1\n\"b,2\n", `:3|line 3`},
	{"unknown escape", "tsv", "key\tvalue\na\t1\nb\t\\q\n", `:3|line 3`},
	{"no tab", "tsv", "key\tvalue\na\t1\nb\n", `:3|line 3`},
	{"another command", "kvsh", "set a 1\nget a\n", `:2|line 2`},
	{"quote not closed", "kvsh", "set a 1\nset b 'x\n", `:2|line 2`},
	{"key without a value", "nul", "a\x001\x00b\x00", `offset|byte|record|:\d`},
	{"cut in a value", "nul", "a\x001\x00b\x002", `offset|byte|record|:\d`},
}

// refuse runs a command that must be refused and fails the test unless the
// code and the message are right, stdout is empty, and nothing below top
// changed but who held the lock last, which LOCK keeps for messages.
func refuse(t *testing.T, c *exec.Cmd, top string, want refusal) {
	t.Helper()
	before := tree(t, top)
	r := finish(t, c, want.stdin)
	if r.code != want.code {
		t.Errorf("%s: exit %d, want %d\nstderr: %s", describe(c.Args[1:]), r.code, want.code, short(r.stderr))
	}
	if !regexp.MustCompile(want.stderr).MatchString(r.stderr) {
		t.Errorf("%s: stderr is %q, want it to match %q", describe(c.Args[1:]), short(r.stderr), want.stderr)
	}
	if r.stdout != "" {
		t.Errorf("%s: stdout is %q, want nothing", describe(c.Args[1:]), short(r.stdout))
	}
	if len(r.stderr) > 4096 {
		t.Errorf("%s: %d bytes on stderr, want a message", describe(c.Args[1:]), len(r.stderr))
	}
	unchanged(t, describe(c.Args[1:]), top, before, "LOCK")
}

// TestRefusalsChangeNothing: a command that is refused says why, exits as the
// contract says, and leaves every file of the database, and beside it, as it was.
func TestRefusalsChangeNothing(t *testing.T) {
	d := newReadable(t)
	dir := filepath.Dir(string(d))
	d.must(t, "", "snapshot", "save", filepath.Join(dir, "good.kvs"))
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			args := slices.Clone(c.args)
			for i, a := range args {
				args[i] = strings.Replace(a, "DIR", dir, 1)
			}
			refuse(t, d.command(t.Context(), args...), dir, c)
		})
	}
}

// TestBadInputIsRefusedWhole: an import of damaged or cut data, from a pipe, a
// file or a compressed file, exits with 7, names the place, and changes nothing.
func TestBadInputIsRefusedWhole(t *testing.T) {
	d := newReadable(t)
	dir := filepath.Dir(string(d))
	for _, c := range badInput {
		t.Run(c.format+" "+c.name, func(t *testing.T) {
			refuse(t, d.command(t.Context(), "import", "--format", c.format), dir,
				refusal{stdin: c.input, code: 7, stderr: c.place})
			file := filepath.Join(t.TempDir(), "bad."+c.format)
			if err := os.WriteFile(file, []byte(c.input), 0o600); err != nil {
				t.Fatal(err)
			}
			refuse(t, d.command(t.Context(), "import", file), dir,
				refusal{code: 7, stderr: `bad\.` + c.format + `.*(` + c.place + `)`})
		})
	}
	good := newReadable(t).must(t, "", "export", "--format", "jsonl")
	for _, suffix := range []string{"", ".gz", ".zst"} {
		t.Run("cut export.jsonl"+suffix, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cut.jsonl"+suffix)
			newReadable(t).must(t, "", "export", "-o", file)
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for size := 1; size < len(whole); size += max(len(whole)/40, 1) {
				if err := os.WriteFile(file, whole[:size], 0o600); err != nil {
					t.Fatal(err)
				}
				refuse(t, d.command(t.Context(), "import", file), dir, refusal{code: 7, stderr: `cut\.jsonl`})
			}
		})
	}
	t.Run("export with a changed byte", func(t *testing.T) {
		changed := strings.Replace(good, "Charles", "Charlez", 1)
		refuse(t, d.command(t.Context(), "import", "--format", "jsonl"), dir,
			refusal{stdin: changed, code: 7, stderr: `checksum`})
	})
}

// TestNoDatabase: where no database is, reading says so and makes none.
func TestNoDatabase(t *testing.T) {
	for _, args := range [][]string{{"get", "k"}, {"list"}, {"count"}, {"check"}, {"export"}, {"info"}, {"log", "ls"}, {"snapshot", "save", "x.kvs"}} {
		dir := t.TempDir()
		d := db(filepath.Join(dir, "missing", "test.kv"))
		c := d.command(t.Context(), args...)
		c.Dir = dir
		refuse(t, c, dir, refusal{code: 3, stderr: `test\.kv`})
	}
}

// TestOtherThingsAtThePath: a file, a directory of something else and a
// database of a newer format are refused and left alone.
func TestOtherThingsAtThePath(t *testing.T) {
	commands := [][]string{{"get", "user:1"}, {"list"}, {"set", "user:1", "x"}, {"compact"}, {"check"}}
	t.Run("file", func(t *testing.T) {
		d := newDB(t)
		if err := os.WriteFile(string(d), []byte("no database\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range commands {
			refuse(t, d.command(t.Context(), args...), string(d), refusal{code: 3, stderr: `test\.kv`})
		}
	})
	t.Run("directory of something else", func(t *testing.T) {
		d := newDB(t)
		if err := os.MkdirAll(filepath.Join(string(d), "photos"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(string(d), "notes.txt"), []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range commands {
			code := 3 // there is no database
			if args[0] == "set" {
				code = 6 // it would make one among the files of something else
			}
			refuse(t, d.command(t.Context(), args...), string(d), refusal{code: code, stderr: `test\.kv`})
		}
	})
	t.Run("newer format", func(t *testing.T) {
		d := newReadable(t)
		name := filepath.Join(string(d), "FORMAT")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, newer(t, data), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range commands {
			refuse(t, d.command(t.Context(), args...), string(d), refusal{code: 3, stderr: `newer`})
		}
	})
}

// newer is the FORMAT file that a later version would write: another number
// and the checksum that goes with it.
func newer(t *testing.T, format []byte) []byte {
	t.Helper()
	text, _, ok := bytes.Cut(format, []byte("checksum "))
	later := regexp.MustCompile(`(?m)^format \d+$`).ReplaceAll(text, []byte("format 99"))
	if !ok || bytes.Equal(later, text) {
		t.Fatalf("no version or no checksum in FORMAT: %q", format)
	}
	return fmt.Appendf(nil, "%schecksum %08x\n", later, crc32.ChecksumIEEE(later))
}

// TestReadOnlyDirectory: a user who may not write reads, and writing is
// refused with the reason.
func TestReadOnlyDirectory(t *testing.T) {
	d := newReadable(t)
	var prefix []string
	if os.Getuid() == 0 { // root may write everywhere: become nobody
		need(t, "setpriv")
		prefix = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	}
	for path, mode := range modes(t, string(d)) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	as := func(args ...string) *exec.Cmd {
		words := slices.Concat(prefix, []string{program, "-d", string(d)}, args)
		c := exec.Command(words[0], words[1:]...)
		c.Env = environment("/nonexistent")
		return c
	}
	if r := finish(t, as("--version"), ""); r.code != 0 {
		t.Skipf("another user cannot run the program here: %s", short(r.stderr))
	}
	before := tree(t, string(d))
	for _, args := range reading {
		if r := finish(t, as(args...), ""); r.code > 1 {
			t.Errorf("%s without the right to write: exit %d\nstderr: %s", describe(args), r.code, short(r.stderr))
		}
	}
	unchanged(t, "reading without the right to write", string(d), before)
	for _, args := range [][]string{{"set", "k", "v"}, {"del", "user:1"}, {"incr", "n"}} {
		refuse(t, as(args...), string(d), refusal{code: 3, stderr: `permission denied`})
	}
}

// modes returns the mode of each file below a path for a directory that can
// only be read, and opens the way to it.
func modes(t *testing.T, top string) map[string]os.FileMode {
	t.Helper()
	found := map[string]os.FileMode{}
	for path := range tree(t, top) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		found[path] = 0o444
		if info.IsDir() {
			found[path] = 0o555
		}
	}
	for dir := filepath.Dir(top); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		found[dir] = 0o755
	}
	t.Cleanup(func() { // else the directory of the test cannot be removed
		for path, mode := range found {
			_ = os.Chmod(path, mode|0o200)
		}
	})
	return found
}
