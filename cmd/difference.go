package cmd

import (
	"fmt"
	"io"
	"strings"

	"kvsh/engine"
	"kvsh/format"
)

// A differenceWriter writes differences of two states and counts them.
type differenceWriter struct {
	write func(family string, d engine.Difference) error // for each
	end   func() error                                   // behind the last

	added, changed, removed int64
}

func (w *differenceWriter) total() int64 { return w.added + w.changed + w.removed }

// add counts a difference and writes it.
func (w *differenceWriter) add(family string, d engine.Difference) error {
	switch mark(d) {
	case "+":
		w.added++
	case "-":
		w.removed++
	default:
		w.changed++
	}
	return w.write(family, d)
}

// mark is how a difference is told in one character: + added, - removed, ~
// changed.
func mark(d engine.Difference) string {
	switch {
	case d.Old == nil:
		return "+"
	case d.New == nil:
		return "-"
	}
	return "~"
}

// newDifferences writes for people a line for each difference, and for programs
// a row, in jsonl unless another mode was chosen.
func (s *Session) newDifferences() (*differenceWriter, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	if o.Mode == format.Pretty || o.Mode == format.Auto && o.Terminal {
		return &differenceWriter{
			write: func(family string, d engine.Difference) error {
				_, err := io.WriteString(s.out, differenceLine(family, d, o.Width)+"\n")
				return err
			},
			end: func() error { return nil },
		}, nil
	}
	if o.Mode == format.Auto {
		o.Mode = format.JSONL
	}
	rows := format.NewRows(s.out, o,
		format.Column{Name: "op", Kind: format.Text}, format.Column{Name: "cf", Kind: format.Text},
		format.Column{Name: "key", Kind: format.Bytes}, format.Column{Name: "old", Kind: format.Bytes},
		format.Column{Name: "new", Kind: format.Bytes}, format.Column{Name: "rev", Kind: format.Int},
		format.Column{Name: "old_expires", Kind: format.Time}, format.Column{Name: "expires", Kind: format.Time})
	return &differenceWriter{
		write: func(family string, d engine.Difference) error { return rows.Row(differenceCells(family, d)...) },
		end:   rows.Close,
	}, nil
}

// differenceCells is a difference as a row.
func differenceCells(family string, d engine.Difference) []any {
	cells := []any{mark(d), nil, d.Key, nil, nil, nil, nil, nil}
	if family != "" {
		cells[1] = family
	}
	if d.Old != nil {
		cells[3], cells[6] = d.Old.Value, d.Old.Expires
	}
	if d.New != nil {
		cells[4], cells[7] = d.New.Value, d.New.Expires
		if d.New.Rev > 0 {
			cells[5] = uint64(d.New.Rev)
		}
	}
	return cells
}

// differenceLine is a difference for people, shortened to the width of their
// terminal; 0 is without limit:
//
//   - user:2 Grace
//   - drafts/old text
//     ~ visits 41 -> 42
func differenceLine(family string, d engine.Difference, width int) string {
	head := mark(d) + " "
	if family != "" {
		head += family + "/"
	}
	var values []string
	for _, e := range []*engine.Entry{d.Old, d.New} {
		if e != nil {
			values = append(values, string(e.Value))
		}
	}
	expiry := ""
	if d.Old != nil && d.New != nil && string(d.Old.Value) == string(d.New.Value) {
		// The expiry is the only difference there can be.
		values, expiry = values[:1], " (ttl)"
	}
	const arrow = " -> "
	// Half of the line for the key at most, and what is left for the values.
	key, used := format.Brief(format.Column{Name: "key"}, []byte(d.Key), width/2)
	if width > 0 {
		used += len(head) + len(expiry) + 1 + len(arrow)*(len(values)-1)
		width = max((width-used)/len(values), 1)
	}
	for i, v := range values {
		values[i], _ = format.Brief(format.Column{Name: "value"}, []byte(v), width)
	}
	return head + key + " " + strings.Join(values, arrow) + expiry
}

// newPatch writes differences as a file that import applies.
func (s *Session) newPatch() (*differenceWriter, error) {
	x, err := format.NewExporter(s.out, format.FormatKvsh, format.ExportOptions{})
	if err != nil {
		return nil, err
	}
	return &differenceWriter{
		write: func(family string, d engine.Difference) error {
			r := format.Record{Family: family, Key: []byte(d.Key), Delete: d.New == nil}
			if d.New != nil {
				r.Value, r.Expires = d.New.Value, d.New.Expires
			}
			return x.Write(r)
		},
		end: x.Close,
	}, nil
}

// newDifferenceCount only counts, and writes the numbers at the end.
func (s *Session) newDifferenceCount() *differenceWriter {
	w := &differenceWriter{write: func(string, engine.Difference) error { return nil }}
	w.end = func() error {
		m, err := s.mode()
		if err != nil {
			return err
		}
		if m == format.Auto || m == format.Pretty {
			_, err := fmt.Fprintf(s.out, "%d added, %d changed, %d removed\n", w.added, w.changed, w.removed)
			return err
		}
		return s.row([]format.Column{
			{Name: "added", Kind: format.Int}, {Name: "changed", Kind: format.Int}, {Name: "removed", Kind: format.Int},
		}, w.added, w.changed, w.removed)
	}
	return w
}
