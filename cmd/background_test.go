package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvsh/repl/screentest"
)

// What runs in the background shows its lines above the prompt while a line is
// typed, and ends when it is told to or with the shell.
func TestShellBackground(t *testing.T) {
	term, p := atShell(t)
	do(t, term, "set a 1", "OK rev 1")
	term.Finish("watch --from 1 &\r")
	term.WaitText("[1] watch --from 1")
	term.Wait("the change in the background", func(s screentest.Screen) bool {
		return s.Line() == "t.kv>" && s.Row > 0 && strings.HasPrefix(s.Rows[s.Row-1], "[1]") && strings.Contains(s.Rows[s.Row-1], "set  a")
	})
	// above waits until a change stands right above the line, which is as before.
	above := func(key, line string, column int) {
		t.Helper()
		term.Wait(fmt.Sprintf("the change of %s above %q", key, line), func(s screentest.Screen) bool {
			return s.Line() == line && s.Column == column && s.Row > 0 &&
				strings.HasPrefix(s.Rows[s.Row-1], "[1] ") && strings.Contains(s.Rows[s.Row-1], "set  "+key)
		})
	}
	term.Type("get a\x1b[D")
	term.WaitLine("t.kv> get |a")
	for i := range 5 {
		key := fmt.Sprintf("key%d", i)
		kvshOutput(t, p.Args[1], "set", key, "世")
		above(key, "t.kv> get a", 10)
	}
	term.Finish("\r")
	term.WaitText("t.kv> get a\n1\n")
	term.WaitLine("t.kv> |")
	term.Finish("set k &\r") // where it is a value
	above("k", "t.kv>", 6)
	do(t, term, "get k", "&")
	term.Finish("log follow -m jsonl --from 1 --limit 1 &\r")
	term.WaitText("[2] done")
	do(t, term, ".jobs", "[1] watch --from 1")
	term.Finish("\x03")
	term.WaitLine("t.kv> |")
	do(t, term, ".jobs", "[1] watch --from 1") // Ctrl-C is for the line
	do(t, term, ".stop 2", `hint: ".jobs" lists them`)
	term.Finish(".stop 1\r")
	term.WaitText("[1] stopped")
	term.WaitLine("t.kv> |")
	term.Finish("\x0c.jobs\r")
	term.Wait("no job", func(s screentest.Screen) bool {
		return s.Rows[0] == "t.kv> .jobs" && s.Rows[1] == "t.kv>" && s.Row == 1
	})
}

// What cannot run in the background is refused, with the reason.
func TestShellBackgroundErrors(t *testing.T) {
	s, out, errs := promptSession(t)
	for _, c := range []struct{ line, errs string }{
		{"watch & > f", "kvsh: &: what runs in the background shows its lines above the prompt, not in a file or program"},
		{"watch -- true &", "kvsh: &: a program cannot run in the background"},
		{".stop 1", `kvsh: .stop: no job of number "1"`},
		{".stop", ""},
		{"get '&'", `kvsh: get "&": key not found`},
		{"get &", `kvsh: get "&": key not found`},
	} {
		data, remarks := prompted(t, s, out, errs, c.line)
		if line, _, _ := strings.Cut(remarks, "\n"); line != c.errs || data != "" {
			t.Errorf("%s printed %q and said %q, want %q", c.line, data, line, c.errs)
		}
	}
}

// Jobs end with the shell, whatever they do, and a database in memory is the
// one of the shell.
func TestShellBackgroundEnds(t *testing.T) {
	p := shellProcess(t)
	p.Args[1] = "-dmem:"
	term := screentest.Start(t, 60, 16, p)
	term.WaitLine("mem:> |")
	term.Finish("watch &\r")
	term.WaitText("[1] watch")
	last := 0
	for ; !strings.Contains(term.Output(), "set  seen"); last++ { // the watch begins at some moment
		term.Finish(fmt.Sprintf("set seen %d\r", last+1))
		term.WaitText(fmt.Sprintf("OK rev %d", last+1))
		term.WaitLine("mem:> |")
	}
	for range 3 {
		term.Finish("watch &\r")
	}
	term.WaitText("[4] watch")
	term.Finish(".stop 2 3\r")
	term.WaitText("[3] stopped")
	term.WaitLine("mem:> |")
	term.Finish("get seen\r")
	term.Wait("the value", func(s screentest.Screen) bool {
		i := slices.Index(s.Rows, "mem:> get seen") // what is watched may come between it and the prompt
		return i >= 0 && s.Row > i+1 && s.Rows[i+1] == fmt.Sprint(last) && s.Line() == "mem:>"
	})
	term.Finish("exit\r")
	if err := p.Wait(); err != nil {
		t.Errorf("the shell ended with %v, want nil", err)
	}
}

// The keys of vi are chosen at the prompt, in the file of commands to begin
// with, or in the environment.
func TestShellVi(t *testing.T) {
	term, _ := atShell(t)
	do(t, term, ".keys", "emacs")
	do(t, term, ".keys ed", `hint: usage: .keys [vi|emacs]`)
	term.Finish(".keys vi\r")
	term.Wait("a prompt", func(s screentest.Screen) bool { return s.Line() == "t.kv>" && s.Rows[s.Row-1] == "t.kv> .keys vi" })
	term.Finish("set a 1 2\x1bdBAx\r")
	term.WaitText("OK rev 1")
	do(t, term, "get a", "2x")
	do(t, term, ".keys", "vi")
	term.Finish("\x1bccclear\r")
	term.WaitText("[y/N]")
	term.Finish("n\x1bsy\r") // an answer is a line too
	term.WaitText("OK rev 2")
	term.Finish(".keys emacs\r")
	term.WaitLine("t.kv> |")
	term.Type("abc\x1bb")
	term.WaitLine("t.kv> |abc")

	config := t.TempDir()
	if err := os.MkdirAll(filepath.Join(config, "kvsh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "kvsh", "rc"), []byte(".keys vi\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{"XDG_CONFIG_HOME=" + config, keysVariable + "=vi"} {
		term, _ := atShell(t, environment)
		term.Type("abc\x1b")
		term.WaitLine("t.kv> ab|c")
	}
}
