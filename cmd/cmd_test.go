package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kvsh/engine"
	"kvsh/format"
	"kvsh/repl"
)

// usersWishes are the variables that change what kvsh does. The tests set those
// they need, and their result is the same for everybody.
var usersWishes = []string{
	"KVSH_DB", keysVariable, "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
	"PAGER", "LESS", "VISUAL", "EDITOR", "NO_COLOR", "CLICOLOR_FORCE",
}

// inTime is the variable with which a test has the program take no longer, and say
// when it does, as it is for people. Without it all is as on a fast machine.
const inTime = "KVSH_TEST_IN_TIME"

func TestMain(m *testing.M) {
	if !strings.HasPrefix(filepath.Base(os.Args[0]), "kvsh") { // else a test runs this, as the program
		for _, name := range usersWishes {
			os.Unsetenv(name)
		}
	}
	testscript.Main(m, map[string]func(){
		"kvsh": func() {
			if os.Getenv(inTime) == "" {
				slowCommand, levelsTime = time.Hour, time.Hour
			}
			os.Exit(Main(os.Args[1:]))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("KVSH_DB", e.Getenv("WORK")+"/t.kv")
			e.Setenv("HOME", e.Getenv("WORK"))
			e.Setenv("KVSH_TAB_TIME", "1h")
			examples, err := filepath.Abs("../scripts/handlers")
			e.Setenv("HANDLERS", examples)
			return err
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      expectCode,
			"addto":     addTo,
			"flip":      flip,
			"fliptable": flipTable,
			"flipblock": flipBlock,
		},
	})
}

// expectCode is the script command "code N PROGRAM ARGS…": the program ends
// with the exit code N.
func expectCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// addTo is the script command "addto FILE FROM": the content of a file follows
// that of another.
func addTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: addto FILE FROM")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_APPEND, 0)
	ts.Check(err)
	_, err = f.WriteString(ts.ReadFile(args[1]))
	ts.Check(errors.Join(err, f.Close()))
}

// flip is the script command "flip FILE OFFSET": one bit of the file changes.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	b[offset] ^= 0x10
	ts.Check(os.WriteFile(name, b, 0o600))
}

// flipTable is the script command "fliptable DB": one bit of its only table
// changes.
func flipTable(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fliptable DB")
	}
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "tables", "*.kvt"))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%s has %d tables, want 1", args[0], len(names))
	}
	flip(ts, false, []string{names[0], "20"})
}

// flipBlock is the script command "flipblock DB keys|values": one bit changes
// in the first such part of the only table of the database.
func flipBlock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flipblock DB keys|values")
	}
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "tables", "*.kvt"))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%s has %d tables, want 1", args[0], len(names))
	}
	at := int64(0)
	ts.Check(engine.Inspect(context.Background(), nil, names[0], 0, func(p engine.Piece) bool {
		at = p.Offset
		return p.What != args[1]
	}))
	flip(ts, false, []string{names[0], fmt.Sprint(at)})
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errNo, 1},
		{engine.ErrNotFound, 1},
		{engine.ErrConflict, 1},
		{answerNo("differs"), 1},
		{usagef("what"), 2},
		{&repl.SyntaxError{}, 2},
		{engine.ErrInvalid, 2},
		{engine.ErrTooLarge, 2},
		{os.ErrPermission, 3},
		{&missingError{"x.kv"}, 3},
		{syscall.ENOSPC, 3},
		{engine.ErrUnavailable, 3},
		{engine.ErrUnknownOutcome, 3},
		{fmt.Errorf("%w: %w", engine.ErrUnknownOutcome, context.Canceled), 3},
		{&engine.CorruptError{}, 4},
		{&engine.BusyError{}, 5},
		{engine.ErrReadOnly, 6},
		{engine.ErrExists, 6},
		{engine.ErrUnsupported, 6},
		{&refusedError{}, 6},
		{&format.InputError{}, 7},
		{&format.InputError{Err: syscall.EIO}, 3},
		{&format.InputError{Err: context.Canceled}, 130},
		{format.ErrNUL, 7},
		{format.ErrEnvName, 7},
		{context.DeadlineExceeded, 124},
		{context.Canceled, 130},
		{syscall.EPIPE, 141},
		{errTerminated, 143},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("get: %w", err)
		}
		if got := exitCode(err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

// testSession is a session on a store in memory that holds a few keys.
func testSession(t *testing.T) (s *Session, out, errs *bytes.Buffer) {
	t.Helper()
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	s = NewSession(Streams{In: strings.NewReader("in"), Out: out, Err: errs, Getenv: func(string) string { return "" }})
	s.set.DB = memoryName
	s.door = doorScript
	for _, line := range []string{"mset user:1 Ada user:2 Alan visits 7 text abc notes:1 n session:1 s", "--cf drafts set d 1"} {
		if err := s.runLine(t.Context(), strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, out, errs
}

// A line means the same with the tree of commands and around it.
func TestHotLinesAreTheSame(t *testing.T) {
	lines := [][]string{
		{"get", "user:1"},
		{"get", "user:1", "none", "user:2"},
		{"get", "none"},
		{"get", ""},
		{"get"},
		{"set", "a", "1"},
		{"set", "a", "-1"},
		{"set", "", "x"},
		{"set", "a"},
		{"set", "a", "b", "c"},
		{"set", "-x", "1"},
		{"exists", "user:1"},
		{"exists", "user:1", "none"},
		{"exists", "--", "user:1"},
		{"del", "user:1"},
		{"del", "none"},
		{"del", "user:1", "user:1", "none"},
		{"del", "--strict", "none"},
		{"append", "text", "-d"},
		{"append", "new", ""},
		{"mset", "a", "1", "b", "-2"},
		{"mset", "a", "1", "b"},
		{"incr", "visits"},
		{"incr", "text"},
		{"incr", "new"},
		{"incr", "visits", "-9"},
		{"set", strings.Repeat("k", engine.MaxKeySize+1), "v"},
	}
	hot := 0
	for _, inTx := range []bool{false, true} {
		for _, line := range lines {
			run := func(warm bool) string {
				s, out, errs := testSession(t)
				if inTx {
					if err := s.begin(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				var err error
				handled := false
				if warm {
					if handled, err = s.runHot(t.Context(), line); handled {
						hot++
					}
				}
				if !handled {
					err = s.execute(t.Context(), newRoot(s, line), line)
				}
				if err != nil {
					s.report(err)
				}
				state := exitCode(s.runLine(t.Context(), []string{"list", "-m", "kvsh"}))
				s.out.Flush()
				return fmt.Sprint(exitCode(err), state, out.String(), errs.String())
			}
			if warm, cold := run(true), run(false); warm != cold {
				t.Errorf("%q (transaction %v) = %q around the tree, %q with it", line, inTx, warm, cold)
			}
		}
	}
	if hot < len(lines) {
		t.Errorf("only %d of %d lines went around the tree", hot, 2*len(lines))
	}
}

// The flags of a line end with it.
func TestFlagsEndWithTheLine(t *testing.T) {
	s, _, _ := testSession(t)
	before := fmt.Sprint(s.set)
	for _, line := range []string{"get --json -n user:1", "set --rev a 1", "--cf drafts -q get d", "get --bad", "list --help"} {
		_ = s.runLine(t.Context(), strings.Fields(line))
		if after := fmt.Sprint(s.set); after != before {
			t.Errorf("settings after %q = %v, want %v", line, after, before)
		}
	}
}

// A command that fails halfway leaves nothing in the open transaction.
func TestFailedCommandLeavesNothingQueued(t *testing.T) {
	s, _, _ := testSession(t)
	if err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{
		{"mset", "a", "1", strings.Repeat("k", engine.MaxKeySize+1), "2"},
		{"mset", "--if-absent", "a", "1", "text", "2"},
		{"del", "--strict", "text", "none"},
		{"mv", "text", "visits"},
	} {
		if err := s.runLine(t.Context(), line); err == nil {
			t.Errorf("%.40q has no error", line)
		}
		if n := s.tx.Writes(); n != 0 {
			t.Errorf("after %.40q the transaction holds %d writes, want 0", line, n)
		}
	}
}

// What a command says comes out before it waits for more input.
func TestOutputBeforeInput(t *testing.T) {
	in, feed := io.Pipe()
	read, out := io.Pipe()
	done := make(chan int)
	go func() {
		done <- Run(context.Background(), []string{"-d", memoryName}, Streams{
			In: in, Out: out, Err: io.Discard, Getenv: func(string) string { return "" },
		})
	}()
	fmt.Fprintln(feed, "set a 1; get a")
	b := make([]byte, 2)
	if _, err := io.ReadFull(read, b); err != nil || string(b) != "1\n" {
		t.Errorf("read %q, %v, want %q", b, err, "1\n")
	}
	feed.Close()
	if code := <-done; code != exitYes {
		t.Errorf("Run = %d, want 0", code)
	}
}

// A commit that was overtaken is a "no" that the exit code of the script tells,
// also when later commands went well.
func TestConflictShowsInTheExitCode(t *testing.T) {
	s, _, errs := testSession(t)
	// The script asks for its second line when its first one is done.
	overtake := readFunc(func([]byte) (int, error) {
		_, err := s.store.Update(t.Context(), func(tx engine.Tx) error {
			return tx.Set(t.Context(), "text", []byte("theirs"))
		})
		if err != nil {
			t.Error(err)
		}
		return 0, io.EOF
	})
	s.In = io.MultiReader(strings.NewReader("begin; get text; set text mine\n"), overtake, strings.NewReader("commit; get text\n"))
	err := s.runDoor(t.Context())
	if code := exitCode(err); code != exitNo || !strings.Contains(errs.String(), "changed by another transaction") {
		t.Errorf("script = %v with %q, want exit 1 and the conflict", err, errs)
	}
}

// Reads that were sent together may be answered from one state; one that was
// sent after an answer sees what was written before that.
func TestReadsSentLaterSeeNewerStates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.kv")
	db, err := engine.Open(t.Context(), path, engine.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	in, feed := io.Pipe()
	read, out := io.Pipe()
	done := make(chan int)
	go func() {
		done <- Run(context.Background(), []string{"-d", path}, Streams{
			In: in, Out: out, Err: io.Discard, Getenv: func(string) string { return "" },
		})
	}()
	for i := range 20 {
		value := fmt.Sprintf("%03d", i)
		if _, err := db.Update(t.Context(), func(tx engine.Tx) error {
			return tx.Set(t.Context(), "a", []byte(value))
		}); err != nil {
			t.Fatal(err)
		}
		// The write in between begins a new state for the reads behind it.
		want := fmt.Sprintf("%[1]s\n%[1]s\n%[1]s\n%[2]d\n", value, i)
		if i == 0 {
			want = fmt.Sprintf("%[1]s\n%[1]s\n%[1]s\n", value)
		}
		fmt.Fprintf(feed, "get a\nget a; get a\nget b\nset b %d\n", i+1)
		b := make([]byte, len(want))
		if _, err := io.ReadFull(read, b); err != nil || string(b) != want {
			t.Fatalf("round %d: read %q, %v, want %q", i, b, err, want)
		}
	}
	feed.Close()
	if code := <-done; code != exitYes {
		t.Errorf("Run = %d, want 0", code)
	}
}

// A read behind a write on the same line sees it, also where reads before it
// were answered together.
func TestReadsSeeTheirOwnWrites(t *testing.T) {
	s, out, errs := testSession(t)
	s.set.commands = []string{"cget text; get text; set text new; get text; get text; exists text; exists none; get none; get text"}
	err := s.runDoor(t.Context())
	s.out.Flush()
	if want := "abc\nabc\nnew\nnew\nnew\n"; err != nil || out.String() != want {
		t.Errorf("script = %v with %q and %q, want %q", err, out, errs, want)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
