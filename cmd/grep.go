package cmd

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// grepOptions are the flags of grep.
type grepOptions struct {
	ignoreCase bool
	fixed      bool // the expression is the text itself
	keysOnly   bool
	at         moment
}

func newGrep(s *Session) *cobra.Command {
	var (
		o   grepOptions
		sel selector
	)
	c := &cobra.Command{
		Use:   "grep RE [PATTERN]",
		Short: "Search values for a regular expression",
		Long: `Prints the lines of values in which the regular expression RE is found: key,
number of the line, line. PATTERN and the flags of a selection choose the keys
whose values are searched; --limit bounds those, not the lines found.`,
		Example:     "kvsh grep '^A'\nkvsh grep -i -l ADA 'user:*'\nkvsh grep -F n --suffix :1\nkvsh grep --at 1 Ada",
		Args:        operands(1, 2),
		Annotations: exits("0 found, 1 not found"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				sel.pattern = args[1]
			}
			re, err := o.compile(c, args[0])
			if err != nil {
				return err
			}
			found, err := s.grep(c.Context(), re, sel, o)
			if err != nil {
				return fmt.Errorf("grep: %w", err)
			}
			if !found {
				return errNo
			}
			return nil
		},
	}
	o.bind(c)
	c.Flags().BoolVarP(&o.keysOnly, "keys", "l", false, "print only the keys")
	sel.bind(c)
	o.at.bindAt(c)
	return c
}

// bind declares the flags that say what an expression means.
func (o *grepOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.BoolVarP(&o.ignoreCase, "ignore-case", "i", false, "upper and lower case are the same")
	f.BoolVarP(&o.fixed, "fixed", "F", false, "RE is the text to find, not an expression")
}

// compile makes the expression of the operand RE. An error is one of usage.
func (o *grepOptions) compile(c *cobra.Command, text string) (*regexp.Regexp, error) {
	if o.fixed {
		text = regexp.QuoteMeta(text)
	}
	if o.ignoreCase {
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, usageOf(c, "RE: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// grep writes the lines of values in which an expression is found, or their
// keys, and reports whether there were any.
func (s *Session) grep(ctx context.Context, re *regexp.Regexp, sel selector, o grepOptions) (found bool, err error) {
	r, none, err := sel.resolve()
	if err != nil {
		return false, err
	}
	columns := []format.Column{{Name: "key", Kind: format.Bytes}}
	if !o.keysOnly {
		columns = append(columns, format.Column{Name: "line", Kind: format.Int}, format.Column{Name: "text", Kind: format.Bytes})
	}
	rows, err := s.rows(columns...)
	if err != nil {
		return false, err
	}
	search := func(e *engine.Entry) error {
		for n, line := range valueLines(e.Value) {
			if !re.Match(line) {
				continue
			}
			found = true
			if o.keysOnly {
				return rows.Row(e.Key)
			}
			if err := rows.Row(e.Key, n, line); err != nil {
				return err
			}
		}
		return nil
	}
	p := s.startProgress("grep")
	defer p.end()
	read := p.counting()
	err = s.viewAt(ctx, o.at, func(tx engine.Tx) error {
		if none {
			return nil
		}
		r.Lend = true // no row keeps anything of its entry
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			if read != nil {
				read.Add(1)
			}
			if err := search(&e); err != nil {
				return err
			}
		}
		return nil
	})
	p.end()
	if err != nil {
		return false, err
	}
	return found, rows.Close()
}

// valueLines yields the lines of a value without their ends, numbered from 1.
// A line feed at the end of the value begins no line; an empty value has none.
func valueLines(value []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for n := 1; len(value) > 0; n++ {
			line, rest, _ := bytes.Cut(value, []byte{'\n'})
			if !yield(n, bytes.TrimSuffix(line, []byte{'\r'})) {
				return
			}
			value = rest
		}
	}
}
