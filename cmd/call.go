package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/engine/handler"
	"kvsh/format"
)

func newCall(s *Session) *cobra.Command {
	var arg string
	c := &cobra.Command{
		Use:   "call NAME KEY…",
		Short: "Run a handler on some keys as one transaction",
		Long: `Runs a stored handler on the values of the keys and writes what it returns, as
one transaction: all of it or nothing. NAME@2 is its version 2, NAME the newest.
The result of the handler, if it has one, is printed as JSON. With --dry-run
what it would write is said on stderr. "kvsh help handler" explains the rest.

The call ends with 1 if the handler says no, and with 2 and the line if there is
a fault in it. Then nothing is written.`,
		Example: "kvsh call transfer account:ada account:bob --arg 30\n" +
			`kvsh call ratelimit limit:ada --arg '{"calls": 5, "seconds": 60}'`,
		Args:        operands(2, -1),
		Annotations: exits("0, 1 the handler says no, or there is none, 2 a fault in it"),
		RunE: func(c *cobra.Command, args []string) error {
			name, version, err := handler.ParseRef(args[0])
			if err != nil {
				return usageOf(c, "%v", err)
			}
			if c.Flags().Changed("arg") && arg == "" {
				return usageOf(c, "--arg: empty; the JSON of an empty string is '\"\"'")
			}
			if err := handler.CheckArg(arg); err != nil {
				return usageOf(c, "--arg: %v", err)
			}
			if twice := repeated(args[1:]); twice != "" {
				return usageOf(c, "key %s stands there twice", quoted(twice))
			}
			if err := s.callHandler(c.Context(), name, version, args[1:], arg); err != nil {
				return named("call", args[0], err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&arg, "arg", "", "the argument of the handler, as `JSON`")
	s.set.bindRev(c)
	return c
}

// repeated is the first key that stands there a second time, or nothing.
func repeated(keys []string) string {
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key] {
			return key
		}
		seen[key] = true
	}
	return ""
}

// callHandler runs a handler on keys of the family of the session, and writes
// and prints what it returned.
func (s *Session) callHandler(ctx context.Context, name string, version int, keys []string, arg string) error {
	if s.handlers == nil {
		s.handlers = handler.NewWorker(handlerProcess)
	}
	if !s.set.ReadOnly {
		// It comes up while the database is opened. What goes wrong shows below.
		_ = s.handlers.Start()
	}
	var (
		o      handler.Outcome
		runErr error // of the handler: what it printed before goes out first
	)
	w, err := s.update(ctx, func(tx engine.Tx) error {
		h, err := handler.Get(ctx, tx, name, version)
		if err != nil {
			return err
		}
		call := handler.Call{Keys: keys, Values: make([][]byte, len(keys)), Arg: arg, Now: tx.Now()}
		for i, key := range keys {
			e, err := tx.Get(ctx, key)
			switch {
			case err == nil:
				call.Values[i] = append([]byte{}, e.Value...) // empty is not the same as none
			case !errors.Is(err, engine.ErrNotFound):
				return fmt.Errorf("%s: %w", quoted(key), err)
			}
		}
		if o, runErr = s.handlers.Run(ctx, name, h.Source, call); runErr != nil {
			return runErr
		}
		return applyWrites(ctx, tx, o.Writes)
	})
	for _, text := range o.Printed {
		s.remark(format.Safe(text))
	}
	if err != nil {
		return callError(noHandler(err))
	}
	if w.dry {
		for i := range o.Writes {
			s.remark(wouldWrite(&o.Writes[i]))
		}
	}
	if o.Result != "" {
		if _, err := fmt.Fprintln(s.out, o.Result); err != nil {
			return err
		}
	}
	return s.acknowledge(w)
}

// applyWrites makes what a handler returned part of the transaction.
func applyWrites(ctx context.Context, tx engine.Tx, writes []handler.Write) error {
	for i := range writes {
		w := &writes[i]
		var err error
		if w.Delete {
			err = tx.Delete(ctx, w.Key)
		} else {
			err = put(ctx, tx, engine.Entry{Key: w.Key, Value: w.Value, Expires: w.Expires})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quoted(w.Key), err)
		}
	}
	return nil
}

// wouldWrite says what a dry run leaves out.
func wouldWrite(w *handler.Write) string {
	switch {
	case w.Delete:
		return "would delete " + quoted(w.Key)
	case w.Expires.IsZero():
		return fmt.Sprintf("would set %s to %q", quoted(w.Key), shorten(w.Value))
	}
	return fmt.Sprintf("would set %s to %q until %s", quoted(w.Key), shorten(w.Value), w.Expires.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// callError gives what comes of a handler its exit code: its "no" is an answer,
// a fault in it an error of the script that it is.
func callError(err error) error {
	var (
		refusal *handler.RefusalError
		fault   *handler.Error
	)
	switch {
	case errors.As(err, &refusal):
		return answerNo("%s", refusal.Message)
	case errors.As(err, &fault):
		return &usageError{reason: fault.Error(), hint: "nothing was written"}
	case errors.Is(err, handler.ErrArg):
		return &usageError{reason: "--arg: " + err.Error()}
	}
	return err
}

// A noHandlerError is an answer "no" with a hint where a handler comes from.
type noHandlerError struct{ error }

func (e *noHandlerError) Unwrap() error { return engine.ErrNotFound }

// noHandler makes a handler that is not there an answer "no".
func noHandler(err error) error {
	if errors.Is(err, handler.ErrNoHandler) {
		return &noHandlerError{handler.ErrNoHandler}
	}
	return err
}

// handlerWord is the argument that makes a process one that runs handlers for
// another, see handler.Serve.
const handlerWord = "--serve-handlers"

// handlerProcess is this program once more, to run handlers.
func handlerProcess() *exec.Cmd {
	program := "/proc/self/exe" // also when the file was replaced meanwhile
	if runtime.GOOS != "linux" {
		var err error
		if program, err = os.Executable(); err != nil {
			program = os.Args[0]
		}
	}
	return &exec.Cmd{Path: program, Args: []string{"kvsh", handlerWord}, Env: []string{}, Dir: "/"}
}

// serveHandlers is the whole of such a process. It returns its exit code.
func serveHandlers(in io.Reader, out io.Writer) int {
	if err := handler.Serve(in, out); err != nil {
		return exitIO // nobody is left to be told
	}
	return exitYes
}
