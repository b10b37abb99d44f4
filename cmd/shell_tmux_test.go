package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kvsh/repl/screentest"
)

// A terminal of its own making agrees with the editor on how wide characters
// are, and on what remains when it becomes another size. (The emulator of the
// other tests takes its widths from the same library as the editor.)
func TestShellInTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("no tmux")
	}
	p := shellProcess(t, "LC_ALL=C.UTF-8")
	socket := fmt.Sprintf("kvsh-test-%d", os.Getpid())
	tmux := func(args ...string) string {
		t.Helper()
		c := exec.Command("tmux", append([]string{"-u", "-L", socket, "-f", "/dev/null"}, args...)...)
		c.Env = p.Env
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %q: %v\n%s", args, err, out)
		}
		return strings.TrimRight(string(out), "\n")
	}
	tmux("new-session", "-d", "-x", "50", "-y", "10", "kvsh", p.Args[1])
	t.Cleanup(func() { tmux("kill-server") })
	// The cursor's row must be the text, with the cursor at a column.
	wait := func(want string, column int) {
		t.Helper()
		for deadline := time.Now().Add(screentest.Patience); ; {
			place, shown, _ := strings.Cut(tmux("display-message", "-p", "#{cursor_x} #{cursor_y}", ";", "capture-pane", "-p"), "\n")
			var x, y int
			if _, err := fmt.Sscan(place, &x, &y); err != nil {
				t.Fatal(err)
			}
			screen := strings.Split(shown, "\n")
			if y < len(screen) && strings.TrimRight(screen[y], " ") == want && x == column {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("cursor at %d, %d, want the row %q and column %d in\n%s", x, y, want, column, strings.Join(screen, "\n"))
			}
		}
	}
	wait("t.kv>", 6)
	for _, text := range []string{"abc", "世界", "h\u00e9llo", "he\u0301llo", "한국", "😀a", "a\u0301\u0301b"} {
		tmux("send-keys", "-l", text)
		wait("t.kv> "+text, 6+screentest.Width(text))
		tmux("send-keys", "Home")
		tmux("send-keys", "-l", "x")
		wait("t.kv> x"+text, 7)
		tmux("send-keys", "End", "BSpace", "y")
		last := []rune(text)
		for len(last) > 1 && last[len(last)-1] == '\u0301' {
			last = last[:len(last)-1]
		}
		rest := string(last[:len(last)-1])
		wait("t.kv> x"+rest+"y", 8+screentest.Width(rest))
		tmux("send-keys", "C-u")
		wait("t.kv>", 6)
	}
	tmux("send-keys", "-l", strings.Repeat("0123456789", 6))
	wait("4567890123456789", 16)
	for _, columns := range []int{25, 43, 17, 60} {
		tmux("resize-window", "-x", fmt.Sprint(columns), "-y", "10")
		rest := 66 % columns
		line := ("t.kv> " + strings.Repeat("0123456789", 6))[66-rest:]
		wait(line, rest)
	}
}
