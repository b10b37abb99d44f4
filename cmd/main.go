package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"kvsh/repl"
)

// Main runs the program with the streams and the environment of the process
// and returns its exit code. Ctrl-C and SIGTERM end the context of what is
// running; the second one ends the process.
func Main(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A closed pipe is to be an error of the write, not the end of the process
	// in the middle of something. (Ignoring the signal would pass to children.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	s := processStreams(ctx)
	go func() {
		sig := <-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		if sig == syscall.SIGTERM {
			cancel(errTerminated)
			return
		}
		cancel(context.Canceled)
	}()
	return Run(ctx, args, s)
}

func processStreams(ctx context.Context) Streams {
	return Streams{
		In:          &interruptibleReader{ctx: ctx, r: os.Stdin},
		Out:         os.Stdout,
		Err:         os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Getenv:      os.Getenv,
		Editor:      TerminalEditor,
		Width: func() int {
			w, _, err := term.GetSize(int(os.Stdout.Fd()))
			if err != nil {
				return 0
			}
			return w
		},
		Ask: askTerminal,
	}
}

// askTerminal asks a question on stderr and reads a line of stdin.
func askTerminal(question string) (string, error) {
	return repl.NewPlainEditor(os.Stdin, os.Stderr).ReadLine(question)
}

// An interruptibleReader gives up waiting for input when the context ends. The
// read that is under way goes on in the background into a buffer of its own.
type interruptibleReader struct {
	ctx    context.Context
	r      io.Reader
	buffer []byte
	rest   []byte // of buffer, read and not yet taken
	done   chan readResult
}

type readResult struct {
	n   int
	err error
}

func (r *interruptibleReader) Read(p []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.done == nil {
		r.buffer = make([]byte, 64<<10)
		r.done = make(chan readResult, 1)
	}
	go func() {
		n, err := r.r.Read(r.buffer)
		r.done <- readResult{n, err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case result := <-r.done:
		n := copy(p, r.buffer[:result.n])
		r.rest = r.buffer[n:result.n]
		if len(r.rest) > 0 && errors.Is(result.err, io.EOF) {
			result.err = nil // the next read says so again
		}
		return n, result.err
	}
}
