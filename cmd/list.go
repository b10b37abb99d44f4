package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newList(s *Session) *cobra.Command {
	var (
		sel          selector
		long, values bool
		at           moment
	)
	c := &cobra.Command{
		Use:     "list [PATTERN]",
		Aliases: []string{"ls"},
		Short:   "List keys",
		Long: `Lists the keys that fit the PATTERN, sorted by bytes: * is any bytes, ? one
character, [a-z] one of a set. Without a pattern all keys. What is asked by
flags holds together with it.

` + momentHelp,
		Example: "kvsh list\nkvsh list 'user:*'\nkvsh list -l --suffix :name\n" +
			"kvsh list -v --prefix user: --limit 10 --reverse\nkvsh list --at 1",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				sel.pattern = args[0]
			}
			if err := s.list(c.Context(), sel, at, long, values); err != nil {
				return fmt.Errorf("list: %w", err)
			}
			return nil
		},
	}
	sel.bind(c)
	at.bindAt(c)
	c.Flags().BoolVarP(&long, "long", "l", false, "also size, revision, age and time to live")
	c.Flags().BoolVarP(&values, "values", "v", false, "also values")
	return c
}

// list writes the keys of a selection.
func (s *Session) list(ctx context.Context, sel selector, at moment, long, values bool) error {
	r, none, err := sel.resolve()
	if err != nil {
		return err
	}
	m := format.Raw
	if !s.isPlain() {
		if m, err = s.mode(); err != nil {
			return err
		}
	}
	if m == format.Kvsh || m == format.Env {
		values = true // they have no form for a key alone
	}
	r.KeysOnly = !values
	r.Lend = true // no row keeps anything of its entry
	shown := s.shownRows()
	if shown > 0 && (r.Limit == 0 || r.Limit > shown) {
		r.Limit = shown + 1 // one more says that there are more
	} else {
		shown = 0
	}
	return s.viewAt(ctx, at, func(tx engine.Tx) error {
		write, end, err := s.entryWriter(m, long, values, tx.Now())
		if err != nil {
			return err
		}
		if none {
			return end()
		}
		n, last := 0, ""
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			if n++; shown > 0 && n > shown {
				if err := end(); err != nil {
					return err
				}
				s.remark(fmt.Sprintf("the first %s; --after %s goes on, \".limit off\" shows all", plural(int64(shown), "key"), format.Word([]byte(last))))
				return nil
			}
			if err := write(e); err != nil {
				return err
			}
			last = e.Key
		}
		return end()
	})
}

// entryWriter is how list writes entries: write for each, end behind the last.
func (s *Session) entryWriter(m format.Mode, long, values bool, now time.Time) (write func(engine.Entry) error, end func() error, err error) {
	if s.isPlain() && !long && !values {
		write = func(e engine.Entry) error {
			if _, err := s.out.WriteString(e.Key); err != nil {
				return err
			}
			return s.out.WriteByte('\n')
		}
		return write, func() error { return nil }, nil
	}
	columns := []format.Column{{Name: "key", Kind: format.Bytes}}
	if values {
		columns = append(columns, format.Column{Name: "value", Kind: format.Bytes})
	}
	if m == format.Kvsh {
		columns = scriptColumns
	}
	if values && !long && (m == format.JSONL || m == format.JSON || m == format.Table) {
		columns = append(columns, recordColumns[2:]...)
	}
	if long && m != format.Kvsh {
		columns = append(columns,
			format.Column{Name: "size", Kind: format.Size},
			format.Column{Name: "rev", Kind: format.Int},
			format.Column{Name: "age", Kind: format.Age},
			format.Column{Name: "ttl", Kind: format.TTL})
	}
	return s.rowWriter(columns, now)
}

// rowWriter writes entries as rows with the given columns. now is the time to
// which their time to live refers.
func (s *Session) rowWriter(columns []format.Column, now time.Time) (write func(engine.Entry) error, end func() error, err error) {
	rows, err := s.rows(columns...)
	if err != nil {
		return nil, nil, err
	}
	cells := make([]any, 0, len(columns))
	write = func(e engine.Entry) error {
		cells = cells[:0]
		for _, c := range columns {
			cells = append(cells, s.cellOf(e, c.Name, now))
		}
		return rows.Row(cells...)
	}
	return write, rows.Close, nil
}

// recordColumns are the columns of an entry in the modes that name things.
var recordColumns = []format.Column{
	{Name: "key", Kind: format.Bytes},
	{Name: "value", Kind: format.Bytes},
	{Name: "rev", Kind: format.Int},
	{Name: "time", Kind: format.Time},
}

// scriptColumns are the columns of an entry in mode kvsh, which sets it again.
var scriptColumns = []format.Column{
	{Name: "key", Kind: format.Bytes},
	{Name: "value", Kind: format.Bytes},
	{Name: "cf", Kind: format.Text},
	{Name: "expires", Kind: format.Time},
}

func (s *Session) cellOf(e engine.Entry, column string, now time.Time) any {
	switch column {
	case "cf":
		return s.set.Family
	case "expires":
		return e.Expires
	case "key":
		return e.Key
	case "value":
		return e.Value
	case "size":
		return int64(e.Size)
	case "rev":
		return int64(e.Rev)
	case "time", "age":
		return e.Stamp.Time()
	}
	return remaining(e.Expires, now)
}

// remaining is the time to live as a cell, which is absent for what never
// expires.
func remaining(expires, now time.Time) any {
	if expires.IsZero() {
		return nil
	}
	return expires.Sub(now)
}
