//go:build unix

// Package screentest is a terminal for tests: a pseudo-terminal and what a
// person would see on it.
package screentest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Patience is how long a screen may take to become as expected. It is long, for
// machines that do other things too; nothing waits that long in a test that
// passes.
const Patience = 2 * time.Minute

// A Terminal is a pseudo-terminal with somebody in front of it.
type Terminal struct {
	TTY *os.File // the side of the program; nil once a process has it

	t       *testing.T
	person  *os.File
	mu      sync.Mutex // guards all below
	changed *sync.Cond
	out     []byte // all that was written
	sizes   []size // and what the size was, from where on
	closed  bool   // nothing more comes

	// Of Finish: the line that was finished ends behind this place of out, which
	// the program shows by letting the terminal mark pastes no more; -1 before.
	finished int
}

type size struct {
	from, columns, rows int
}

// New opens a terminal of a size. It ends with the test.
func New(t *testing.T, columns, rows int) *Terminal {
	t.Helper()
	blocking, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	person, err := unblocked(blocking)
	if err != nil {
		t.Fatal(err)
	}
	term := &Terminal{TTY: tty, t: t, person: person, sizes: []size{{0, columns, rows}}, finished: -1}
	term.changed = sync.NewCond(&term.mu)
	term.setSize(columns, rows)
	go term.read()
	t.Cleanup(func() {
		person.Close()
		tty.Close()
	})
	return term
}

// Start starts a program at a terminal, as the leader of its session. It is
// killed when the test ends.
func Start(t *testing.T, columns, rows int, p *exec.Cmd) *Terminal {
	t.Helper()
	term := New(t, columns, rows)
	p.Stdin, p.Stdout, p.Stderr = term.TTY, term.TTY, term.TTY
	// The leader of a session at the terminal, so that keys become signals.
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	term.TTY.Close()
	return term
}

// unblocked is a file that can be closed while it is read, which a terminal as
// it is opened cannot.
func unblocked(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), f.Close()
}

func (term *Terminal) setSize(columns, rows int) {
	term.t.Helper()
	term.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	})
}

// control asks the terminal for something, or tells it.
func (term *Terminal) control(do func(fd int) error) {
	term.t.Helper()
	conn, err := term.person.SyscallConn()
	if err != nil {
		term.t.Fatal(err)
	}
	var doErr error
	err = conn.Control(func(fd uintptr) { doErr = do(int(fd)) })
	if err := errors.Join(err, doErr); err != nil {
		term.t.Fatal(err)
	}
}

// read takes what the program writes.
func (term *Terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := term.person.Read(buffer)
		term.mu.Lock()
		term.out = append(term.out, buffer[:n]...)
		term.closed = err != nil
		term.changed.Broadcast()
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Type types keys for a program that edits a line. It waits until the terminal
// hands on every key as it is, and until the line before has come to its end if
// that was typed with Finish. Any earlier the terminal might answer Ctrl-C and
// others by itself, as it does while a command runs: see TypeNow.
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	term.await("a program that edits a line", func() bool { return term.lineBegun() && term.isRaw() })
	term.TypeNow(keys)
}

// Finish types keys of which the last ends a line, as Enter does, or Ctrl-C. What
// is waited for from now on counts only once the line has ended, so that nothing
// which stood on the screen before is taken for it. The program must be one that
// has pastes marked while it edits a line.
func (term *Terminal) Finish(keys string) {
	term.t.Helper()
	term.await("a program that edits a line", func() bool { return term.lineBegun() && term.isRaw() })
	term.mu.Lock()
	term.finished = len(term.out)
	term.mu.Unlock()
	term.TypeNow(keys)
}

// TypeNow types keys at once, whatever the terminal makes of them: for a command
// that runs and does not edit a line, or to type ahead of what comes behind it.
func (term *Terminal) TypeNow(keys string) {
	term.t.Helper()
	if _, err := term.person.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// The codes by which a program has the terminal mark pastes, as line editors do
// while they read, and not.
const (
	pastesOn  = "\x1b[?2004h"
	pastesOff = "\x1b[?2004l"
)

// lineEnded reports whether the line that Finish finished has come to its end.
func (term *Terminal) lineEnded() bool {
	return term.finished < 0 || bytes.Contains(term.out[term.finished:], []byte(pastesOff))
}

// lineBegun reports whether there is another line behind that.
func (term *Terminal) lineBegun() bool {
	if term.finished < 0 {
		return true
	}
	_, after, ended := bytes.Cut(term.out[term.finished:], []byte(pastesOff))
	return ended && bytes.Contains(after, []byte(pastesOn))
}

// isRaw reports whether the terminal hands on keys one by one.
func (term *Terminal) isRaw() bool {
	raw := false
	term.control(func(fd int) error {
		mode, err := unix.IoctlGetTermios(fd, getMode)
		raw = err == nil && mode.Lflag&unix.ICANON == 0
		return err
	})
	return raw
}

// Hangup closes the terminal, as a window that is closed.
func (term *Terminal) Hangup() { term.person.Close() }

// Resize changes the size, which a program at the terminal is told by a signal.
func (term *Terminal) Resize(columns, rows int) {
	term.t.Helper()
	term.mu.Lock()
	term.sizes = append(term.sizes, size{len(term.out), columns, rows})
	term.mu.Unlock()
	term.setSize(columns, rows)
}

// Output is everything that was written so far.
func (term *Terminal) Output() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return string(term.out)
}

// Provoke types keys, waits until the program has answered them with more of
// what it may have written before, and returns the output up to then.
func (term *Terminal) Provoke(keys, answer string) string {
	term.t.Helper()
	had := strings.Count(term.Output(), answer)
	term.Type(keys)
	var out string
	term.await("output "+answer, func() bool {
		out = string(term.out)
		return strings.Count(out, answer) > had
	})
	return out
}

// Screen is what is to be seen now.
func (term *Terminal) Screen() Screen {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.screen()
}

func (term *Terminal) screen() Screen {
	e := newEmulator(term.sizes[0].columns, term.sizes[0].rows)
	out := string(term.out[:whole(string(term.out))])
	from := 0
	for _, s := range term.sizes[1:] {
		// The size may have changed while a sequence was on its way.
		to := max(whole(out[:min(s.from, len(out))]), from)
		e.write(out[from:to])
		e.resize(s.columns, s.rows)
		from = to
	}
	e.write(out[from:])
	return e.screen()
}

// Wait waits until the screen is as it should be. what says how, for the
// message.
func (term *Terminal) Wait(what string, ok func(Screen) bool) Screen {
	term.t.Helper()
	var s Screen
	term.await(what, func() bool {
		if !term.lineEnded() {
			return false
		}
		s = term.screen()
		if s.Unknown != "" {
			term.t.Fatalf("the program sent %q, which is no code for every terminal", s.Unknown)
		}
		return ok(s)
	})
	return s
}

// await waits until something is so, which is asked under the lock, now and
// whenever the program has written something.
func (term *Terminal) await(what string, so func() bool) {
	term.t.Helper()
	late := false
	timer := time.AfterFunc(Patience, func() {
		term.mu.Lock()
		defer term.mu.Unlock()
		late = true
		term.changed.Broadcast()
	})
	defer timer.Stop()
	term.mu.Lock()
	defer term.mu.Unlock()
	for !so() {
		if term.closed || late {
			term.t.Fatalf("the terminal should show %s, it shows\n%s\noutput ends %q", what, term.screen(), term.out[max(len(term.out)-300, 0):])
		}
		term.changed.Wait()
	}
}

// WaitLine waits until the row of the cursor is a text and the cursor stands
// behind its mark, the first | in it.
func (term *Terminal) WaitLine(marked string) Screen {
	term.t.Helper()
	before, after, _ := strings.Cut(marked, "|")
	want, column := strings.TrimRight(before+after, " "), Width(before)
	return term.Wait("the line "+marked, func(s Screen) bool { return s.Line() == want && s.Column == column })
}

// WaitText waits until a text is to be seen.
func (term *Terminal) WaitText(text string) Screen {
	term.t.Helper()
	return term.Wait(text, func(s Screen) bool { return strings.Contains(strings.Join(s.Rows, "\n"), text) })
}

// WaitOutput waits until something was written, seen or not.
func (term *Terminal) WaitOutput(text string) {
	term.t.Helper()
	term.Wait("output "+text, func(Screen) bool { return bytes.Contains(term.out, []byte(text)) })
}

// Width is how many columns a text takes.
func Width(text string) int { return displaywidth.String(text) }
