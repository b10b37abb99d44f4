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
	codes  []int  // exit codes that are right
	stderr string // what stderr must match
}

// refusals is what a good database must refuse. It holds the keys of
// newReadable.
var refusals = []refusal{
	{"empty key", "", []string{"set", "", "v"}, []int{2, 7}, `empty key`},
	{"empty key to read", "", []string{"get", ""}, []int{2, 7}, `empty key`},
	{"key too long", "", []string{"set", strings.Repeat("k", 65_536), "v"}, []int{2, 7}, `65,?536.*65,?535`},
	{"value too long", strings.Repeat("v", 32<<20+1), []string{"set", "k"}, []int{2, 7}, `large|limit`},
	{"unknown flag", "", []string{"get", "--bogus", "user:1"}, []int{2}, `--bogus`},
	{"unknown command", "", []string{"gte", "user:1"}, []int{2}, `gte`},
	{"no key", "", []string{"get"}, []int{2}, `.`},
	{"key without a value", "", []string{"mset", "a", "1", "b"}, []int{2}, `.`},
	{"missing key", "", []string{"get", "user:9"}, []int{1}, `get "user:9": key not found`},
	{"not a number", "", []string{"incr", "user:1"}, []int{2}, `user:1`},
	{"overflow", "", []string{"-c", "begin; set n 9223372036854775807; incr n; commit"}, []int{2}, `.`},
	{"clear without -y", "", []string{"clear"}, []int{6}, `-y`},
	{"delete of a selection without -y", "", []string{"del", "--prefix", "user:"}, []int{6}, `-y`},
	{"read-only", "", []string{"--readonly", "set", "k", "v"}, []int{6}, `read-only`},
	{"condition not met", "", []string{"set", "--if-absent", "user:1", "v"}, []int{1}, ``},
	{"wrong value", "", []string{"set", "--if-value", "x", "user:1", "v"}, []int{1}, ``},
	{"target exists", "", []string{"mv", "user:1", "user:2"}, []int{6}, `user:2`},
	{"revision to come", "", []string{"get", "--at", "99999", "user:1"}, []int{1, 2, 3}, `99999|revision`},
	{"open quote", "set user:1 'x\n", nil, []int{2}, `1:\d+|line 1`},
	{"open transaction", "begin\nset user:1 x\n", nil, []int{2}, `transaction`},
	{"atomic script that fails", "set user:1 x\nset user:2 y\nbogus\n", []string{"--atomic"}, []int{2}, `(3:|line 3)`},
	{"import cut in a line", `{"key":"a","value":"1"}` + "\n" + `{"key":"b","val`, []string{"import", "--format", "jsonl"}, []int{7}, `line 2|:2`},
	{"import of a bad line", `{"key":"a","value":"1"}` + "\nnonsense\n", []string{"import", "--format", "jsonl"}, []int{7}, `line 2|:2`},
	{"import that conflicts", `{"key":"user:1","value":"1"}` + "\n", []string{"import", "--format", "jsonl", "--on-conflict", "fail"}, []int{1, 6, 7}, `user:1`},
	{"restore onto a database", "", []string{"snapshot", "restore", "/dev/null", "--to", "DB"}, []int{3, 4, 6}, `.`},
}

// refuse runs a command that must be refused and fails the test unless the
// code and the message are right, stdout is empty, and nothing below top
// changed but who held the lock last, which LOCK keeps for messages.
func refuse(t *testing.T, c *exec.Cmd, top string, want refusal) {
	t.Helper()
	before := tree(t, top)
	r := finish(t, c, want.stdin)
	if !slices.Contains(want.codes, r.code) {
		t.Errorf("%s: exit %d, want one of %v\nstderr: %s", describe(c.Args[1:]), r.code, want.codes, short(r.stderr))
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
// contract says, and leaves every file of the database as it was.
func TestRefusalsChangeNothing(t *testing.T) {
	d := newReadable(t)
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "unknown command" {
				needCommand(t, c.args...)
			}
			args := slices.Clone(c.args)
			for i, a := range args {
				if a == "DB" {
					args[i] = string(d)
				}
			}
			refuse(t, d.command(t.Context(), args...), string(d), c)
		})
	}
}

// TestNoDatabase: where no database is, reading says so and makes none.
func TestNoDatabase(t *testing.T) {
	for _, args := range [][]string{{"get", "k"}, {"list"}, {"count"}, {"check"}, {"export"}, {"info"}, {"log", "ls"}, {"history", "k"}, {"snapshot", "save", "x.kvs"}} {
		if !hasCommand(t, args...) {
			continue
		}
		dir := t.TempDir()
		d := db(filepath.Join(dir, "missing", "test.kv"))
		c := d.command(t.Context(), args...)
		c.Dir = dir
		refuse(t, c, dir, refusal{codes: []int{3}, stderr: `test\.kv`})
	}
}

// TestOtherThingsAtThePath: a file, a directory of something else and a
// database of a newer format are refused and left alone.
func TestOtherThingsAtThePath(t *testing.T) {
	commands := [][]string{{"get", "user:1"}, {"list"}, {"set", "user:1", "x"}, {"check"}}
	if hasCommand(t, "repair") {
		commands = append(commands, []string{"repair", "--apply"})
	}
	t.Run("file", func(t *testing.T) {
		d := newDB(t)
		if err := os.WriteFile(string(d), []byte("no database\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range commands {
			refuse(t, d.command(t.Context(), args...), string(d), refusal{codes: []int{3, 4, 6}, stderr: `test\.kv`})
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
			refuse(t, d.command(t.Context(), args...), string(d), refusal{codes: []int{3, 4, 6}, stderr: `test\.kv`})
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
			refuse(t, d.command(t.Context(), args...), string(d), refusal{codes: []int{3, 4, 6}, stderr: `newer`})
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
		if !hasCommand(t, args...) {
			continue // TestReadingWritesNothing says so
		}
		if r := finish(t, as(args...), ""); r.code > 1 {
			t.Errorf("%s without the right to write: exit %d\nstderr: %s", describe(args), r.code, short(r.stderr))
		}
	}
	unchanged(t, "reading without the right to write", string(d), before)
	for _, args := range [][]string{{"set", "k", "v"}, {"del", "user:1"}, {"incr", "n"}} {
		refuse(t, as(args...), string(d), refusal{codes: []int{3, 6}, stderr: `permission denied|read-only`})
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
