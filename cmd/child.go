package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// The exit codes of sh for a program that cannot be run.
const (
	exitCannotRun = 126 // it is there
	exitNoProgram = 127 // it is not
)

// A childError is a program run by kvsh that did not end with 0. Its status is
// the exit code of kvsh.
type childError struct {
	code int
	err  error // why it could not be run; nil if it ran, and then nothing is said
}

func (e *childError) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return fmt.Sprintf("exit status %d", e.code)
}

func (e *childError) Unwrap() error { return e.err }

// childGrace is how long a program has to end after SIGTERM or --timeout.
const childGrace = 10 * time.Second

// A child is a program to run in place of a command.
type child struct {
	words []string // the program and its arguments
	env   []string // added to the environment of kvsh
	stdin io.Reader
	dies  bool // it does not outlive kvsh, where the system can promise that
}

// run runs a program with the streams of the session. A status other than 0 is
// a *childError.
func (s *Session) run(ctx context.Context, c child) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	if err := s.pager.pass(); err != nil {
		return err
	}
	p := exec.CommandContext(ctx, c.words[0], c.words[1:]...)
	p.Env = append(append(os.Environ(), "KVSH_DB="+s.absolutePath()), c.env...)
	p.Stdin, p.Stdout, p.Stderr = c.stdin, s.Out, s.Err
	if s.redirected {
		p.Stdout = s.out
	}
	p.Cancel = func() error { return s.endChild(ctx, p.Process) }
	var err error
	if c.dies {
		err = runTied(p)
	} else {
		err = p.Run()
	}
	switch {
	case p.ProcessState != nil:
		return childResult(ctx, p.ProcessState, err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return cannotRun(c.words[0], err)
}

// endChild tells a program that kvsh is to end, and lets it end by itself.
// Ctrl-C at a terminal has reached the program without this; what it makes of
// that, as an editor does, is its own affair.
func (s *Session) endChild(ctx context.Context, p *os.Process) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errTerminated) || errors.Is(cause, context.DeadlineExceeded) {
		time.AfterFunc(childGrace, func() { _ = p.Kill() }) // which does nothing once it ended
		return p.Signal(syscall.SIGTERM)
	}
	if s.InTerminal {
		return nil
	}
	return p.Signal(os.Interrupt)
}

// childResult is what the end of a program means.
func childResult(ctx context.Context, state *os.ProcessState, err error) error {
	switch {
	case !state.Success() && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return context.DeadlineExceeded
	case state.Success() && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return nil // it was told to end and ended well
	case !state.Success():
		if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return &childError{code: 128 + int(status.Signal())}
		}
		return &childError{code: state.ExitCode()}
	}
	return err // of the streams
}

// cannotRun is the error of a program that did not start.
func cannotRun(name string, err error) error {
	// The path in the error of the system is the name again.
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	var find *exec.Error
	if errors.As(err, &find) {
		err = find.Err
	}
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNoProgram
	}
	return &childError{code: code, err: fmt.Errorf("run %s: %w", quoted(name), err)}
}

// childStdin is what a program reads: the stdin of kvsh, unless that is the
// script or no file. It is nil then, and the program reads nothing.
func (s *Session) childStdin() io.Reader {
	if s.stdinIsScript || s.stdinFile == nil {
		return nil
	}
	return s.stdinFile
}

// absolutePath is the database for programs, which may change the directory.
func (s *Session) absolutePath() string {
	path := s.path()
	if isMemory(path) {
		return path
	}
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// childWords are the operands of a command before a -- and the program with its
// arguments behind it. Without -- there is no program.
func childWords(c *cobra.Command, args []string) (operands, program []string) {
	at := c.ArgsLenAtDash()
	if at < 0 {
		return args, nil
	}
	return args[:at], args[at:]
}

// beforeProgram checks the number of operands before a -- and that a program
// stands behind it, if one must.
func beforeProgram(min, max int, must bool) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		before, program := childWords(c, args)
		if err := operands(min, max)(c, before); err != nil {
			return err
		}
		if len(program) == 0 && (must || c.ArgsLenAtDash() >= 0) {
			return usageOf(c, "-- CMD is missing")
		}
		return nil
	}
}
