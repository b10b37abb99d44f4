package cmd

import (
	"context"
	"os"

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
	s.Signals = &signalWatch{cancel: cancel}
	return Run(ctx, args, s)
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
