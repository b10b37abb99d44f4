package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kvsh/repl/screentest"
)

// shellProcess is the shell as a process of its own, on a database that is not
// there yet, with a home of its own.
func shellProcess(t *testing.T, environment ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	p := exec.Command("kvsh", filepath.Join(dir, "t.kv"))
	p.Env = append(append(os.Environ(), "HOME="+dir, "TERM=xterm-256color", "NO_COLOR=1"), environment...)
	return p
}

// atShell starts the shell at a terminal and waits for its prompt.
func atShell(t *testing.T, environment ...string) (*screentest.Terminal, *exec.Cmd) {
	t.Helper()
	p := shellProcess(t, environment...)
	term := screentest.Start(t, 60, 16, p)
	term.WaitLine("t.kv> |")
	return term, p
}

// do types a command and waits for the prompt behind what it says last.
func do(t *testing.T, term *screentest.Terminal, line, says string) {
	t.Helper()
	term.Finish(line + "\r")
	term.Wait(says+" and a prompt", func(s screentest.Screen) bool {
		return s.Row > 0 && strings.HasPrefix(s.Line(), "t.kv") && strings.HasSuffix(s.Line(), ">") && s.Rows[s.Row-1] == says
	})
}

func TestShellCommands(t *testing.T) {
	term, p := atShell(t)
	do(t, term, "set user:1 'Ann 世'", "OK rev 1")
	do(t, term, "get user:1", "Ann 世")
	do(t, term, "get user:1 | printf abc", "abc%") // the mark of a newline that is not there
	do(t, term, "set k 'two\rlines'", "OK rev 2")
	do(t, term, "get k", "lines")
	do(t, term, "bogus", `hint: "help" lists the commands`)
	term.Type("get 'user:1\r")
	term.WaitLine("    … |")
	term.Finish("\x03")
	term.WaitLine("t.kv> |")
	term.Finish("begin\r")
	term.WaitLine("t.kv(tx:0)> |")
	term.Finish("set a 1\r")
	term.WaitLine("t.kv(tx:1)> |")
	term.Finish("exit\r")
	term.WaitText("leave and discard 1 queued write? [y/N]")
	term.Finish("n\r")
	term.WaitLine("t.kv(tx:1)> |")
	term.Type("\x0c")
	term.Wait("only the prompt", func(s screentest.Screen) bool { return s.Row == 0 && s.Rows[0] == "t.kv(tx:1)>" })
	term.Finish("\x04")
	term.WaitText("leave and discard 1 queued write? [y/N]")
	term.Finish("\x04") // the second time it is meant
	if err := p.Wait(); err != nil {
		t.Errorf("the shell ended with %v, want nil", err)
	}
	term.WaitOutput("the open transaction was discarded with 1 write")
}

// A question is answered on the line of the editor, and Ctrl-C is a no.
func TestShellAsks(t *testing.T) {
	term, _ := atShell(t)
	do(t, term, "set a 1", "OK rev 1")
	term.Finish("clear\r")
	term.Wait("a question", func(s screentest.Screen) bool { return strings.HasSuffix(s.Line(), "[y/N]") })
	term.Finish("'\r") // no quote of a command
	term.WaitText("kvsh: clear: not done")
	term.WaitLine("t.kv> |")
	term.Finish("clear\r")
	term.Wait("a question", func(s screentest.Screen) bool { return strings.HasSuffix(s.Line(), "[y/N]") })
	term.Finish("y\r")
	term.WaitText("OK rev 2")
}

// Ctrl-C ends the command that runs and not the shell.
func TestShellInterruptsCommand(t *testing.T) {
	term, p := atShell(t)
	do(t, term, "set a 1", "OK rev 1")
	term.Finish("watch\r")
	for n := 2; ; n++ { // the watch begins at some moment
		set := exec.Command("kvsh", p.Args[1], "set", "seen", "by-watch")
		if out, err := set.CombinedOutput(); err != nil {
			t.Fatalf("set: %v\n%s", err, out)
		}
		if strings.Contains(term.Output(), "by-watch") {
			break
		}
		if n == 10_000 {
			t.Fatalf("watch shows nothing:\n%s", term.Screen())
		}
	}
	term.TypeNow("\x03")
	term.WaitLine("t.kv> |")
	do(t, term, "get a", "1")
}

// Ctrl-Z stops the shell as it stops any program, and fg brings the line back.
func TestShellSuspends(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	p := shellProcess(t, "PS1=$ ")
	p.Path, p.Args = bash, []string{bash, "--norc", "--noprofile", "-i"}
	term := screentest.Start(t, 60, 16, p)
	term.WaitLine("$ |")
	// In a program that bash runs typed text shows, and lines are lines.
	cooked := func(n int) {
		t.Helper()
		term.Type(fmt.Sprintf("clear; echo look %d; stty -a | grep -o -- '-*icanon'\r", n))
		term.Wait("the mode of the terminal", func(s screentest.Screen) bool {
			return s.Rows[0] == fmt.Sprint("look ", n) && s.Rows[1] == "icanon" && s.Line() == "$"
		})
	}
	for n := range 2 {
		term.Type("kvsh t.kv\r")
		term.WaitLine("t.kv> |")
		term.Type("get 世\x1b[D\x1a")
		term.WaitText("Stopped")
		term.WaitLine("$ |")
		cooked(2 * n)
		term.Type("fg\r")
		term.WaitLine("t.kv> get |世")
		term.Type("\x15\x0bexit\r")
		term.WaitLine("$ |")
		cooked(2*n + 1)
	}
}

// SIGTERM ends the shell while it waits for a line, and the terminal is given
// back.
func TestShellTerminated(t *testing.T) {
	term, p := atShell(t)
	term.Type("get a")
	term.WaitLine("t.kv> get a|")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 143 {
		t.Errorf("after SIGTERM the shell ends with %v, want exit status 143", err)
	}
	term.WaitOutput("\x1b[?2004l")
}

// Tab completes commands, flags and keys, a level of keys at a time.
func TestShellCompletes(t *testing.T) {
	term, _ := atShell(t)
	do(t, term, "mset user:1:name a user:1:mail b user:2 c 'user:3 x' d other e", "OK rev 1")
	for _, step := range []struct{ keys, want string }{
		{"coun\t", "t.kv> count |"},
		{"\x15get us\t", "t.kv> get user:|"},
		{"1\t", "t.kv> get user:1:|"},
		{"\x15get user:3\t", "t.kv> get 'user:3 x' |"},
		{"\x15get 'user:3\t", "t.kv> get 'user:3 x' |"},
		{"\x15get \"user:3\t", "t.kv> get 'user:3 x' |"},
		{"\x15get --defa\t", "t.kv> get --default |"},
		{"\x15get -m quo\t", "t.kv> get -m quoted |"},
		{"\x15snapshot verif\t", "t.kv> snapshot verify |"},
		{"\x15get nothing\t", "t.kv> get nothing|"},
		{"\x15", "t.kv> |"},
	} {
		term.Type(step.keys)
		term.WaitLine(step.want)
	}
	term.Type("get \t")
	term.WaitText("  other")
	term.Type("\t")
	term.WaitText("> other")
	term.Type("\r")
	term.WaitLine("t.kv> get other |")
	term.Type("user:\t")
	term.WaitText("  user:1:")
	term.WaitText("  'user:3 x'")
	term.Type("\x1b[Z")
	term.WaitText("> 'user:3 x'")
	term.Type("\x1b[A\x1b[A\t\t") // up to the first, and down again
	term.WaitText("> 'user:3 x'")
	term.Type("\x07")
	term.Wait("no menu", func(s screentest.Screen) bool { return s.Rows[s.Row+1] == "" })
}

// Colours and hints are there, unless somebody does not want them.
func TestShellColours(t *testing.T) {
	term, _ := atShell(t, "NO_COLOR=")
	term.Type("set")
	term.WaitLine("t.kv> set| KEY [VALUE]")
	term.WaitOutput("\x1b[1mset")
	term.Type(" 'a b' 1")
	term.WaitOutput("\x1b[32m'a b'")
	term.WaitOutput("\x1b[33m1")
	term.Finish("\r")
	term.WaitText("OK rev 1")
	term.WaitLine("t.kv> |")
	term.Type("set 'a")
	term.WaitLine("t.kv> set 'a| b' 1")
	term.Type("\x1bf")
	term.WaitLine("t.kv> set 'a b|' 1")
	term.Finish("\x05\x7f2\r")
	term.WaitText("OK rev 2")
	term.WaitLine("t.kv> |")
	term.Type("bogus")
	term.WaitOutput("\x1b[31mbogus")
}

// Ctrl-X Ctrl-E hands the line to an editor; Enter runs what comes back.
func TestShellEditsLine(t *testing.T) {
	if _, err := exec.LookPath("sed"); err != nil {
		t.Skip("no sed here, which is the editor")
	}
	term, _ := atShell(t, "VISUAL=sed -i 's/one/two/;$a # more'")
	term.Type("set k one\x18\x05")
	term.Wait("the edited line", func(s screentest.Screen) bool { return strings.HasSuffix(s.Line(), "# more") })
	term.Finish("\r")
	term.WaitText("OK rev 1")
	do(t, term, "get k", "two")
	// What is typed meanwhile is the editor's, also when it reads it later.
	signal := filepath.Join(t.TempDir(), "typed")
	reading, _ := atShell(t, `VISUAL=f() { echo ready; until [ -e `+signal+` ]; do :; done; read -r x; echo "$x" >"$1"; }; f`)
	reading.Type("\x18\x05")
	reading.WaitText("ready")
	reading.TypeNow("exists\rk")
	reading.WaitText("exists\nk")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	reading.WaitLine("t.kv> existsk|")
	failing, _ := atShell(t, "VISUAL=false")
	failing.Type("get k\x18\x05")
	failing.WaitText("exit status 1")
	failing.WaitLine("t.kv> get k|")
}

// Two shells share a history file and lose nothing.
func TestShellsShareHistory(t *testing.T) {
	state := t.TempDir()
	one, _ := atShell(t, "XDG_STATE_HOME="+state)
	two, _ := atShell(t, "XDG_STATE_HOME="+state)
	do(t, one, "set a 'x\ry'", "OK rev 1")
	do(t, two, "set b 2", "OK rev 1")
	do(t, one, " set secret 1", "OK rev 2")
	do(t, one, "get a", "y")
	file := filepath.Join(state, "kvsh", "history")
	b, err := os.ReadFile(file)
	if want := "set a 'x\\ny'\nset b 2\nget a\n"; err != nil || string(b) != want {
		t.Errorf("history = %q, %v, want %q", b, err, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the history = %v, %v, want 0600", info.Mode(), err)
	}
	three, _ := atShell(t, "XDG_STATE_HOME="+state)
	three.Type("\x1b[A\x1b[A")
	three.WaitLine("t.kv> set b 2|")
}
