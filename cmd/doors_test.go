package cmd

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"kvsh/repl"
)

// doorLines are lines that mean the same at every door, in a directory that
// doorFiles describes. The groups are those of the contract.
var doorLines = []string{
	// Words.
	`get -n "sp ace"`, `get -n 'sp ace'`, `get -n sp" "'ace'`, `get -n "b\x00\xff"`, `get -n "\u{1F600}"`, `set k "x\ty\r\n\0\\\""`,
	`set k ''`, `set k ""`, `set k 'a;b#c|d>e'`, `set k a#b`, `set k x # comment`, `set "" v`, `get`, `get ''`, `set k "{\"a\":[1,2]}"`,

	// Flags before the first key, and --.
	"set k -1", "set k --x", "set -x", "set -- -k v", "set -- --if-absent v", "append a -b", "incr n -5", "incr -5", "mset p -1 q --x",
	"get -n -- a", "get a -n", "get -- -n", "list -- 'a*'", "del -- -k", "exists a --bad", "list 'a*' --limit 1", "mv a z --force", "mv -f a b",

	// Unknown things.
	"bogus", "bogus --bad", "GET a", "get --bad a", "list --limit x", "list --limit -1", "check --bad", "cf nope", "log", "snapshot",
	"--bogus get a", "-Z get a", "--limit 1 list", "--reverse list", "--modes raw get a", "log --limit 1 ls", "log --json show --bad", "--mode", "-d",
	"get --mode", "set a b c", "get --default", "-m loud list", "-m loud get a", "--wait soon set a 1", "commit", "rollback",

	// Reading.
	"get -n a", "get -n none", "get -n a none b", "get -n --default dflt none", "get --json a none", "get -0 a b", "get -m quoted a",
	"get -m hex a", "get -m env a", "get -m kvsh a", "get -m table a", "get -m pretty a", "get -m csv a b", "get -m tsv a", "get -m json a b",
	"--cf drafts get -n d", "--cf drafts get -n a", "--cf none get -n a", "get -n gone", "exists a", "exists a none", "exists gone",
	"list", "ls", "list -l", "list -v", "list -lv", "list -v -m quoted", "list -m jsonl", "list -m json", "list -v -m csv", "list -0",
	"list -v -m hex", "list -m kvsh", "list -m pretty -l", "list -m table", "list -v -m env", "--cf drafts list -v", "--json list -l",
	"count", "count 'a*'", "count --json", "count gone", "ttl a", "ttl t", "ttl none", "ttl -m jsonl t",
	"show a", "show t", "show none", "show --hex a", "show --json a", "tree", "tree u --depth 1", "tree --sep /", "tree --json",
	"grep 1", "grep -i ADA", "grep -l 1", "grep -F . ", "grep '('", "grep none", "grep A --json 'u:*'", "hash", "hash --json",

	// Selectors, alone and together.
	"list 'u:*'", "list 'u:[12]'", "list '?'", "list '[a'", `list '\a'`, "list --prefix u:", "list --suffix 1", "list --contains :",
	"list --regex '^[ab]$'", "list --regex '('", "list --from b", "list --to b", "list --from b --to u", "list --from u --to b",
	"list --limit 2", "list --after b --limit 2", "list --reverse", "list --reverse --after u --limit 2", "list --limit 0",
	"list '*1' --prefix u: --from u:1 --to v --limit 5 --reverse", "count --prefix u: --suffix 1", "count 'u*' --prefix a",
	"grep . --prefix u:", "tree --prefix u", "export --prefix u: --limit 1", "exec 'a' -- /bin/true",

	// Writing.
	"set k v", "set a v", "set --if-absent a 2", "set --if-absent k 2", "set --if-exists a 2", "set --if-exists k 2", "set --if-value 4 a 5",
	"set --if-value 5 a 5", "set --if-rev 4 a 5", "set --if-rev 1 a 5", "set --if-rev 0 k 5", "set --if-absent gone 5", "set --if-exists gone 5",
	"set --if-rev 0 gone 5", "set --if-absent --if-exists a 1", "set --ttl 1h k v", "set --ttl 0s k v", "set --ttl 5 k v", "set -n --old a 9",
	"set --old k 9", "set --rev a 9", "set --old --rev a 9", "set --expires-at 2030-01-01T00:00:00Z k v", "set --file value k", "set --file none k",
	"mset p 1 q 2", "mset p 1 q", "mset --if-absent p 1 q 2", "mset --if-absent p 1 a 2 u:1 3", "mset --rev p 1", "mset p 1 p 2", "mset",
	"del a", "del none", "del a none", "del a a", "del --strict a none", "del --strict a b", "del --prefix u:", "del -y --prefix u:",
	"del -y --prefix none", "del a --prefix u", "del --rev a", "del", "rm a", "clear", "clear -y", "clear -y 'u:*'", "clear -y none",
	"incr n", "incr n 5", "incr new", "incr a x", "incr u:1", "incr n 9223372036854775807", "incr --json n", "append a b", "append k v",
	"append --json a b", "append a ''", "ttl a 1h", "ttl t none", "ttl a soon", "ttl none 1h", "ttl t 0s", "mv a z", "mv a b", "mv -f a b",
	"mv none z", "mv a a", "cp a z", "cp t z", "cp a b", "cp -f a b", "cp none z", "--cf drafts set k v", "--cf new set k v", "--cf drafts del d",
	"edit none --bad",

	// What all commands take.
	"--dry-run set a 2", "--dry-run del a", "--dry-run clear", "--dry-run mset a 1 b 2", "--dry-run incr n", "--dry-run mv a z", "--readonly set a 1",
	"--readonly get -n a", "--readonly del none", "--readonly clear -y", "-q set --if-absent a 2", "-q get none", "-q --dry-run set a 2",
	"--safe import x.csv", "--safe export -o x", "--safe set --file value k", "--safe exec a -- true", "--timeout 1h get -n a",
	"--timer get -n a", "--wait 0 set a 1", "-d none.kv get a", "-d none.kv list", "-d none.kv set a 1", "-d t.kv.kvs get -n a", "-d t.kv.kvs set a 1",
	"-d mem: list", "-d mem: incr n", "--no-color list", "-nq get a", "--help", "get --help", "help", "help get", "help log show", "help bogus",
	"set k --help",

	// In and out.
	"export", "export --format csv", "export --format kvsh", "export --format tsv", "export --format json", "export --format env", "export --format yaml",
	"export -o out.jsonl", "export -o out.csv.gz", "export -o none/x", "import users.csv", "import users.jsonl", "import bad.csv", "import none.csv",
	"import --on-conflict fail users.csv", "import --on-conflict keep users.csv", "import --add-prefix x: users.csv", "import --format yaml users.csv",
	"--dry-run import users.csv", "import --json users.csv", "watch --from 1 --limit 3", "watch --from 2 --limit 1 -m jsonl", "watch --from 1 --limit 1 -- true",
	"watch --from 0", "watch --", "exec a b -- true", "exec a --", "exec a -- false", "exec 'u:*' -- true", "exec none -- sh -c 'exit 9'",
	"exec none -- no-such-program", "lock job -- sh -c 'exit 7'", "lock .job -- true", "lock job",

	// The database as a whole.
	"cf ls", "cf rm drafts", "cf rm -y drafts", "cf rm -y none", "use", "use drafts", "init", "-d new.kv init", "check", "check --deep", "check none.kv",
	"log ls", "log show", "log show 2", "log show 2..3", "log show 99", "log show x", "log show --json", "log show --hex 2", "log verify",
	"snapshot ls", "snapshot ls /nowhere", "snapshot verify t.kv.kvs", "snapshot verify users.csv", "snapshot save t.kv.kvs", "snapshot save new.kvs",
	"snapshot restore t.kv.kvs", "-d new.kv snapshot restore t.kv.kvs", "snapshot restore none.kvs --to new.kv", "config", "config sync", "config sync never",
	"config sync sometimes", "config colour", "config --json", "compact", "compact --dry-run", "compact --keep 0s", "compact --keep soon", "info",
	"info --json", "version", "version --json", "man get", "completion fish", "completion tcsh", "shell x",

	// More than one command.
	"begin; set a 9; get a; rollback; get a", "begin; set k 1; incr k; commit; get k", "begin; commit", "begin; mset p 1 q 2; list; commit --rev",
	"begin; del -y --prefix u:; count; commit; count", "use drafts; list; set k v; use ''; list", "get a; get b;; get none; get a", "set k 'a\nb'; get k",
}

// doorFiles makes the files that doorLines are about, in the working directory.
func doorFiles(t *testing.T) {
	t.Helper()
	script := `mset a 1 b 2 n 41 u:1 Ada u:2 "Alan\nTuring" "sp ace" x "b\0\xff" "\xff\0"; --cf drafts set d 3; compact; set a 4; ` +
		`set --ttl 1h t v; set --ttl 1ns gone x; set "\u{1F600}" smile; snapshot save t.kv.kvs`
	if code, _, errs := invoke(t, script, "-d", "t.kv"); code != exitYes {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for name, text := range map[string]string{
		"users.csv":   "key,value\na,Kay\nu:9,Kay\n",
		"users.jsonl": `{"key":"u:9","value":"Kay"}` + "\n",
		"bad.csv":     "key,value\na,1\n\"b\n",
		"value":       "of a file\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A doorRun is what a line did.
type doorRun struct {
	code      int
	out, errs string
	files     map[string]string // what stateOf says of them
}

// differsAt are the lines that mean something else by one way, with the reason.
var differsAt = map[string]map[string]string{
	"the prompt": { // which shows no exit code
		"exists a": "says yes", "exists a none": "says no", "exists gone": "says no",
		"help": "is brief", "help get": "is brief", "help log show": "is brief",
	},
	"arguments": {
		"use": "a choice ends with its process", "use drafts": "a choice ends with its process",
		"help": "has the flags that stand without a command", "--help": "has the flags that stand without a command",
	},
}

// A doorWay is a way to give a line to the program.
type doorWay struct {
	name string
	run  func(t *testing.T, line string, streams Streams) int
}

// doorWays are the ways there are, each in a pipe or, with the streams of one, at
// a terminal.
var doorWays = []doorWay{
	{"-c", func(t *testing.T, line string, streams Streams) int {
		return Run(t.Context(), []string{"-d", "t.kv", "-c", line}, streams)
	}},
	{"-f", func(t *testing.T, line string, streams Streams) int {
		if err := os.WriteFile("script", []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove("script")
		return Run(t.Context(), []string{"-d", "t.kv", "-f", "script"}, streams)
	}},
	{"stdin", func(t *testing.T, line string, streams Streams) int {
		streams.In = strings.NewReader(line + "\r\n")
		return Run(t.Context(), []string{"-d", "t.kv", "-f", "-"}, streams)
	}},
	{"the prompt", runAtPrompt},
	{"arguments", func(t *testing.T, line string, streams Streams) int {
		commands, err := repl.Split(nil, line, repl.ScriptDoor)
		if err != nil {
			t.Fatal(err)
		}
		return Run(t.Context(), append([]string{"-d", "t.kv"}, commands[0].Texts(nil)...), streams)
	}},
}

// runAtPrompt runs a line as the shell does. The shell itself always ends well,
// so the exit code is that of the last error which it reports.
func runAtPrompt(t *testing.T, line string, streams Streams) (code int) {
	t.Helper()
	s := NewSession(streams)
	s.set.DB, s.door = "t.kv", doorShell
	if s.ask != nil {
		s.ask = func(string) (string, error) { return "", io.EOF }
	}
	loop := repl.Shell{
		Editor: repl.NewPlainEditor(strings.NewReader(line+"\n"), io.Discard),
		Prompt: s.prompt,
		Do: func(_ string, c repl.Command) bool {
			err := s.runExpanded(t.Context(), c, c.Texts(nil))
			code = exitCode(err)
			if err != nil {
				s.report(err)
			}
			return false
		},
		Syntax: func(source string, err *repl.SyntaxError) { s.reportSyntax(source, err) },
	}
	if err := loop.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return code
}

// runDoorLine runs a line in the working directory.
func runDoorLine(t *testing.T, line string, terminal bool, run func(*testing.T, string, Streams) int) doorRun {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t, line, Streams{
		In: strings.NewReader(""), Out: &out, Err: &errs,
		InTerminal: terminal, OutTerminal: terminal, ErrTerminal: terminal,
		Width:  func() int { return 80 },
		Getenv: func(string) string { return "" },
		Ask:    func(string) (string, error) { return "", io.EOF },
	})
	return doorRun{code: code, out: out.String(), errs: errs.String()}
}

// stateOf is what must be the same in the working directory by every way: the
// bytes of the log of t.kv and of other files, and the digest of each database.
// A database has random numbers of its own, and in the names of its tables.
func stateOf(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	state := map[string]string{}
	for path, text := range files {
		top, below, inside := strings.Cut(path, string(filepath.Separator))
		switch {
		case inside && strings.HasSuffix(top, ".kv"), strings.HasSuffix(top, ".kvs"):
			if state[top] == "" {
				_, state[top], _ = invoke(t, "", "-d", top, "hash")
			}
			if top == "t.kv" && strings.HasPrefix(below, "log") {
				state[path] = text
			}
		default:
			state[path] = text
		}
	}
	return state
}

// afresh makes the files of the working directory those of another.
func afresh(t *testing.T, from string) {
	t.Helper()
	names, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(".", os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// readTree is the contents of all files below a directory but LOCK and those
// of locks, which say who had them last.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" || strings.Contains(path, "locks") {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			path, err = filepath.Rel(dir, path)
		}
		found[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// different says in what a run is not what another one was, or nothing.
func (r doorRun) different(want doorRun) string {
	var b strings.Builder
	if r.code != want.code {
		fmt.Fprintf(&b, "exit code %d, want %d\n", r.code, want.code)
	}
	if r.out != want.out {
		fmt.Fprintf(&b, "stdout %q, want %q\n", r.out, want.out)
	}
	if r.errs != want.errs {
		fmt.Fprintf(&b, "stderr %q, want %q\n", r.errs, want.errs)
	}
	names := maps.Clone(want.files)
	maps.Copy(names, r.files)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if r.files[name] != want.files[name] {
			fmt.Fprintf(&b, "%s is %.300q, want %.300q\n", name, r.files[name], want.files[name])
		}
	}
	return b.String()
}

// A line means the same by every door: what it prints, what it says, its exit
// code, and the files afterwards. Only the place before an error, and how hints
// name commands, tell the doors apart. The clock stands still, so that even the times are the same.
func TestLinesMeanTheSameAtEveryDoor(t *testing.T) {
	// What the process keeps for ever, like the decompressor, must not be made
	// within the bubble: other tests use it, too.
	t.Chdir(t.TempDir())
	doorFiles(t)
	base := t.TempDir()
	work := t.TempDir()
	t.Chdir(base)
	synctest.Test(t, func(t *testing.T) {
		doorFiles(t)
		files := readTree(t, base)
		t.Chdir(work)
		afresh(t, base)
		for _, terminal := range []bool{false, true} {
			for _, line := range doorLines {
				compareDoors(t, base, files, line, terminal)
			}
		}
	})
}

// place is where an error of a script happened.
var place = regexp.MustCompile(`(?m)^kvsh: (-c|script|stdin):1:\d+: `)

func compareDoors(t *testing.T, base string, files map[string]string, line string, terminal bool) {
	t.Helper()
	commands, err := repl.Split(nil, line, repl.ScriptDoor)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var first doorRun
	for i, way := range doorWays {
		if way.name == "arguments" && len(commands) > 1 || terminal && (way.name == "-f" || way.name == "stdin") {
			continue
		}
		got := runDoorLine(t, line, terminal, way.run)
		got.errs = place.ReplaceAllString(got.errs, "kvsh: ")
		// In the shell a command that a hint names has no "kvsh" before it.
		got.errs = strings.ReplaceAll(got.errs, "\"kvsh ", "\"")
		if after := readTree(t, "."); !maps.Equal(after, files) {
			got.files = stateOf(t, after)
			afresh(t, base)
		}
		if i == 0 {
			first = got
			continue
		}
		d, reason := got.different(first), differsAt[way.name][line]
		switch {
		case d != "" && reason == "":
			t.Errorf("%s by %s (terminal %v), compared with %s:\n%s", line, way.name, terminal, doorWays[0].name, d)
		case d == "" && reason != "":
			t.Errorf("%s by %s is the same, want it to differ: %s", line, way.name, reason)
		}
	}
}

// What a terminal and the doors do change is the newline behind a value, and
// that a write says OK.
func TestWhatTheDoorsChange(t *testing.T) {
	base := t.TempDir()
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		way, line        string
		pipe, terminal   string // stdout
		pipeSays, ttySay string // stderr
	}{
		{"arguments", "get a", "4", "4\n", "", ""},
		{"-c", "get a", "4\n", "4\n", "", ""},
		{"-f", "get a", "4\n", "4\n", "", ""},
		{"stdin", "get a", "4\n", "4\n", "", ""},
		{"the prompt", "get a", "4\n", "4\n", "", ""},
		{"arguments", "get -n a", "4\n", "4\n", "", ""},
		{"arguments", "get -0 a", "4\x00", "4\\0", "", ""},
		{"-c", "get -0 a", "4\x00", "4\\0", "", ""},
		{"arguments", "set --old a 5", "4", "4\n", "", "OK rev 7\n"},
		{"arguments", "set --old --rev a 5", "4\n7\n", "4\n7\n", "", ""},
		{"the prompt", "set a 5", "", "", "", "OK rev 7\n"},
		{"-c", "set a 5; incr n", "42\n", "42\n", "", "OK rev 7\nOK rev 8\n"},
		{"-c", "begin; set a 5; commit", "", "", "", "queued\nOK rev 7\n"},
		{"-c", "-q set a 5", "", "", "", ""},
	} {
		i := slices.IndexFunc(doorWays, func(w doorWay) bool { return w.name == c.way })
		afresh(t, base)
		doorFiles(t)
		if got := runDoorLine(t, c.line, false, doorWays[i].run); got.out != c.pipe || got.errs != c.pipeSays {
			t.Errorf("%s by %s in a pipe = %q, %q, want %q, %q", c.line, c.way, got.out, got.errs, c.pipe, c.pipeSays)
		}
		afresh(t, base)
		doorFiles(t)
		if got := runDoorLine(t, c.line, true, doorWays[i].run); got.out != c.terminal || got.errs != c.ttySay {
			t.Errorf("%s by %s at a terminal = %q, %q, want %q, %q", c.line, c.way, got.out, got.errs, c.terminal, c.ttySay)
		}
	}
}
