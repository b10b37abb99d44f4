package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kvsh/repl/screentest"
)

// many sets more keys than the screen has rows, k01 and so on.
func many(t *testing.T, term *screentest.Terminal, n int) {
	t.Helper()
	line := "mset"
	for i := 1; i <= n; i++ {
		line += fmt.Sprintf(" k%02d v", i)
	}
	term.Finish(line + "\r")
	term.WaitText("OK rev 1")
	term.WaitLine("t.kv> |")
}

// Output taller than the screen goes through the pager, whole and in order;
// shorter output does not, nor what was sent elsewhere.
func TestShellPages(t *testing.T) {
	paged := filepath.Join(t.TempDir(), "paged")
	term, _ := atShell(t, "PAGER=tee "+paged+" | tail -n 2")
	many(t, term, 30)
	do(t, term, "list --limit 14", "k14")
	do(t, term, "list > /dev/null", "t.kv> list > /dev/null")
	if _, err := os.Stat(paged); err == nil {
		t.Error("the pager ran for what fits the screen or goes to a file")
	}
	do(t, term, "list", "k30")
	term.Wait("only what the pager prints", func(s screentest.Screen) bool {
		return s.Row > 2 && s.Rows[s.Row-1] == "k30" && s.Rows[s.Row-2] == "k29" && s.Rows[s.Row-3] == "t.kv> list"
	})
	b, err := os.ReadFile(paged)
	if err != nil || strings.Count(string(b), "\n") != 30 || !strings.HasPrefix(string(b), "k01\nk02\n") {
		t.Errorf("the pager read %q, %v, want 30 keys", b, err)
	}
	do(t, term, ".pager tail -n 1", "t.kv> .pager tail -n 1")
	do(t, term, "list | cat", "k30")
	do(t, term, "list", "k30")
	term.Wait("one line of the pager", func(s screentest.Screen) bool { return s.Rows[s.Row-2] == "t.kv> list" })
	do(t, term, ".pager", "tail -n 1")
	do(t, term, ".pager off", "t.kv> .pager off")
	do(t, term, "list", "k30")
	term.Wait("all lines", func(s screentest.Screen) bool { return s.Rows[s.Row-2] == "k29" && s.Rows[s.Row-3] == "k28" })
	// A program that uses the terminal has it for itself.
	do(t, term, ".pager tail -n 1", "t.kv> .pager tail -n 1")
	do(t, term, "exec -- seq 1 40", "40")
	term.Wait("all that the program prints", func(s screentest.Screen) bool { return s.Rows[s.Row-2] == "39" })
	do(t, term, ".shell seq 1 40", "40")
	term.Wait("all that the program prints", func(s screentest.Screen) bool { return s.Rows[s.Row-2] == "39" })
	do(t, term, ".pager no-such-program", "t.kv> .pager no-such-program")
	do(t, term, "list", `".pager off" shows output without a program`)
}

// A pager that is left, and Ctrl-C, end the command and say nothing.
func TestShellPagerIsLeft(t *testing.T) {
	term, _ := atShell(t, "PAGER=head -n 1")
	many(t, term, 30)
	script := filepath.Join(t.TempDir(), "grow")
	if err := os.WriteFile(script, []byte("set big '"+strings.Repeat("0123456789abcdef\n", 60_000)+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, term, ".read "+script, "OK rev 2")
	do(t, term, "get big", "0123456789abcdef")
	term.Wait("one line", func(s screentest.Screen) bool { return s.Rows[s.Row-2] == "t.kv> get big" })
	waits := filepath.Join(t.TempDir(), "waits")
	if err := os.WriteFile(waits, []byte("trap '' INT; echo ready; read -r x </dev/tty\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, term, ".pager sh "+waits+"; .mode", "auto")
	term.Finish("get big\r")
	term.WaitText("\nready\n")
	term.TypeNow("\x03")
	term.TypeNow("x\r")
	term.WaitLine("t.kv> |")
	if s := strings.Join(term.Screen().Rows, "\n"); strings.Contains(s, "interrupted") || strings.Contains(s, "kvsh:") {
		t.Errorf("a pager that was interrupted and left leaves\n%s", s)
	}
	do(t, term, "count", "31")
}

// With less itself, which is left with q.
func TestShellPagesWithLess(t *testing.T) {
	if _, err := exec.LookPath("less"); err != nil {
		t.Skip("no less")
	}
	term, _ := atShell(t, "PAGER=", "LESS=")
	many(t, term, 40)
	term.Finish("list\r")
	term.WaitText("k14")
	term.Wait("the prompt of less", func(s screentest.Screen) bool { return s.Line() == ":" })
	term.TypeNow("q")
	term.WaitLine("t.kv> |")
	do(t, term, "get k40", "v")
}

// What .alias, .prompt and the rc file set is there at the next prompt, and
// what is wrong in the file is said with its place.
func TestShellReadsRC(t *testing.T) {
	config := t.TempDir()
	if err := os.MkdirAll(filepath.Join(config, "kvsh"), 0o700); err != nil {
		t.Fatal(err)
	}
	rc := ".alias l list --limit 2\nbogus\n.prompt '<%d>%t '\nget '\n"
	if err := os.WriteFile(filepath.Join(config, "kvsh", "rc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	p := shellProcess(t, "XDG_CONFIG_HOME="+config)
	term := screentest.Start(t, 90, 16, p)
	term.WaitLine("<t.kv> |")
	term.WaitOutput("/kvsh/rc:2:1: unknown command \"bogus\"")
	term.WaitOutput("/kvsh/rc:4:5: quote ' is not closed")
	term.Type("mset a 1 b 2 c 3\rl\r")
	term.WaitText("\na\nb\n<t.kv>")
	term.Type(".prompt '%d%c%t> '\ruse drafts\r")
	term.WaitLine("t.kv:drafts> |")
	safe := shellProcess(t, "XDG_CONFIG_HOME="+config)
	safe.Args = append(safe.Args, "--safe")
	term = screentest.Start(t, 90, 16, safe)
	term.WaitLine("t.kv> |")
}

// .edit puts the last command, changed, at the prompt; .history has them all.
func TestShellEditsLastCommand(t *testing.T) {
	term, _ := atShell(t, "VISUAL=sed -i s/one/two/")
	do(t, term, "set k one", "OK rev 1")
	term.Finish(".edit\r")
	term.WaitLine("t.kv> set k two|")
	term.Finish("\r")
	term.WaitText("OK rev 2")
	do(t, term, "get k", "two")
	do(t, term, ".history set", ".history set")
	term.WaitText("\nset k one\nset k two\n.history set\n")
	term.Type(".unal\t")
	term.WaitLine("t.kv> .unalias |")
	term.Type("\x15.mode js\t")
	term.WaitText("jsonl")
	term.Finish("\x07\x15.mode csv\r")
	term.WaitLine("t.kv> |")
	do(t, term, "get -m raw k", "two")
	do(t, term, "count", "1")
}

// The mark of an error stands below its word, as the person typed the line.
func TestShellMarksTheWord(t *testing.T) {
	term, _ := atShell(t)
	term.Finish("list --limit x\r")
	term.WaitText("  list --limit x\n               ^\n")
	term.Finish("  get 世 --bad\r")
	term.WaitText("    get 世 --bad\n           ^")
}
