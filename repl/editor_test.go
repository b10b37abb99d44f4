package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chzyer/readline"
	"golang.org/x/sys/unix"

	"kvsh/repl/screentest"
)

// A desk is an editor at a terminal with somebody who types.
type desk struct {
	*screentest.Terminal
	t      *testing.T
	editor Editor
	lines  chan string // what ReadLine returned, errors too
}

// sit opens an editor at a terminal, which reads lines until the end.
func sit(t *testing.T, columns, rows int, o EditorOptions) *desk {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &desk{Terminal: screentest.New(t, columns, rows), t: t, lines: make(chan string, 100)}
	o.In, o.Out = d.TTY, d.TTY
	e, err := NewEditor(o)
	if err != nil {
		t.Fatal(err)
	}
	d.editor = e
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			line, err := e.ReadLine(ctx, "> ")
			switch {
			case errors.Is(err, ErrInterrupt):
				line = "^C"
			case err != nil:
				d.lines <- fmt.Sprint(err)
				if err := e.Close(); err != nil {
					t.Errorf("Close() = %v, want nil", err)
				}
				return
			default:
				e.Remember(line)
			}
			select {
			case d.lines <- line:
			case <-ctx.Done(): // nobody wants it any more
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-over
	})
	d.WaitLine("> |")
	return d
}

// want waits for a line that was read.
func (d *desk) want(line string) {
	d.t.Helper()
	select {
	case got := <-d.lines:
		if got != line {
			d.t.Fatalf("ReadLine() = %q, want %q", got, line)
		}
	case <-time.After(screentest.Patience):
		d.t.Fatalf("ReadLine() returned nothing, want %q; screen\n%s", line, d.Screen())
	}
}

// settled is the output once nothing of it is on its way any more: a key that
// means nothing rings the bell, behind all else.
func (d *desk) settled() string {
	d.t.Helper()
	return d.Provoke("\x00", bell)
}

// The keys of a line, wherever the cursor is and however wide the characters.
func TestEditorKeys(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	for _, step := range []struct{ keys, want string }{
		{"get 世界é", "> get 世界é|"},
		{"\x1b[D", "> get 世界|é"},
		{"\x1b[D", "> get 世|界é"},
		{"x", "> get 世x|界é"},
		{"\x7f\x7f", "> get |界é"},
		{"\x1b[1~", "> |get 界é"},
		{"\x1b[3~", "> |et 界é"},
		{"👩‍👩‍👧", "> 👩‍👩‍👧|et 界é"},
		{"\x1b[4~\x7f", "> 👩‍👩‍👧et 界|"},
		{"\x15", "> |"},
		{"\x1b[3~", "> |"}, // Delete on an empty line leaves nothing
		{"\x19", "> 👩‍👩‍👧et 界|"},
		{"\x17\x17ab:cd", "> ab:cd|"},
		{"\x1bb", "> ab:|cd"},
		{"\x1b\x7f", "> |cd"},
		{"\x1f", "> ab:|cd"},
		{"\x05\x14", "> ab:dc|"},
		{"\x01\x0b", "> |"},
		{"a\tb", "> ab|"}, // Tab has nothing to complete
	} {
		d.Type(step.keys)
		d.WaitLine(step.want)
	}
	d.Type("\r")
	d.want("ab")
	d.Type("\x04")
	d.want("EOF")
}

func TestEditorInterrupt(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	d.Type("\x03")
	d.want("^C")
	d.WaitText("> ^C\n>")
	d.Type("some text\x1b[D\x03")
	d.want("^C")
	d.WaitText("> some text^C\n>")
	d.Type("first\r")
	d.want("first")
	d.Type("\x12irs")
	d.WaitLine("(search) irs: f|irst")
	d.Type("\x03")
	d.want("^C")
	d.WaitLine("> |")
	d.Type("'open\r")
	d.WaitLine("… |")
	d.Type("more\x03")
	d.want("^C")
	d.WaitLine("> |")
}

// A paste is a block that can be edited and runs as one, when Enter says so.
func TestEditorPaste(t *testing.T) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("set k%d\t'v %d'", i, i))
	}
	block := strings.Join(lines, "\r")
	d := sit(t, 60, 12, EditorOptions{})
	before := len(d.settled())
	d.Type(pasteBegin + block + pasteEnd)
	d.WaitText("set k999      'v 999'")
	if n := len(d.settled()) - before; n > 20_000 {
		t.Errorf("the paste of %d bytes cost %d bytes of output, want at most 20000", len(block), n)
	}
	select {
	case got := <-d.lines:
		t.Fatalf("the paste ran: %.60q", got)
	default:
	}
	d.Type("x\x1b[A\x1b[A\x1b[Hy\r")
	lines[999] += "x"
	lines[997] = "y" + lines[997]
	d.want(strings.Join(lines, "\n"))
	d.WaitLine("> |")
	d.Type("\x1b[A")
	d.WaitText("set k999      'v 999'x") // one entry
	d.Type("\x03")
	d.want("^C")
}

// A long line goes on over rows, and the cursor is right on all of them, also
// where a wide character does not fit on the rest of a row.
func TestEditorLongLine(t *testing.T) {
	d := sit(t, 10, 6, EditorOptions{})
	d.Type("abcdefgh")
	s := d.Wait("a cursor on a row of its own", func(s Screen) bool { return s.Row > 0 && s.Rows[s.Row-1] == "> abcdefgh" && s.Column == 0 })
	top := s.Row - 1
	d.Type("1234567界")
	d.Wait("the wide character", func(s Screen) bool { return s.Rows[top+1] == "1234567界" && s.Row == top+1 && s.Column == 9 })
	d.Type("世")
	d.Wait("a wide character on the next row", func(s Screen) bool {
		return s.Rows[top+1] == "1234567界" && s.Rows[top+2] == "世" && s.Row == top+2 && s.Column == 2
	})
	d.Type("\x1b[D\x1b[D")
	d.Wait("the cursor before both", func(s Screen) bool { return s.Row == top+1 && s.Column == 7 })
	d.Type("\x01")
	d.Wait("the cursor at the start", func(s Screen) bool { return s.Row == top && s.Column == 2 })
	d.Type("\x0b")
	d.Wait("nothing left", func(s Screen) bool { return s.Rows[top] == ">" && s.Rows[top+1] == "" && s.Rows[top+2] == "" })
}

type Screen = screentest.Screen

// Whatever the width becomes, the line is there once, with its cursor.
func TestEditorResize(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	text := "0123456789abcdefghijklmnopqrstuvwxyz"
	d.Type(text)
	d.WaitLine("> " + text + "|")
	for _, columns := range []int{20, 33, 13, 80, 39} {
		d.Resize(columns, 10)
		if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		all := "> " + text
		var rows []string
		for ; len(all) > columns; all = all[columns:] {
			rows = append(rows, all[:columns])
		}
		rows = append(rows, all)
		d.Wait(fmt.Sprintf("the line %d columns wide", columns), func(s Screen) bool {
			end := slices.IndexFunc(s.Rows, func(r string) bool { return strings.HasPrefix(r, ">") })
			return end >= 0 && len(s.Rows) >= end+len(rows) && slices.Equal(s.Rows[end:end+len(rows)], rows) &&
				strings.Count(strings.Join(s.Rows, ""), "0123") == 1 && s.Row == end+len(rows)-1 && s.Column == len(all)
		})
	}
	d.Type("\r")
	d.want(text)
}

// A terminal that becomes lower than the line shows the part with the cursor.
func TestEditorResizeLow(t *testing.T) {
	d := sit(t, 20, 10, EditorOptions{})
	d.Type("0\x1b\r1\x1b\r2\x1b\r3\x1b\r4\x1b\r5")
	d.WaitLine("… 5|")
	d.Resize(20, 3)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	d.Wait("the last lines", func(s Screen) bool { return slices.Equal(s.Rows, []string{"… 3", "… 4", "… 5"}) && s.Row == 2 })
	d.Type("\x1b[1;5H")
	d.Wait("the first lines", func(s Screen) bool { return slices.Equal(s.Rows, []string{"> 0", "… 1", "… 2"}) && s.Row == 0 })
	d.Resize(20, 10)
	d.Type("x\r")
	d.want("x0\n1\n2\n3\n4\n5")
}

// Lines that are typed ahead wait for their turn.
func TestEditorTypeAhead(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	d.Type("a\rb\x03c\r" + pasteBegin + "d\re\r" + pasteEnd + "\r\x04")
	for _, want := range []string{"a", "^C", "c", "d\ne", "EOF"} {
		d.want(want)
	}
}

// An open quote goes on with another line, in the same block.
func TestEditorContinuation(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	d.Type("set k 'a\r")
	d.WaitLine("… |")
	d.Type("b")
	d.Type("\x1b[A\x1b[D") // up, and before the a
	d.Wait("the cursor in the first line", func(s Screen) bool { return strings.HasPrefix(s.Line(), "> set k 'a") })
	d.Type("\x1b[F!\x1b[B\x1b[F'\r")
	d.want("set k 'a!\nb'")
}

// The history goes by what was typed, finds any part, and is one with that of
// other shells.
func TestEditorHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	d := sit(t, 40, 10, EditorOptions{HistoryFile: file})
	for _, line := range []string{"get a", "set b 1", "get c"} {
		d.Type(line + "\r")
		d.want(line)
		d.WaitLine("> |")
	}
	for _, step := range []struct{ keys, want string }{
		{"\x1b[A", "> get c|"},
		{"\x1b[A", "> set b 1|"},
		{"\x1b[B", "> get c|"},
		{"\x1b[B", "> |"},
		{"get\x1b[A", "> get c|"},
		{"\x1b[A", "> get a|"},
		{"\x1b[A", "> get a|"}, // that was the first
		{"\x1b[B\x1b[B", "> get|"},
		{"\x15\x12t", "(search) t: ge|t c"},
		{"\x12", "(search) t: se|t b 1"},
		{"\x12\x12", "(not found) t: ge|t a"},
		{"\x13", "(search) t: se|t b 1"},
		{"\x07", "> |"},
		{"x\x12b 1\x1b", "> set |b 1"}, // Escape keeps what was found
		{"\x1b[A", "> get a|"},         // and goes on from there
		{"\x15x\x12b 1\x05", "> set b 1|"},
	} {
		d.Type(step.keys)
		d.WaitLine(step.want)
	}
	d.Type("\r")
	d.want("set b 1")
	other := sit(t, 40, 10, EditorOptions{HistoryFile: file})
	other.Type("\x1b[A\x1b[A\x1b[A\x1b[A")
	other.WaitLine("> get a|")
	other.Type("\r")
	other.want("get a")
	if got, want := newHistory(t, file).entries, []string{"get a", "set b 1", "get c", "set b 1", "get a"}; !slices.Equal(got, want) {
		t.Errorf("history = %q, want %q", got, want)
	}
}

// Ctrl-O runs the line and has the next one of the history ready, one after the
// other, and behind the last none.
func TestEditorRunAndFetch(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	for _, line := range []string{"a", "b", "b", "c"} {
		d.Type(line + "\r")
		d.want(line)
		d.WaitLine("> |")
	}
	d.Type("\x1b[A\x1b[A\x1b[A") // a b c: one more b is not remembered
	d.WaitLine("> a|")
	d.Type("\x0f")
	d.want("a")
	d.WaitLine("> b|")
	d.Type("\x0f")
	d.want("b")
	d.WaitLine("> c|")
	d.Type("\x1b[A") // from its place, and not from the end
	d.WaitLine("> b|")
	d.Type("\x1b[B")
	d.WaitLine("> c|")
	d.Type("x\x0f") // changed it has no place
	d.want("cx")
	d.WaitLine("> |")
	d.Type("\"open\x0f") // as Enter does
	d.WaitLine("… |")
	d.Type("\x03")
	d.want("^C")
}

// The end of the context and of the terminal end the line, and give the
// terminal back.
func TestEditorEnds(t *testing.T) {
	term := screentest.New(t, 40, 10)
	before, err := readline.GetState(int(term.TTY.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEditor(EditorOptions{In: term.TTY, Out: term.TTY})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	go func() {
		term.WaitLine("> |")
		term.Type("text")
		term.WaitLine("> text|")
		cancel(why)
	}()
	if line, err := e.ReadLine(ctx, "> "); line != "" || !errors.Is(err, why) {
		t.Errorf("ReadLine() = %q, %v, want the cause of the context", line, err)
	}
	after, err := readline.GetState(int(term.TTY.Fd()))
	if err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("the terminal is %+v, %v, was %+v", after, err, before)
	}
	go func() {
		term.WaitText("text\n>")
		term.Hangup()
	}()
	// Where the terminal goes while something is written that is what fails.
	if line, err := e.ReadLine(t.Context(), "> "); line != "" || !errors.Is(err, io.EOF) && !errors.Is(err, unix.EIO) {
		t.Errorf("ReadLine() at a closed terminal = %q, %v, want %v", line, err, io.EOF)
	}
	if err := e.Close(); err != nil && !errors.Is(err, unix.EIO) {
		t.Errorf("Close() = %v", err)
	}
}
