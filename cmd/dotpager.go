package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// A pagerSetting is what .pager said.
type pagerSetting struct {
	off     bool
	program string // for sh; empty: the usual one
}

func dotPager(_ context.Context, s *Session, args []string) error {
	switch {
	case len(args) == 0:
		return s.say(s.pagerText())
	case len(args) == 1 && args[0] == "on":
		s.shell.pager = pagerSetting{}
	case len(args) == 1 && args[0] == "off":
		s.shell.pager.off = true
	default:
		if err := s.otherFiles(".pager"); err != nil {
			return err
		}
		s.shell.pager = pagerSetting{program: strings.Join(args, " ")}
	}
	return nil
}

// pagerText is the program that shows long output, or off.
func (s *Session) pagerText() string {
	words := s.pagerWords()
	if words == nil {
		return "off"
	}
	return format.Safe(words[len(words)-1])
}

// pagerWords are the program that shows long output and its arguments, or nil.
func (s *Session) pagerWords() []string {
	program := s.shell.pager.program
	switch {
	case s.shell.pager.off, s.set.Safe:
		return nil
	case program == "":
		program = s.Getenv("PAGER")
	}
	if program != "" {
		return []string{"/bin/sh", "-c", program}
	}
	if _, err := exec.LookPath("less"); err != nil {
		return nil
	}
	return []string{"less"}
}

// lessFlags is LESS where it is not set: what fits the screen is only printed,
// colours show, and the text stays on the screen.
const lessFlags = "FRX"

// A pager stands between a command and the terminal. It holds the output back
// until there is more than the screen takes and then starts the program that
// shows it; output that is not as long is only printed. Its methods may be
// called on nil, which is no pager, but for those that take output.
type pager struct {
	s             *Session
	ctx           context.Context // of the command
	words         []string
	rows, columns int // that fit above the prompt

	state  pagerState
	held   []byte // while holding
	row    int    // that held fills
	column int    // where held ends, in its last row
	escape bool   // held ends within an escape sequence

	child *exec.Cmd
	in    io.WriteCloser
	late  bytes.Buffer // what is to be said behind the program
}

type pagerState uint8

const (
	pagerHolding pagerState = iota
	pagerPassing            // the output goes to the terminal as it comes
	pagerShowing            // the program has it
)

// paged runs a command with its data going through the pager, if that is for
// it.
func (s *Session) paged(ctx context.Context, run func() error) error {
	words := s.pagerWords()
	if words == nil || s.redirected || !s.InTerminal || !s.OutTerminal || s.Height == nil || s.Getenv("TERM") == "dumb" {
		return run()
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	p := &pager{s: s, ctx: ctx, words: words, rows: s.Height() - 1, columns: s.Width()} // a row is for the prompt
	if p.rows < 1 || p.columns < 1 {
		return run()
	}
	s.pager = p
	s.out.Reset(p)
	err := run()
	if flushErr := s.out.Flush(); err == nil {
		err = flushErr
	}
	s.out.Reset(s.usualOut()) // which .output may have changed meanwhile
	s.pager = nil
	return p.end(err)
}

// ownsTerminal says that the command that begins uses the terminal itself or
// waits for a person: no pager, and no word on how slow it was.
func (s *Session) ownsTerminal() {
	s.pager.pass()
	s.shell.waited = true
}

// usesTerminal reports whether a command runs programs at the terminal, or
// goes on until it is stopped.
func usesTerminal(c *cobra.Command) bool {
	switch commandName(c) {
	case "watch", "log follow", "edit", "lock", "exec", "shell":
		return true
	}
	return false
}

// Write takes output of the command.
func (p *pager) Write(b []byte) (int, error) {
	switch p.state {
	case pagerShowing:
		return p.in.Write(b)
	case pagerPassing:
		return p.s.dataOut().Write(b)
	}
	p.held = append(p.held, b...)
	p.measure(b)
	rows := p.row
	if p.column > 0 {
		rows++
	}
	if rows <= p.rows {
		return len(b), nil
	}
	if err := p.start(); err != nil {
		return len(b), p.pass() // without a program it is shown all the same
	}
	_, err := p.in.Write(p.held)
	p.held = nil
	return len(b), err
}

// measure counts the rows that output takes on the screen. Where it is not
// sure it counts too much: the pager prints what fits all the same.
func (p *pager) measure(b []byte) {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		switch {
		case r == '\n':
			p.row, p.column, p.escape = p.row+1, 0, false
			continue
		case r == '\x1b':
			p.escape = true
			continue
		case p.escape:
			p.escape = r == '[' || r >= '0' && r <= '9' || r == ';'
			continue
		}
		width := 1
		if r >= 0x1100 { // as wide as two, mostly
			width = 2
		}
		if p.column+width > p.columns {
			p.row, p.column = p.row+1, 0
		}
		p.column += width
	}
}

// start runs the program that shows the output.
func (p *pager) start() error {
	p.s.progress.end() // which would write over it
	p.child = exec.Command(p.words[0], p.words[1:]...)
	p.child.Stdout, p.child.Stderr = p.s.Out, p.s.Err
	if p.s.Getenv("LESS") == "" {
		p.child.Env = append(os.Environ(), "LESS="+lessFlags)
	}
	var err error
	if p.in, err = p.child.StdinPipe(); err != nil {
		return err
	}
	if err = p.child.Start(); err != nil {
		return err
	}
	p.state = pagerShowing
	p.s.shell.waited = true
	return nil
}

// pass sends the output to the terminal from here on, unless the program has
// it already.
func (p *pager) pass() error {
	if p == nil || p.state != pagerHolding {
		return nil
	}
	p.state = pagerPassing
	_, err := p.s.dataOut().Write(p.held)
	p.held = nil
	return err
}

// remark writes what is no data: behind the data that came before it, and not
// into the screen of the program.
func (p *pager) remark(b []byte) (int, error) {
	if p.state == pagerShowing {
		return p.late.Write(b)
	}
	_ = p.pass() // the next write of data says so again
	return p.s.progress.above(func() (int, error) { return p.s.Err.Write(b) })
}

// end waits until the person has read enough and returns what is left to be
// said of the command, which ended with err.
func (p *pager) end(err error) error {
	if p.state != pagerShowing {
		if passErr := p.pass(); err == nil {
			err = passErr
		}
		return err
	}
	p.in.Close()
	stop := context.AfterFunc(p.ctx, func() {
		if errors.Is(context.Cause(p.ctx), errTerminated) {
			_ = p.child.Process.Signal(syscall.SIGTERM)
		}
	})
	waitErr := p.child.Wait()
	stop()
	_, _ = p.s.Err.Write(p.late.Bytes())
	var exit *exec.ExitError
	if errors.As(waitErr, &exit) && exit.ExitCode() == exitNoProgram {
		p.s.remark(`".pager off" shows output without a program`)
	}
	switch {
	case errors.Is(err, engine.ErrUnknownOutcome), errors.Is(context.Cause(p.ctx), errTerminated):
		return err
	case errors.Is(err, context.Canceled):
		return nil // the person had read enough; so says EPIPE, which is not reported
	}
	return err
}
