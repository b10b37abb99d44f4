//go:build unix

package screentest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// setLines makes a terminal edit lines itself, or hand on keys one by one.
func setLines(t *testing.T, term *Terminal, lines bool) {
	t.Helper()
	term.control(func(fd int) error {
		mode, err := unix.IoctlGetTermios(fd, getMode)
		if err != nil {
			return err
		}
		mode.Lflag &^= unix.ICANON | unix.ISIG | unix.ECHO
		if lines {
			mode.Lflag |= unix.ICANON | unix.ISIG | unix.ECHO
		}
		return unix.IoctlSetTermios(fd, setMode, mode)
	})
}

// Keys reach the program whole, though they are typed before it takes them one
// by one: until then the terminal would keep some of them for itself.
func TestTypeWaitsForTheProgram(t *testing.T) {
	term := New(t, 40, 10)
	for n := range 100 {
		setLines(t, term, true)
		typing, typed := make(chan bool), make(chan bool)
		go func() {
			defer close(typed)
			close(typing)
			term.Type("\x03\x7f\x04x")
		}()
		<-typing
		// Time to be wrong in, and a look at the mode that is too early.
		mark := fmt.Sprintf("<%d>", n)
		if _, err := term.TTY.WriteString(mark); err != nil {
			t.Fatal(err)
		}
		term.WaitOutput(mark)
		setLines(t, term, false)
		if _, err := term.TTY.WriteString(pastesOn); err != nil {
			t.Fatal(err)
		}
		<-typed
		var got []byte
		for len(got) < 4 {
			b := make([]byte, 4-len(got))
			n, err := term.TTY.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, b[:n]...)
		}
		if !slices.Equal(got, []byte("\x03\x7f\x04x")) {
			t.Fatalf("the program reads %q, want what was typed", got)
		}
	}
	if out := term.Output(); strings.Contains(out, "^C") {
		t.Errorf("the terminal answered by itself: %q", out)
	}
}

// Behind Finish only what is shown after the end of the line counts, and only a
// further line is typed at.
func TestFinish(t *testing.T) {
	term := New(t, 40, 10)
	setLines(t, term, false)
	show := func(out string) {
		t.Helper()
		if _, err := term.TTY.WriteString(out); err != nil {
			t.Fatal(err)
		}
	}
	begun := func() (ended, begun bool) {
		term.mu.Lock()
		defer term.mu.Unlock()
		return term.lineEnded(), term.lineBegun()
	}
	show(pastesOn + "> ")
	term.WaitLine("> |")
	if _, ok := begun(); !ok {
		t.Error("lineBegun() before any Finish = false, want true")
	}
	term.Finish("\r")
	if ended, ok := begun(); ended || ok {
		t.Errorf("behind Finish lineEnded() = %v and lineBegun() = %v, want neither", ended, ok)
	}
	shown := make(chan Screen)
	go func() { shown <- term.WaitLine("> |") }()
	show("\r\n" + pastesOff + "answer\r\n")
	term.WaitText("answer")
	if ended, ok := begun(); !ended || ok {
		t.Errorf("behind the end of the line lineEnded() = %v and lineBegun() = %v, want the first alone", ended, ok)
	}
	show(pastesOn + "> ")
	if s := <-shown; !slices.Contains(s.Rows, "answer") {
		t.Errorf("WaitLine() behind Finish saw the line before:\n%s", s)
	}
	if ended, ok := begun(); !ended || !ok {
		t.Errorf("at the next line lineEnded() = %v and lineBegun() = %v, want both", ended, ok)
	}
}
