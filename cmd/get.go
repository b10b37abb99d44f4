package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// getOptions are the flags of get.
type getOptions struct {
	fallback    string // printed for a key that is not there
	hasFallback bool
	raw         bool // never a newline
	at          moment
}

func newGet(s *Session) *cobra.Command {
	var o getOptions
	c := &cobra.Command{
		Use:   "get KEY…",
		Short: "Print the values of keys",
		Long: `Prints the values in the order asked. Into a file or pipe the value of one key
goes byte for byte; on a terminal, in the shell and in scripts, and after each
of several values, there is a newline. A terminal never gets control characters:
in every mode they are shown as escapes there, like \x1b.`,
		Example:     "kvsh get user:1\nkvsh get user:1 user:2\nkvsh get --default none user:9\nkvsh get --json user:1\nkvsh get --at 1 user:1",
		Args:        operands(1, -1),
		Annotations: brief(exits("0 all are there, 1 a key is missing, or there is no such revision")),
		RunE: func(c *cobra.Command, args []string) error {
			o.hasFallback = c.Flags().Changed("default")
			return s.get(c.Context(), args, o)
		},
	}
	c.Flags().StringVar(&o.fallback, "default", "", "print `V` for a key that is not there")
	c.Flags().BoolVar(&o.raw, "raw", false, "never a newline behind a value")
	o.at.bindAt(c)
	return c
}

// get prints the values of keys, all of one state of the database.
func (s *Session) get(ctx context.Context, keys []string, o getOptions) error {
	if o.raw && s.set.Mode == "auto" {
		s.set.Mode = "raw" // at a terminal, too: pretty ends its lines
	}
	m := format.Raw
	if !s.isPlain() {
		var err error
		if m, err = s.mode(); err != nil {
			return err
		}
	}
	var answer error
	err := s.viewAt(ctx, o.at, func(tx engine.Tx) error {
		print, end, err := s.valuePrinter(m, len(keys) > 1, o.raw, tx.Now())
		if err != nil {
			return err
		}
		for _, key := range keys {
			e, err := tx.Get(ctx, key)
			switch {
			case errors.Is(err, engine.ErrNotFound) && o.hasFallback:
				e = engine.Entry{Key: key, Value: []byte(o.fallback)}
			case errors.Is(err, engine.ErrNotFound) && len(keys) > 1:
				s.report(named("get", key, err))
				answer = errNo
				continue
			case err != nil:
				return named("get", key, err)
			}
			if err := print(e); err != nil {
				return err
			}
		}
		return end()
	})
	if err == nil {
		return answer
	}
	return named("get", keys[0], err)
}

// valuePrinter is how get writes its values: print for each entry, end behind
// the last one.
func (s *Session) valuePrinter(m format.Mode, several, raw bool, now time.Time) (print func(engine.Entry) error, end func() error, err error) {
	if isRecordMode(m) || m == format.Kvsh {
		columns := recordColumns
		if m == format.Kvsh {
			columns = scriptColumns
		}
		return s.rowWriter(columns, now)
	}
	newline := (several || s.endsValues()) && !raw
	print = func(e engine.Entry) error {
		if m == format.NUL && bytes.IndexByte(e.Value, 0) >= 0 {
			return fmt.Errorf("get %s: %w", quoted(e.Key), format.ErrNUL)
		}
		return s.value(e, newline)
	}
	return print, func() error { return nil }, nil
}
