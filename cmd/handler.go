package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/engine/handler"
	"kvsh/format"
)

func newHandler(s *Session) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "handler",
		Short: "Stored functions that change a few keys as one transaction",
		Long: `A handler is a small function, stored in the database, that computes the new
values of a few keys from the old ones. "kvsh call" runs it as one transaction.
It is written in Starlark, which reads like Python:

  # Add to a counter that never passes a limit.
  def handle(kv, arg):
      key = list(kv)[0]
      n = int(kv[key] or "0") + 1
      if n > arg["limit"]:
          fail("the limit is reached")
      return {key: n}

kv is a dict of the keys of the call, in their order. A value is a string, bytes
if it is not UTF-8, or None if the key is not there. arg is the --arg of the
call, decoded from JSON, or None. Besides the functions of Starlark it has

  fail("message")           the answer is no, and nothing is written
  now()                     the time of the transaction, in ms since 1970
  expiring(value, seconds)  a value that is gone after so long
  json.encode, json.decode  as they say
  print("remark")           goes to stderr

It returns a dict of new values: a string, bytes or an int (in decimal digits),
None to delete the key. A value that stays the same is not written; one that is
written loses its expiry, as with set. A key that the call did not name is an
error. return VALUES, RESULT also prints the result, as JSON.

A handler has no files, no network, no clock, no load, no while and no
recursion. A call ends after 10 million steps, 5 seconds or 256 MiB. Handlers
are part of the database, in all their versions; the log records what a call
wrote, not that it was called.`,
	}, newHandlerAdd(s), newHandlerLs(s), newHandlerShow(s), newHandlerRm(s))
}

func newHandlerAdd(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "add NAME FILE",
		Short: "Store a handler, as its next version",
		Long: `Stores the handler in FILE, or on stdin if FILE is -, and prints its version. It
is checked first: one that does not compile is refused by line and column. The
source that NAME has already makes no new version. NAME is 1 to 64 of the
characters a-z 0-9 _ and -.`,
		Example:     "kvsh handler add transfer transfer.star\nkvsh handler add --rev swap swap.star",
		Args:        operands(2, 2),
		Annotations: exits("0, 3 cannot read the file, 7 the handler is wrong: by file and line"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.addHandler(c, args[0], args[1]); err != nil {
				return named("handler add", args[0], err)
			}
			return nil
		},
	}
	s.set.bindRev(c)
	return c
}

func (s *Session) addHandler(c *cobra.Command, name, file string) error {
	if err := handler.CheckName(name); err != nil {
		return &usageError{reason: err.Error()}
	}
	source, err := s.handlerSource(c, file)
	if err != nil {
		return err
	}
	if file == "-" {
		file = "stdin"
	}
	if _, err := handler.Compile(file, source); err != nil {
		return badHandler(err)
	}
	ctx := c.Context()
	var (
		stored handler.Stored
		added  bool
	)
	w, err := s.update(ctx, func(tx engine.Tx) (err error) {
		stored, added, err = handler.Add(ctx, tx, name, source)
		return err
	})
	if err != nil {
		return err
	}
	if !added {
		s.remark("unchanged")
	}
	if err := s.number("version", int64(stored.Version)); err != nil {
		return err
	}
	return s.acknowledge(w)
}

// handlerSource reads a file that is to be a handler, or stdin for -.
func (s *Session) handlerSource(c *cobra.Command, file string) ([]byte, error) {
	in := s.In
	switch {
	case file == "-" && (s.stdinIsScript || s.door == doorShell):
		return nil, usageOf(c, "stdin is the script")
	case file != "-":
		if err := s.otherFiles("handler add"); err != nil {
			return nil, err
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	// A byte beyond the limit is enough to be refused.
	return io.ReadAll(io.LimitReader(in, handler.MaxSourceSize+1))
}

// badHandler makes the fault of a handler that is to be stored bad input data.
func badHandler(err error) error {
	var fault *handler.Error
	if !errors.As(err, &fault) {
		return err
	}
	return &format.InputError{Name: fault.Name, Line: int64(max(fault.Line, 1)), Column: fault.Column, Reason: fault.Reason}
}

func newHandlerLs(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the handlers",
		Long: `Lists the handlers: name, newest version, size, age, and the comment they begin
with.`,
		Example:     "kvsh handler ls\nkvsh handler ls --json",
		Args:        operands(0, 0),
		Annotations: exits("0"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.listHandlers(c.Context()); err != nil {
				return fmt.Errorf("handler ls: %w", err)
			}
			return nil
		},
	}
}

func (s *Session) listHandlers(ctx context.Context) error {
	var all []handler.Stored
	err := s.view(ctx, func(tx engine.Tx) (err error) {
		all, err = handler.List(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	rows, err := s.rows(
		format.Column{Name: "name", Kind: format.Text, Whole: true}, format.Column{Name: "version", Kind: format.Int},
		format.Column{Name: "size", Kind: format.Size}, format.Column{Name: "age", Kind: format.Age},
		format.Column{Name: "about", Kind: format.Text})
	if err != nil {
		return err
	}
	for i := range all {
		h := &all[i]
		var added any // none for what the open transaction holds
		if h.Stamp != 0 {
			added = h.Stamp.Time()
		}
		if err := rows.Row(h.Name, h.Version, len(h.Source), added, h.About()); err != nil {
			return err
		}
	}
	return rows.Close()
}

func newHandlerShow(s *Session) *cobra.Command {
	var version int
	c := &cobra.Command{
		Use:         "show NAME",
		Short:       "Print the source of a handler",
		Long:        `Prints the source of a handler, byte for byte as it was added.`,
		Example:     "kvsh handler show transfer\nkvsh handler show transfer --version 1",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 no such handler"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("version") && version < 1 {
				return usageOf(c, "--version: versions begin at 1")
			}
			ctx := c.Context()
			err := s.view(ctx, func(tx engine.Tx) error {
				h, err := handler.Get(ctx, tx, args[0], version)
				if err != nil {
					return err
				}
				return s.value(engine.Entry{Key: h.Name, Value: h.Source}, false)
			})
			if err != nil {
				return named("handler show", args[0], noHandler(err))
			}
			return nil
		},
	}
	c.Flags().IntVar(&version, "version", 0, "version `N` of it; the newest otherwise")
	return c
}

func newHandlerRm(s *Session) *cobra.Command {
	c := &cobra.Command{
		Use:         "rm NAME",
		Short:       "Delete a handler with all its versions",
		Long:        `Deletes a handler with all its versions and prints how many there were.`,
		Example:     "kvsh handler rm transfer\nkvsh handler rm --dry-run transfer",
		Args:        operands(1, 1),
		Annotations: exits("0, 1 no such handler"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.removeHandler(c.Context(), args[0]); err != nil {
				return named("handler rm", args[0], noHandler(err))
			}
			return nil
		},
	}
	s.set.bindRev(c)
	return c
}

func (s *Session) removeHandler(ctx context.Context, name string) error {
	var versions int
	w, err := s.update(ctx, func(tx engine.Tx) (err error) {
		versions, err = handler.Remove(ctx, tx, name)
		if err == nil && versions == 0 {
			return handler.ErrNoHandler
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := s.number("deleted", int64(versions)); err != nil {
		return err
	}
	return s.acknowledge(w)
}
