package cmd

import (
	"slices"
	"strings"
	"testing"

	"kvsh/repl/screentest"
)

// hasMenu reports whether the screen shows a line under the one of the cursor.
func hasMenu(s screentest.Screen) bool {
	return s.Row+1 < len(s.Rows) && strings.HasPrefix(s.Rows[s.Row+1], "  ")
}

// Ctrl-C gives up what is under way, whatever that is, and nothing else: the
// shell has its prompt again, and runs the next command as if nothing had been.
func TestShellInterrupts(t *testing.T) {
	term, p := atShell(t)
	do(t, term, "mset a 1 b 2 c 3", "OK rev 1")
	for _, state := range []struct {
		name string
		keys string
		wait func()
		left string // what stays to be seen above the prompt
		runs bool   // a program, so that Ctrl-C goes to the terminal
	}{
		{"an empty line", "", func() {}, "t.kv> ^C", false},
		{"text", "set a 5\x1b[D", func() { term.WaitLine("t.kv> set a |5") }, "t.kv> set a 5^C", false},
		{"several lines", "set a 5\x1b\rset b 6\x1b[A", func() { term.WaitLine("t.kv> set a 5|") }, "    … set b 6^C", false},
		{"an open quote", "set a 'x\ry", func() { term.WaitLine("    … y|") }, "    … y^C", false},
		{"a paste", "\x1b[200~set a 5\rset b 6\r\x1b[201~", func() { term.WaitLine("    … |") }, "    … ^C", false},
		{"a search", "\x12mset", func() { term.WaitLine("(search) mset: |mset a 1 b 2 c 3") }, "t.kv> mset a 1 b 2 c 3^C", false},
		{"a failing search", "\x12nothing", func() { term.WaitLine("(not found) nothing: |") }, "t.kv> ^C", false},
		{"the menu", "del \t", func() { term.Wait("a menu", hasMenu) }, "t.kv> del ^C", false},
		{"a chosen candidate", "del \t", func() {
			term.Wait("a menu", hasMenu)
			term.Type("\t")
			term.WaitText("\n> a")
		}, "t.kv> del ^C", false},
		{"a question", "clear\r", func() { term.WaitText("[y/N]") }, "kvsh: clear: not done", false},
		{"an answer", "clear\ry", func() { term.WaitText("[y/N] y") }, "kvsh: clear: not done", false},
		{"a program", "get a | { echo ready; sleep 1000; }\r", func() { term.WaitText("\nready") }, "^C%", true},
	} {
		term.Type("\x0c") // what came before is no part of it
		term.Wait("a cleared screen", func(s screentest.Screen) bool { return s.Row == 0 && s.Line() == "t.kv>" })
		term.Type(state.keys)
		state.wait()
		if state.runs {
			term.TypeNow("\x03")
		} else {
			term.Finish("\x03")
		}
		s := term.Wait(state.left+" above a prompt after Ctrl-C at "+state.name, func(s screentest.Screen) bool {
			return s.Line() == "t.kv>" && s.Column == 6 && s.Row > 0 && slices.Contains(s.Rows[:s.Row], state.left)
		})
		if strings.Join(s.Rows[s.Row+1:], "") != "" {
			t.Errorf("after Ctrl-C at %s something stands under the prompt:\n%s", state.name, s)
		}
		do(t, term, "count", "3")
		do(t, term, "get a", "1")
	}
	do(t, term, "set a 1", "OK rev 2") // so nothing was written meanwhile
	term.Finish("\x04")
	if err := p.Wait(); err != nil {
		t.Errorf("the shell ended with %v, want nil", err)
	}
}
