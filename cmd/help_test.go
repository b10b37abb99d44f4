package cmd

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"kvsh/repl"
)

// walk calls fn for every command of the tree.
func walk(c *cobra.Command, fn func(*cobra.Command)) {
	fn(c)
	for _, child := range c.Commands() {
		walk(child, fn)
	}
}

// Every command has help that says what it does, its exit codes and two
// examples, in lines that fit a terminal of 80 columns.
func TestHelp(t *testing.T) {
	s, _, _ := testSession(t)
	walk(newRoot(s, nil), func(c *cobra.Command) {
		var page bytes.Buffer
		writeHelp(&page, c)
		for line := range strings.Lines(page.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > helpWidth {
				t.Errorf("help of %q: %d columns: %q", commandName(c), n, line)
			}
		}
		if !c.HasParent() || c.HasSubCommands() {
			return
		}
		if c.Annotations["exits"] == "" {
			t.Errorf("help of %q has no exit codes", commandName(c))
		}
		if n := strings.Count(c.Example, "kvsh "); n < 2 {
			t.Errorf("help of %q has %d examples, want 2 or more", commandName(c), n)
		}
	})
}

// exampleFiles are what examples read. Beside them are the example handlers and
// a database, t.kv, which is the one to use, with its snapshot backup.kvs, and
// its backups in a directory.
var exampleFiles = map[string]string{
	"users.jsonl": `{"key":"user:9","value":"Kay"}` + "\n",
	"users.csv":   "key,value\n9,Kay\n",
}

// exampleLines write what is in the database of examples.
const exampleLines = `mset user:1 Ada user:2 Alan visits 7 text abc notes:1 n session:1 s
--cf drafts set d 1
set text abd
set text abc
set account:ada 100
handler add transfer transfer.star
handler add ratelimit ratelimit.star
snapshot save backup.kvs
snapshot save backups
set text abe
snapshot save backups --log-only`

// exampleQuarantine is what a torn write left in that database.
const exampleQuarantine = `kvsh quarantine 1
file log/00000000000000000001
offset 56
length 3
time 2026-11-21T07:43:58Z
reason cut inside a record

abc`

// Every example in the help of every command does what it is to show.
func TestExamples(t *testing.T) {
	base := t.TempDir()
	if err := os.CopyFS(base, os.DirFS("../scripts/handlers")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(base)
	for file, data := range exampleFiles {
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("backups", 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := invoke(t, exampleLines, "-d", "t.kv"); code != exitYes {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if err := os.WriteFile("t.kv/quarantine/00000000000000000001.56", []byte(exampleQuarantine), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, _ := testSession(t)
	walk(newRoot(s, nil), func(c *cobra.Command) {
		for example := range strings.Lines(c.Example) {
			runExample(t, base, commandName(c), strings.TrimSpace(example))
		}
	})
}

// runExample runs one example of help in a copy of a directory.
func runExample(t *testing.T, base, name, example string) {
	t.Helper()
	commands, err := repl.Split(nil, example, repl.ShellDoor)
	if err != nil || len(commands) != 1 || commands[0].Words[0].Text != "kvsh" {
		t.Errorf("example of %q does not call kvsh: %q, %v", name, example, err)
		return
	}
	if _, err := exec.LookPath("sed"); err != nil && name == "edit" {
		t.Logf("SKIP %s: no sed here, which is the editor", example)
		return
	}
	t.Chdir(t.TempDir())
	if err := os.CopyFS(".", os.DirFS(base)); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	environment := map[string]string{"KVSH_DB": "t.kv", "EDITOR": "sed -i s/./X/"}
	code := Run(t.Context(), commands[0].Texts(nil)[1:], Streams{
		In: strings.NewReader(""), Out: &out, Err: &errs, InTerminal: name == "shell",
		Getenv: func(name string) string { return environment[name] },
		Editor: func(*Session) (repl.Editor, error) {
			return repl.NewPlainEditor(strings.NewReader("count\nexit\n"), io.Discard), nil
		},
	})
	// The exit code of diff is an answer, and its examples have something to show.
	if code != exitYes && !(name == "diff" && code == exitNo) {
		t.Errorf("example %q ends with %d: %s", example, code, &errs)
	}
}
