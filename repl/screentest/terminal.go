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

// patience is how long a screen may take to become as expected. It is long, for
// machines that do other things too; nothing waits that long in a test that
// passes.
const patience = 30 * time.Second

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
	term := &Terminal{TTY: tty, t: t, person: person, sizes: []size{{0, columns, rows}}}
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
	conn, err := term.person.SyscallConn()
	if err != nil {
		term.t.Fatal(err)
	}
	var setErr error
	err = conn.Control(func(fd uintptr) {
		setErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	})
	if err := errors.Join(err, setErr); err != nil {
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

// Type types text or keys.
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	if _, err := term.person.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
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
		to := min(max(s.from, from), len(out))
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
	timer := time.AfterFunc(patience, func() {
		term.mu.Lock()
		defer term.mu.Unlock()
		term.changed.Broadcast()
	})
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	term.mu.Lock()
	defer term.mu.Unlock()
	for {
		s := term.screen()
		if s.Unknown != "" {
			term.t.Fatalf("the program sent %q, which is no code for every terminal", s.Unknown)
		}
		if ok(s) {
			return s
		}
		if term.closed || !time.Now().Before(deadline) {
			term.t.Fatalf("the screen should show %s, it shows\n%s\noutput ends %q", what, s, term.out[max(len(term.out)-300, 0):])
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
