package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kvsh/repl/screentest"
)

// kvshOutput is what a process of kvsh writes to stdout.
func kvshOutput(t *testing.T, args ...string) string {
	t.Helper()
	p := exec.Command("kvsh", args...)
	p.Stderr = os.Stderr
	out, err := p.Output()
	if err != nil {
		t.Fatalf("kvsh %q: %v", args, err)
	}
	return string(out)
}

// A paste of many lines with tabs is not run before Enter, and then its bytes
// are those that were pasted.
func TestShellPaste(t *testing.T) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("\t%d\tcolumn\t世界 %d\t", i, i*i))
	}
	value := strings.Join(lines, "\n")
	term, p := atShell(t)
	// Terminals send a carriage return for each end of a line.
	term.Type("\x1b[200~set first 1\rset k '" + strings.ReplaceAll(value, "\n", "\r") + "'\x1b[201~")
	term.Wait("the end of the paste", func(s screentest.Screen) bool { return strings.HasSuffix(s.Line(), "'") })
	if err := exec.Command("kvsh", p.Args[1], "exists", "first").Run(); err == nil {
		t.Error("a command of the paste ran before Enter")
	}
	term.Finish("\r")
	term.WaitText("OK rev 2")
	term.WaitLine("t.kv> |")
	if got := kvshOutput(t, p.Args[1], "get", "k"); got != value {
		t.Errorf("get k = %d bytes that begin %.80q, want the %d bytes that were pasted", len(got), got, len(value))
	}
	term.Type("\x1b[A") // all of it is one entry of the history
	term.Wait("the paste once more", func(s screentest.Screen) bool { return strings.HasSuffix(s.Line(), "998001     '") })
	term.Type("\x1b[1;5H")
	term.Wait("its first line", func(s screentest.Screen) bool { return strings.HasPrefix(s.Line(), "t.kv> set first 1") })
}

// What is typed while a command runs is there when its prompt comes.
func TestShellTypeAheadOfCommand(t *testing.T) {
	term, _ := atShell(t)
	do(t, term, "set a 1", "OK rev 1")
	signal := filepath.Join(t.TempDir(), "go")
	term.Finish("get a | { echo ready; until [ -e " + signal + " ]; do sleep 0.01; done; }\r")
	term.WaitText("\nready")
	term.TypeNow("get a\rget ")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	term.WaitText("t.kv> get a\n1\n")
	term.WaitLine("t.kv> get |")
	// What stands behind Enter is for the program that the line runs, also when
	// it was there before the shell read that Enter.
	term.Finish("\x15.shell read x && echo \"[$x]\"\nfor the program\nget ")
	term.WaitText("\n[for the program]\n")
	term.WaitLine("t.kv> get |")
}

// Ctrl-Z while a command runs stops it with the shell, and fg lets it go on.
func TestShellSuspendsCommand(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	p := shellProcess(t, "PS1=$ ")
	p.Path, p.Args = bash, []string{bash, "--norc", "--noprofile", "-i"}
	p.Dir = t.TempDir()
	term := screentest.Start(t, 60, 16, p)
	term.WaitLine("$ |")
	term.Type("kvsh t.kv\r")
	term.WaitLine("t.kv> |")
	do(t, term, "set a 1", "OK rev 1")
	term.Type("watch --from 1\r")
	term.WaitText("set  a")
	term.TypeNow("\x1a")
	term.WaitText("Stopped")
	term.WaitLine("$ |")
	term.Type("kvsh t.kv set b 2; fg\r") // which is not locked out by the shell
	term.WaitText("set  b")
	term.TypeNow("\x03")
	term.WaitLine("t.kv> |")
	do(t, term, "get b", "2")
}

// Without TERM, as with a dumb one, not one escape code is sent.
func TestShellTerm(t *testing.T) {
	for _, environment := range []string{"TERM=dumb", "TERM=", "-TERM"} {
		p := shellProcess(t, "NO_COLOR=", environment)
		if environment == "-TERM" {
			p.Env = slices.DeleteFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "TERM=") || v == environment })
		}
		term := screentest.Start(t, 60, 16, p)
		term.WaitText("t.kv>")
		term.TypeNow("mset a 1 b 2\rlist -l\rget none\rbogus\rget 'a\r'\rclear\rn\r")
		term.WaitText("kvsh: clear: not done")
		term.TypeNow("\x04")
		if err := p.Wait(); err != nil {
			t.Errorf("%s: the shell ended with %v, want nil", environment, err)
		}
		if out := term.Output(); strings.Contains(out, "\x1b") || strings.Contains(out, "\u009b") {
			t.Errorf("%s: output has an escape code: %q", environment, out)
		}
	}
}

// NO_COLOR and --no-color leave out every colour, also in menus and searches.
// What moves the cursor stays.
func TestShellNoColour(t *testing.T) {
	colour := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, environment := range []string{"NO_COLOR=1", "NO_COLOR="} {
		term, _ := atShell(t, environment)
		do(t, term, "mset aa 1 ab 2", "OK rev 1")
		term.Type("get 'a'; bogus # x\x15get \t")
		term.WaitText("\n  aa")
		term.Type("\t")
		term.WaitText("\n> aa")
		term.Type("\x07\x15\x12mset")
		term.WaitLine("(search) mset: |mset aa 1 ab 2")
		term.Finish("\x07list -l\r")
		term.WaitText("\nab")
		coloured := colour.MatchString(term.Output())
		if want := environment == "NO_COLOR="; coloured != want {
			t.Errorf("with %s colours = %v, want %v", environment, coloured, want)
		}
	}
}

// On a terminal of 20 columns everything can be done, and no row is wider.
func TestShellNarrow(t *testing.T) {
	term := screentest.Start(t, 20, 16, shellProcess(t))
	term.WaitLine("t.kv> |")
	term.Type("set user:1 0123456789")
	term.Wait("the line on two rows", func(s screentest.Screen) bool {
		return s.Row > 0 && s.Rows[s.Row-1] == "t.kv> set user:1 012" && s.Line() == "3456789" && s.Column == 7
	})
	term.Finish("\r")
	term.WaitText("OK rev 1")
	term.WaitLine("t.kv> |")
	term.Type("get us\t")
	term.WaitLine("t.kv> get user:1 |")
	term.Finish("\r")
	term.WaitText("0123456789\n")
	term.WaitLine("t.kv> |")
	term.Type("snap\t")
	term.WaitLine("t.kv> snapshot |")
	term.Type("\t")
	term.Wait("a menu", hasMenu)
	term.Finish("\x03")
	term.WaitLine("t.kv> |")
}

// Two shells at once remember everything that was typed in either, whole.
func TestShellsRememberAtOnce(t *testing.T) {
	state := t.TempDir()
	const commands = 30
	one, _ := atShell(t, "XDG_STATE_HOME="+state)
	two, _ := atShell(t, "XDG_STATE_HOME="+state)
	for i := range commands {
		one.TypeNow(fmt.Sprintf("exists 'one\rof %d'\r", i))
		two.TypeNow(fmt.Sprintf("exists 'two\rof %d'\r", i))
	}
	for _, term := range []*screentest.Terminal{one, two} {
		term.TypeNow("bogus\r") // and so all before it was run
		term.WaitText("unknown command")
	}
	b, err := os.ReadFile(filepath.Join(state, "kvsh", "history"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, name := range []string{"one", "two"} {
		n := 0
		for _, line := range lines {
			if line == fmt.Sprintf(`exists '%s\nof %d'`, name, n) {
				n++
			}
		}
		if n != commands {
			t.Errorf("the history has %d of the %d commands of shell %s in their order", n, commands, name)
		}
	}
	if len(lines) != 2*(commands+1) {
		t.Errorf("the history has %d lines, want %d", len(lines), 2*(commands+1))
	}
}

// A closed terminal ends the shell wherever it is, within a moment, as a hangup
// does; what was run before is in its history.
func TestShellHangups(t *testing.T) {
	// Under nohup the shell and what it runs would ignore the hangup, as is right.
	// What this process watches its children do not inherit as ignored.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for _, state := range []struct{ name, keys, shows string }{
		{"an empty line", "", "t.kv>"},
		{"text", "get a", "t.kv> get a"},
		{"a search", "\x12set", "(search) set: set a 1"},
		{"a question", "clear\r", "[y/N]"},
		{"a program", "get a | { echo ready; exec sleep 1000; }\r", "ready"},
	} {
		dir := t.TempDir()
		term, p := atShell(t, "XDG_STATE_HOME="+dir)
		do(t, term, "set a 1", "OK rev 1")
		term.Type(state.keys)
		term.WaitText(state.shows)
		term.Hangup()
		err := p.Wait()
		status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || status.ExitStatus() != 0 && status.Signal() != syscall.SIGHUP {
			t.Errorf("hangup at %s: the shell ends with %v, want exit status 0 or SIGHUP", state.name, err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "kvsh", "history"))
		if err != nil || !strings.HasPrefix(string(b), "set a 1\n") {
			t.Errorf("hangup at %s: history = %q, %v, want what was typed", state.name, b, err)
		}
		if got := kvshOutput(t, p.Args[1], "get", "a"); got != "1" {
			t.Errorf("hangup at %s: get a = %q, want 1", state.name, got)
		}
	}
}
