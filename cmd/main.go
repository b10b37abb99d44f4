package cmd

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"

	"kvsh/repl"
)

// Main runs the program with the streams and the environment of the process
// and returns its exit code. Ctrl-C and SIGTERM end the context of what is
// running, and the second one ends the process; in the shell Ctrl-C ends only
// the command.
func Main(args []string) int {
	if len(args) == 1 && args[0] == handlerWord {
		return serveHandlers(os.Stdin, os.Stdout)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s := processStreams()
	var inShell atomic.Bool
	s.KeepInterrupts = func() { inShell.Store(true) }
	s.WatchSignals = func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		// What programs and libraries write to stdout on their own is not to end
		// the process either, see unkilled. (Ignoring the signal would pass to
		// children.)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
		go endOnSignal(signals, &inShell, cancel)
	}
	return Run(ctx, args, s)
}

// endOnSignal ends the context of the process at the first signal that is not
// for the shell. The next one ends the process.
func endOnSignal(signals <-chan os.Signal, inShell *atomic.Bool, cancel context.CancelCauseFunc) {
	for sig := range signals {
		switch {
		case sig == syscall.SIGTERM:
			cancel(errTerminated)
		case inShell.Load():
			continue // it ends one command, see runShellCommand
		default:
			cancel(context.Canceled)
		}
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		return
	}
}

func processStreams() Streams {
	return Streams{
		In:          os.Stdin,
		Out:         unkilled(os.Stdout),
		Err:         unkilled(os.Stderr),
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
		Height: func() int {
			_, h, err := term.GetSize(int(os.Stdout.Fd()))
			if err != nil {
				return 0
			}
			return h
		},
		Ask: askTerminal,
	}
}

// askTerminal asks a question on stderr and reads a line of stdin.
func askTerminal(question string) (string, error) {
	return repl.NewPlainEditor(os.Stdin, os.Stderr).Ask(context.Background(), question)
}
