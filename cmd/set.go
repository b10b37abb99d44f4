package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// setOptions are the flags of set.
type setOptions struct {
	conditions
	ttl  time.Duration // from now; 0: not so
	at   time.Time     // the moment of expiry; zero: not so
	file string        // where the value is; empty: not in a file
	old  bool          // print the value before
}

// conditions are what must hold for a key to be written.
type conditions struct {
	ifAbsent bool
	ifExists bool
	ifValue  *string // nil: not asked
	ifRev    *uint64 // nil: not asked
}

func newSet(s *Session) *cobra.Command {
	var (
		o       setOptions
		ifValue string
		ifRev   uint64
	)
	c := &cobra.Command{
		Use:   "set KEY [VALUE]",
		Short: "Write a key",
		Long: `Writes a key. Without VALUE the value is read from stdin, byte for byte. A plain
set clears an expiry. Flags stand before the key; behind it a word with a dash
is the value.

With a condition it is compare-and-set: nothing is written unless it holds.`,
		Example: "kvsh set user:1 Ada\nkvsh set delta -1\nkvsh set --if-absent lock:a me\n" +
			"kvsh set --if-value Ada user:1 Grace\nkvsh set --ttl 90s session:7 open",
		Args:        setOperands,
		Annotations: oneCommit(exits("0 written, 1 the condition does not hold")),
		RunE: func(c *cobra.Command, args []string) error {
			f := c.Flags()
			if f.Changed("if-value") {
				o.ifValue = &ifValue
			}
			if f.Changed("if-rev") {
				o.ifRev = &ifRev
			}
			if f.Changed("ttl") && o.ttl == 0 {
				return usageOf(c, "--ttl: not more than zero")
			}
			if err := oneOf(c, "ttl", "expires-at"); err != nil {
				return err
			}
			if err := oneOf(c, "if-absent", "if-exists", "if-value", "if-rev"); err != nil {
				return err
			}
			value, err := s.valueOperand(c, args[1:], o.file)
			if err != nil {
				return err
			}
			return s.setKey(c.Context(), args[0], value, o)
		},
	}
	f := c.Flags()
	f.SetInterspersed(false)
	f.BoolVar(&o.ifAbsent, "if-absent", false, "only if the key is not there")
	f.BoolVar(&o.ifExists, "if-exists", false, "only if the key is there")
	f.StringVar(&ifValue, "if-value", "", "only if the value is `V`")
	f.Uint64Var(&ifRev, "if-rev", 0, "only if the key was last written at revision `N`; 0: only if it is not there")
	f.Var((*durationFlag)(&o.ttl), "ttl", "the key is gone after so long, like 90s, 10m or 7d")
	f.Var((*timeFlag)(&o.at), "expires-at", "the key is gone from the moment `T` on, like 2030-01-31T08:00:00Z")
	f.StringVar(&o.file, "file", "", "the value is what `F` holds, - for stdin")
	f.BoolVar(&o.old, "old", false, "print the value before")
	s.set.bindRev(c)
	return c
}

// mostQuoted is how long a value may be for a hint to repeat it, in bytes.
const mostQuoted = 40

// setOperands checks the operands of set. More than two are, most likely, a
// value that nobody quoted.
func setOperands(c *cobra.Command, args []string) error {
	err := operands(1, 2)(c, args)
	var e *usageError
	if len(args) < 3 || !errors.As(err, &e) || slices.ContainsFunc(args[1:], func(word string) bool { return strings.HasPrefix(word, "-") }) {
		return err
	}
	if value := strings.Join(args[1:], " "); len(args[0])+len(value) <= mostQuoted {
		e.hint = fmt.Sprintf("a value with blanks stands in quotes: set %s %s", format.Word([]byte(args[0])), format.Word([]byte(value)))
	}
	return err
}

// oneOf refuses more than one of some flags.
func oneOf(c *cobra.Command, names ...string) error {
	given := ""
	for _, name := range names {
		if !c.Flags().Changed(name) {
			continue
		}
		if given != "" {
			return usageOf(c, "--%s and --%s exclude each other", given, name)
		}
		given = name
	}
	return nil
}

// valueOperand is the value a command is to write: the word, the file, or stdin.
func (s *Session) valueOperand(c *cobra.Command, words []string, file string) ([]byte, error) {
	name := commandName(c)
	switch {
	case len(words) > 0 && file != "":
		return nil, usageOf(c, "a VALUE and --file exclude each other")
	case len(words) > 0:
		return []byte(words[0]), nil
	case file != "" && file != "-":
		if err := s.otherFiles(name + " --file"); err != nil {
			return nil, err
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		defer f.Close()
		return readValue(f)
	case s.door == doorShell || s.InTerminal && file == "":
		return nil, usageOf(c, "VALUE is missing")
	case s.stdinIsScript:
		e := usageOf(c, "VALUE is missing").(*usageError)
		e.hint = "stdin is the script; an empty value is ''"
		return nil, e
	}
	s.watchSignals() // somebody may be typing
	return readValue(s.In)
}

// readValue reads a value to its end. It stops a byte behind the limit, so
// that the engine refuses it.
func readValue(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, engine.MaxValueSize+1))
	if err != nil {
		return nil, fmt.Errorf("read value: %w", err)
	}
	return b, nil
}

// setKey writes a key if the conditions hold.
func (s *Session) setKey(ctx context.Context, key string, value []byte, o setOptions) error {
	var old engine.Entry
	w, err := s.update(ctx, func(tx engine.Tx) error {
		old = engine.Entry{}
		if o.old || !o.always() {
			e, err := tx.Get(ctx, key)
			found := err == nil
			if err != nil && !errors.Is(err, engine.ErrNotFound) {
				return err
			}
			if err := o.check(e, found); err != nil {
				return err
			}
			if found && o.old {
				old = e
			}
		}
		expires := o.at
		if o.ttl > 0 {
			expires = tx.Now().Add(o.ttl)
		}
		return put(ctx, tx, engine.Entry{Key: key, Value: value, Expires: expires})
	})
	if err != nil {
		return named("set", key, err)
	}
	if old.Rev != 0 || old.Value != nil {
		// The number of the revision stands on a line of its own.
		if err := s.value(old, s.endsValues() || s.set.ShowRev); err != nil {
			return err
		}
	}
	return s.acknowledge(w)
}

func (o *conditions) always() bool {
	return !o.ifAbsent && !o.ifExists && o.ifValue == nil && o.ifRev == nil
}

// check reports, as an answer "no", the condition that does not hold.
func (o *conditions) check(e engine.Entry, found bool) error {
	switch {
	case o.ifAbsent && found:
		return answerNo("key exists")
	case o.ifRev != nil && *o.ifRev == 0 && found:
		return answerNo("key exists")
	case o.ifRev != nil && *o.ifRev == 0:
		return nil
	case (o.ifExists || o.ifValue != nil || o.ifRev != nil) && !found:
		return engine.ErrNotFound
	case o.ifValue != nil && string(e.Value) != *o.ifValue:
		return answerNo("value differs")
	case o.ifRev != nil && uint64(e.Rev) != *o.ifRev:
		return answerNo("is at revision %d, not %d", e.Rev, *o.ifRev)
	}
	return nil
}
