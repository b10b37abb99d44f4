//go:build linux

package blackbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An exitRow is a command line for sh and how it ends.
type exitRow struct {
	code   int
	line   string
	stderr string // what it must match; empty: nothing is said
	stdout string // all of it

	stdin  string         // what is there to be read, and then its end unless waits is set
	writes bool           // files may change; else none does but LOCK, which notes who held the lock last
	waits  bool           // stdin stays open
	signal syscall.Signal // sent once all of stdin was taken and all of stdout came
	closed bool           // the reader of stdout reads a line and goes; more may follow in it
}

// exitRows is section "Exit codes" of the contract, by examples. They run in a
// directory with, all of them made by newExitWorld:
//
//	test.kv     user:1 Ada King, user:2 Charles Babbage, import:1 one, import:2 two; the database unless another is named
//	good.kvs    a snapshot of it
//	many.kv     20,000 keys
//	odd.kv      a key and a value with NUL
//	held.kv     somebody else writes it, and holds its lock "turn"
//	bad.kv      one bit of its log is wrong
//	good.csv    user:1 x
//	bad.csv     a quote is open in line 3
//	cut.jsonl   an export without its last bytes
//	meanwhile   an editor while which somebody else sets user:1
var exitRows = []exitRow{
	// 0: done, yes.
	{code: 0, line: "kvsh get -n user:1", stdout: "Ada King\n"},
	{code: 0, line: "kvsh exists user:1 user:2"},
	{code: 0, line: "kvsh list 'none*'"},
	{code: 0, line: "kvsh count --prefix user:", stdout: "2\n"},
	{code: 0, line: "kvsh set user:3 Grace", writes: true},
	{code: 0, line: "kvsh incr visits", stdout: "1\n", writes: true},
	{code: 0, line: "kvsh", stdin: "get user:9; get user:1\n", stdout: "Ada King\n", stderr: `stdin:1:1: get "user:9": key not found`},
	{code: 0, line: "kvsh lock turn -- true", writes: true},

	// 1: no.
	{code: 1, line: "kvsh get user:9", stderr: `^kvsh: get "user:9": key not found\n$`},
	{code: 1, line: "kvsh get -n user:9 user:1", stdout: "Ada King\n", stderr: `^kvsh: get "user:9": key not found\n$`},
	{code: 1, line: "kvsh exists user:1 user:9"},
	{code: 1, line: "kvsh set --if-absent user:1 x", stderr: `^kvsh: set "user:1": key exists`},
	{code: 1, line: "kvsh set --if-value x user:1 y", stderr: `^kvsh: set "user:1": value differs`},
	{code: 1, line: "kvsh set --if-rev 1 user:1 y", stderr: `^kvsh: set "user:1": .*revision 2, not 1`},
	{code: 1, line: "kvsh set --if-exists user:9 y", stderr: `^kvsh: set "user:9": key not found`},
	{code: 1, line: "kvsh mset --if-absent new 1 user:1 2", stderr: `user:1`},
	{code: 1, line: "kvsh del user:9", stdout: "0\n", stderr: `^kvsh: del "user:9": key not found`},
	{code: 1, line: "kvsh del --strict user:1 user:9", stderr: `user:9`},
	{code: 1, line: "kvsh del -y --prefix none", stdout: "0\n"},
	{code: 1, line: "kvsh mv user:9 user:10", stderr: `user:9`},
	{code: 1, line: "kvsh ttl user:9", stderr: `^kvsh: ttl "user:9": key not found`},
	{code: 1, line: "kvsh grep nothing"},
	{code: 1, line: "kvsh show user:9", stderr: `user:9`},
	{code: 1, line: "kvsh log show 99", stderr: `99`},
	{code: 1, line: "EDITOR=true kvsh edit user:1", stderr: `unchanged`},
	{code: 1, line: "kvsh -c 'get user:1; get user:9'", stdout: "Ada King\n", stderr: `-c:1:13: get "user:9": key not found`},
	{code: 1, line: "kvsh -f -", stdin: "begin; get user:1; exec none -- kvsh set user:1 theirs; set user:1 mine; commit\n", writes: true, stdout: "Ada King\n", stderr: `commit: .*changed by another transaction`},

	// 2: usage or script errors.
	{code: 2, line: "kvsh gte user:1", stderr: `^kvsh: unknown command "gte"\nhint: did you mean "get"\?\n$`},
	{code: 2, line: "kvsh get", stderr: `^kvsh: get: KEY is missing\nhint: usage: get `},
	{code: 2, line: "kvsh list --prefx u", stderr: `unknown flag --prefx\nhint: did you mean --prefix`},
	{code: 2, line: "kvsh -m loud list", stderr: `unknown mode "loud"`},
	{code: 2, line: "kvsh list --regex '('", stderr: `--regex`},
	{code: 2, line: "kvsh set '' x", stderr: `empty key`},
	{code: 2, line: "kvsh incr user:1", stderr: `^kvsh: incr "user:1": .*integer`},
	{code: 2, line: "kvsh incr user:9 one", stderr: `"one"`},
	{code: 2, line: "kvsh begin", stderr: `-c 'begin`},
	{code: 2, line: "kvsh lock turn", stderr: `CMD is missing`},
	{code: 2, line: "kvsh -c 'set user:1 \"x'", stderr: `^kvsh: -c:1:12: quote " is not closed\n$`},
	{code: 2, line: "kvsh", stdin: "begin\nset user:1 x\n", stderr: `the script ends within a transaction: 1 write discarded`},
	{code: 2, line: "kvsh --atomic", stdin: "set user:1 x\nbogus\n", stderr: `^kvsh: stdin:2:1: unknown command "bogus"(?s:.*)discarded with 1 write`},
	{code: 2, line: "kvsh -k", stdin: "bogus\nget user:1\nimport none.csv\n", stdout: "Ada King\n", stderr: `stdin:1:1: unknown(?s:.*)stdin:3:1: import`},
	{code: 2, line: "kvsh config colour red", stderr: `colour`},

	// 3: the system does not let it.
	{code: 3, line: "kvsh none.kv get a", stderr: `^kvsh: get "a": no database at none\.kv\nhint: `},
	{code: 3, line: "kvsh none/none.kv set a 1", stderr: `none`},
	{code: 3, line: "kvsh import none.csv", stderr: `^kvsh: import.*none\.csv: no such file`},
	{code: 3, line: "kvsh set --file none a", stderr: `none: no such file`},
	{code: 3, line: "kvsh -f none", stderr: `none: no such file`},
	{code: 3, line: "kvsh export -o none/x.jsonl", stderr: `none`},
	{code: 3, line: "kvsh list >/dev/full", stderr: `no space left`},
	{code: 3, line: "kvsh export >/dev/full", stderr: `no space left`},
	{code: 3, line: "EDITOR=false kvsh edit user:1", stderr: `nothing was written`},
	{code: 3, line: "kvsh ./good.csv get a", stderr: `good\.csv`},

	// 4: damaged.
	{code: 4, line: "kvsh bad.kv get a", stderr: `log/0+1: damaged at byte \d+ .*checksum(?s:.*)hint: .*kvsh bad.kv check`},
	{code: 4, line: "kvsh bad.kv set a 1", stderr: `damaged at byte`},
	{code: 4, line: "kvsh bad.kv compact", stderr: `damaged at byte`},
	{code: 4, line: "kvsh check bad.kv", stdout: anything, stderr: `damaged at byte`},
	{code: 4, line: "kvsh bad.kv -c 'version; get a; version'", stdout: anything, stderr: `-c:1:10: get "a": .*damaged at byte`},

	// 5: busy.
	{code: 5, line: "kvsh held.kv --wait 0 set a 1", stderr: `locked by process \d+(?s:.*)hint: --wait 30s`},
	{code: 5, line: "kvsh held.kv --wait 10ms -c 'begin; set a 1; commit'", stderr: `locked by`},
	{code: 5, line: "kvsh held.kv --wait 0 compact", stderr: `locked by`, writes: true}, // tables that nobody uses, and removes them
	{code: 5, line: "kvsh held.kv --wait 0 lock turn -- true", stderr: `locked by`},

	// 6: refused.
	{code: 6, line: "kvsh --readonly set user:1 x", stderr: `read-only`},
	{code: 6, line: "kvsh good.kvs set user:1 x", stderr: `read-only`},
	{code: 6, line: "kvsh del --prefix user:", stderr: `needs -y to delete 2 keys with prefix user:`},
	{code: 6, line: "kvsh clear", stderr: `needs -y`},
	{code: 6, line: "kvsh mv user:1 user:2", stderr: `user:2`},
	{code: 6, line: "kvsh init", stderr: `test\.kv`},
	{code: 6, line: "kvsh snapshot save good.kvs", stderr: `good\.kvs`},
	{code: 6, line: "kvsh snapshot restore good.kvs", stderr: `test\.kv`},
	{code: 6, line: "kvsh --safe import good.csv", stderr: `--safe`},
	{code: 6, line: "kvsh --safe lock turn -- true", stderr: `--safe`},
	{code: 6, line: "kvsh import --on-conflict fail good.csv", stderr: `user:1`},
	{code: 6, line: "EDITOR=./meanwhile kvsh edit user:1", stderr: `your text is in(?s:.*)changed by somebody meanwhile`, writes: true},

	// 7: bad input data.
	{code: 7, line: "kvsh import bad.csv", stderr: `bad\.csv:3`},
	{code: 7, line: "kvsh import cut.jsonl", stderr: `cut\.jsonl`},
	{code: 7, line: "kvsh import --format jsonl", stdin: "{\"key\":\"a\",\"value\":\"1\"}\nnonsense\n", stderr: `:2|line 2`},
	{code: 7, line: "kvsh odd.kv list -0", stderr: `NUL`},
	{code: 7, line: "kvsh list -m env", stderr: `import:1`},
	{code: 7, line: "kvsh exec -- true", stderr: `import:1`},
	{code: 7, line: "kvsh odd.kv watch --from 1 -- true", stderr: `NUL`},

	// The program's own, with those of sh for one that cannot be run.
	{code: 9, line: "kvsh lock turn -- sh -c 'exit 9'", writes: true},
	{code: 9, line: "kvsh exec none -- sh -c 'exit 9'"},
	{code: 9, line: "kvsh -q watch --from 1 -- sh -c 'exit 9'"},
	{code: 9, line: "kvsh -c 'exec none -- sh -c \"exit 9\"; set user:1 x'"},
	{code: 137, line: "kvsh lock turn -- sh -c 'kill -9 $$'", writes: true},
	{code: 126, line: "kvsh exec none -- ./good.csv", stderr: `permission denied`},
	{code: 126, line: "kvsh lock turn -- ./good.csv", stderr: `permission denied`, writes: true},
	{code: 127, line: "kvsh exec none -- no-such-program", stderr: `no-such-program`},
	{code: 127, line: "kvsh watch --from 1 -- no-such-program", stderr: `no-such-program`},

	// 124: --timeout.
	{code: 124, line: "kvsh --timeout 50ms watch", stderr: `time is up`},
	{code: 124, line: "kvsh --timeout 50ms lock turn -- sleep 1000", stderr: `time is up`, writes: true},
	{code: 124, line: "kvsh --timeout 50ms set user:1", waits: true, stderr: `time is up`},
	{code: 124, line: "kvsh --timeout 50ms import --format csv", stdin: "key,value\na,1\n", waits: true, stderr: `time is up`},
	{code: 124, line: "kvsh --timeout 50ms", waits: true, stderr: `time is up`},
	{code: 124, line: "kvsh held.kv --timeout 50ms set a 1", stderr: `time is up`},

	// 130: Ctrl-C, and 143: SIGTERM.
	{code: 130, signal: syscall.SIGINT, line: "kvsh watch --from 1 -m kvsh --prefix import:2", stdout: anything, stderr: `^kvsh: interrupted\n$`},
	{code: 130, signal: syscall.SIGINT, line: "kvsh lock turn -- sh -c 'echo ready; exec sleep 1000'", stdout: "ready\n", writes: true},
	{code: 130, signal: syscall.SIGINT, line: "kvsh", stdin: "set user:3 x; get user:1\n", stdout: "Ada King\n", waits: true, stderr: `interrupted`, writes: true},
	{code: 130, signal: syscall.SIGINT, line: "kvsh --atomic", stdin: "set user:1 x; get user:1\n", stdout: "x\n", waits: true, stderr: `interrupted`},
	{code: 130, signal: syscall.SIGINT, line: "kvsh import --format csv", stdin: "key,value\n" + manyRows, waits: true, stderr: `interrupted`},
	{code: 130, signal: syscall.SIGINT, line: "kvsh set user:1", stdin: manyRows, waits: true, stderr: `interrupted`},
	{code: 143, signal: syscall.SIGTERM, line: "kvsh watch --from 1 --prefix import:2", stdout: anything, stderr: `^kvsh: terminated\n$`},
	{code: 143, signal: syscall.SIGTERM, line: "kvsh lock turn -- sh -c 'echo ready; exec sleep 1000'", stdout: "ready\n", writes: true},
	{code: 143, signal: syscall.SIGTERM, line: "kvsh import --format csv", stdin: "key,value\n" + manyRows, waits: true, stderr: `terminated`},
	{code: 143, signal: syscall.SIGTERM, line: "kvsh", stdin: "begin; set user:1 x; get user:1\n", stdout: "x\n", waits: true, stderr: `terminated`},

	// 141: nobody reads any more, and nothing is said.
	{code: 141, closed: true, line: "kvsh many.kv get $(seq -f many:%08.0f 0 19999)"}, // watches no signals
	{code: 141, closed: true, line: "kvsh many.kv list"},
	{code: 141, closed: true, line: "kvsh many.kv list -v -m jsonl"},
	{code: 141, closed: true, line: "kvsh many.kv export"},
	{code: 141, closed: true, line: "kvsh many.kv export --format csv"},
	{code: 141, closed: true, line: "kvsh many.kv grep v"},
	{code: 141, closed: true, line: "kvsh many.kv -c 'list; set late x'"},
	{code: 141, closed: true, line: "kvsh many.kv -k --atomic -c 'set early x; list; set late x'"},
}

// manyRows is rows of CSV that are more than the pipe and the buffers of the
// program hold together, so that it has read of them when all are written.
var manyRows = strings.Repeat("some key,and a value\n", 100_000)

// newExitWorld makes the directory that exitRows names.
func newExitWorld(t *testing.T) string {
	t.Helper()
	d := newReadable(t)
	dir := filepath.Dir(string(d))
	in := func(name string) db { return db(filepath.Join(dir, name)) }
	d.must(t, "", "snapshot", "save", string(in("good.kvs")))
	var many strings.Builder
	many.WriteString("key,value\n")
	for i := range 20_000 {
		fmt.Fprintf(&many, "many:%08d,value\n", i)
	}
	in("many.kv").must(t, many.String(), "import", "--format", "csv")
	in("odd.kv").must(t, "", "-c", `set "a\0b" "c\0d"`)
	in("held.kv").must(t, "", "set", "a", "0")
	in("held.kv").must(t, "", "lock", "turn", "--", "true")
	for i := range 3 {
		in("bad.kv").must(t, "", "set", "a", fmt.Sprint(i))
	}
	segment := filepath.Join(dir, "bad.kv", "log", "00000000000000000001")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	data[80] ^= 1
	meanwhile := "#!/bin/sh\necho mine >\"$1\"\nexec kvsh set user:1 theirs\n"
	if err := os.WriteFile(filepath.Join(dir, "meanwhile"), []byte(meanwhile), 0o700); err != nil {
		t.Fatal(err)
	}
	export := d.must(t, "", "export")
	for name, text := range map[string]string{
		segment:                         string(data),
		filepath.Join(dir, "good.csv"):  "key,value\nuser:1,x\n",
		filepath.Join(dir, "bad.csv"):   "key,value\na,1\n\"b,2\n",
		filepath.Join(dir, "cut.jsonl"): export[:len(export)-20],
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hold takes a lock of a file until the test ends.
func hold(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		t.Cleanup(func() { f.Close() })
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestExitCodes: a command ends with the code that the contract names, says on
// stderr why, prints on stdout what it has to say and nothing else, and unless
// it was to write it leaves all files alone.
func TestExitCodes(t *testing.T) {
	world := newExitWorld(t)
	codes := map[int]int{}
	for _, row := range exitRows {
		codes[row.code]++
		t.Run(fmt.Sprintf("%d %s", row.code, row.line), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(world)); err != nil {
				t.Fatal(err)
			}
			hold(t, filepath.Join(dir, "held.kv", "LOCK"))
			hold(t, filepath.Join(dir, "held.kv", "locks", "turn"))
			before := tree(t, dir)
			r := row.run(t, dir)
			row.check(t, r)
			if !row.writes {
				unchanged(t, row.line, dir, before, "LOCK")
			}
		})
	}
	for _, code := range []int{0, 1, 2, 3, 4, 5, 6, 7, 124, 126, 127, 130, 141, 143} {
		if codes[code] < 2 {
			t.Errorf("exit code %d has %d rows, want 2 or more", code, codes[code])
		}
	}
}

// run runs the line in a directory.
func (row exitRow) run(t *testing.T, dir string) result {
	t.Helper()
	words := row.line
	if !strings.Contains(words, "EDITOR=") {
		words = "exec " + words // so that a signal reaches the program
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", words)
	c.Dir = dir
	c.Env = append(environment(dir), "KVSH_DB=test.kv", "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	var stderr bytes.Buffer
	c.Stderr = &stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(commandLimit, func() { _ = c.Process.Kill() })
	defer hung.Stop()
	if _, err := io.WriteString(in, row.stdin); err != nil {
		t.Logf("stdin: %v", err) // it ended without reading all
	}
	if !row.waits {
		in.Close()
	}
	stdout := row.read(t, out, c.Process)
	err = c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout, stderr.String(), c.ProcessState.ExitCode()}
}

// anything stands for lines of stdout that differ from run to run.
const anything = "ANY"

// read reads stdout to its end, or as far as the reader of the row does, and
// sends the signal of the row in its moment.
func (row exitRow) read(t *testing.T, out io.ReadCloser, p *os.Process) string {
	t.Helper()
	lines := bufio.NewReader(out)
	first := ""
	if row.closed || row.stdout == anything {
		first, _ = lines.ReadString('\n')
	} else if row.signal != 0 {
		b := make([]byte, len(row.stdout))
		n, _ := io.ReadFull(lines, b)
		first = string(b[:n])
	}
	if row.closed {
		out.Close()
		return first
	}
	if row.signal != 0 {
		if err := p.Signal(row.signal); err != nil {
			t.Fatal(err)
		}
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	return first + string(rest)
}

// check fails the test unless the line ended as the row says.
func (row exitRow) check(t *testing.T, r result) {
	t.Helper()
	if r.code != row.code {
		t.Errorf("exit %d, want %d\nstderr: %s", r.code, row.code, short(r.stderr))
	}
	switch {
	case row.stderr == "" && r.stderr != "":
		t.Errorf("stderr is %q, want nothing", short(r.stderr))
	case !regexp.MustCompile(row.stderr).MatchString(r.stderr):
		t.Errorf("stderr is %q, want it to match %q", short(r.stderr), row.stderr)
	}
	switch {
	case row.closed || row.stdout == anything:
		if !strings.HasSuffix(r.stdout, "\n") {
			t.Errorf("stdout is %q, want a line or more", short(r.stdout))
		}
	case r.stdout != row.stdout:
		t.Errorf("stdout is %q, want %q", short(r.stdout), row.stdout)
	}
}
