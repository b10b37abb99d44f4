package picture

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kvsh/repl/screentest"
)

var update = flag.Bool("update", false, "rewrite session.svg")

const (
	columns = 72
	height  = 26
)

// session is what is typed, a command a line. Nothing in it shows a time, so
// that it looks the same whenever it is run.
var session = []string{
	"set user:1 'Ada Lovelace'",
	"mset user:2 'Charles Babbage' visits 41",
	"incr visits",
	"list -v",
	"begin",
	"set user:1 'Ada King'",
	"del user:2",
	"commit",
	"diff 3   # what has changed since revision 3",
	"undo",
	"get user:1",
}

// begun is typed last and not run: what could follow stands behind it in grey.
const begun, hinted = "set --ttl 10m ", "KEY"

// TestPicture runs the session in the shell of the program as it is now, and
// compares what a person would see with the picture.
func TestPicture(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "kvsh")
	build := exec.Command("go", "build", "-o", bin, "kvsh")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	home := t.TempDir()
	p := exec.Command(bin, "notes.kv")
	p.Dir = home
	p.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "KVSH") || strings.HasPrefix(name, "XDG_") ||
			slices.Contains([]string{"NO_COLOR", "CLICOLOR_FORCE", "PAGER", "LANG", "LC_ALL"}, name)
	})
	p.Env = append(p.Env, "HOME="+home, "TERM=xterm-256color", "LANG=C.UTF-8")
	// Higher than the picture, for what a slow machine shows besides.
	term := screentest.Start(t, columns, height+len(session), p)
	term.WaitLine("notes.kv> |")
	for _, line := range session {
		term.Finish(line + "\r")
		// Not the prompt that the line is typed behind.
		term.Wait("the prompt behind "+line, func(s screentest.Screen) bool {
			return typed(s, line) && strings.HasPrefix(s.Line(), "notes.kv") && strings.HasSuffix(s.Line(), ">")
		})
	}
	term.Type(begun)
	term.Wait("a hint", func(s screentest.Screen) bool {
		return strings.Contains(s.Line(), begun+hinted)
	})
	term.Provoke("\x00", "\a") // behind which nothing more of it comes
	seen := lastRows(term.Screen())

	got := draw(seen, columns)
	if *update {
		if err := os.WriteFile("session.svg", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("session.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("session.svg is stale: go test ./scripts/picture -update. The screen is now\n%s", seen)
	}
}

// lastRows is the end of a screen, up to the cursor, in the height of the picture
// and without the rows that tell how long a slow machine took for a command.
func lastRows(s screentest.Screen) screentest.Screen {
	for row := len(s.Rows) - 1; row >= 0; row-- {
		if !strings.HasPrefix(s.Rows[row], "time: ") {
			continue
		}
		s.Rows, s.Cells = slices.Delete(s.Rows, row, row+1), slices.Delete(s.Cells, row, row+1)
		if row < s.Row {
			s.Row--
		}
	}
	top := s.Row + 1 - height
	s.Rows, s.Cells, s.Row = s.Rows[top:s.Row+1], s.Cells[top:s.Row+1], height-1
	return s
}

// typed reports whether a line stands behind a prompt.
func typed(s screentest.Screen, line string) bool {
	return slices.ContainsFunc(s.Rows, func(row string) bool {
		return strings.HasPrefix(row, "notes.kv") && strings.HasSuffix(row, "> "+line)
	})
}
