package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newLog(s *Session) *cobra.Command {
	return parent(&cobra.Command{
		Use:   "log",
		Short: "Look into the log of transactions",
		Long:  "Everything that was ever written stands in the log, a record a transaction.",
	}, newLogLs(s), newLogShow(s), newLogVerify(s))
}

func newLogLs(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:         "ls",
		Short:       "List the segments of the log",
		Example:     "kvsh log ls",
		Args:        operands(0, 0),
		Annotations: exits("0, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			err := onDisk(s.path())
			var segments []engine.SegmentInfo
			if err == nil {
				segments, err = engine.Segments(c.Context(), nil, s.path())
			}
			if err != nil {
				return fmt.Errorf("log ls: %w", err)
			}
			rows, err := s.rows(
				format.Column{Name: "segment", Kind: format.Text}, format.Column{Name: "first", Kind: format.Int},
				format.Column{Name: "last", Kind: format.Int}, format.Column{Name: "records", Kind: format.Int},
				format.Column{Name: "bytes", Kind: format.Size}, format.Column{Name: "from", Kind: format.Time},
				format.Column{Name: "to", Kind: format.Time}, format.Column{Name: "state", Kind: format.Text})
			if err != nil {
				return err
			}
			for i := range segments {
				g := &segments[i]
				state := string(g.State)
				if g.Reason != "" {
					state += fmt.Sprintf(" at byte %d: %s", g.Offset, g.Reason)
				}
				err := rows.Row(g.File, uint64(g.First), uint64(g.Last), g.Records, g.Bytes, g.FirstTime, g.LastTime, state)
				if err != nil {
					return err
				}
			}
			return rows.Close()
		},
	}
}

func newLogShow(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "show [REV[..REV]]",
		Short: "Show transactions: revision, time, writer, operations",
		Long: `Shows the transactions of a span of revisions, or all, an operation a line. A
span may be open at an end: 7.. is all from 7 on.`,
		Example:     "kvsh log show 1..3\nkvsh log show --json",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			from, to, err := revSpan(args)
			if err == nil {
				err = s.showLog(c.Context(), from, to)
			}
			if err != nil {
				return fmt.Errorf("log show: %w", err)
			}
			return nil
		},
	}
}

// revSpan reads REV, REV..REV, REV.. and ..REV; 0 is an open end.
func revSpan(args []string) (from, to engine.Rev, err error) {
	if len(args) == 0 {
		return 0, 0, nil
	}
	lo, hi, isSpan := strings.Cut(args[0], "..")
	if !isSpan {
		hi = lo
	}
	for _, end := range []struct {
		text string
		rev  *engine.Rev
	}{{lo, &from}, {hi, &to}} {
		if end.text == "" && isSpan {
			continue
		}
		n, err := strconv.ParseUint(end.text, 10, 64)
		if err != nil || n == 0 {
			return 0, 0, usagef("not a revision: %q", args[0])
		}
		*end.rev = engine.Rev(n)
	}
	if to != 0 && from > to {
		return 0, 0, usagef("the span %q ends before it begins", args[0])
	}
	return from, to, nil
}

// showLog writes the transactions of a span, an operation a line, and the
// places that are none.
func (s *Session) showLog(ctx context.Context, from, to engine.Rev) error {
	if err := onDisk(s.path()); err != nil {
		return err
	}
	rows, err := s.rows(
		format.Column{Name: "rev", Kind: format.Int}, format.Column{Name: "time", Kind: format.Time},
		format.Column{Name: "writer", Kind: format.Text}, format.Column{Name: "op", Kind: format.Text},
		format.Column{Name: "cf", Kind: format.Text}, format.Column{Name: "key", Kind: format.Bytes},
		format.Column{Name: "value", Kind: format.Bytes}, format.Column{Name: "expires", Kind: format.Time},
		format.Column{Name: "file", Kind: format.Text}, format.Column{Name: "offset", Kind: format.Int},
		format.Column{Name: "length", Kind: format.Int}, format.Column{Name: "checksum", Kind: format.Text},
		format.Column{Name: "bad", Kind: format.Text})
	if err != nil {
		return err
	}
	shown := false
	var bad, inner error
	err = engine.Records(ctx, nil, s.path(), from, to, func(r engine.RecordInfo) bool {
		shown = true
		if r.Bad != "" && bad == nil {
			bad = &engine.CorruptError{File: r.File, Offset: r.Offset, Rev: r.Rev, Reason: r.Bad}
		}
		inner = showRecord(rows, &r)
		return inner == nil
	})
	if err := errors.Join(err, inner, rows.Close()); err != nil {
		return err
	}
	if bad != nil {
		return bad
	}
	if !shown && from != 0 {
		return answerNo("no such revision: %d", from)
	}
	return nil
}

func showRecord(rows *format.Rows, r *engine.RecordInfo) error {
	ops := r.Ops
	if len(ops) == 0 {
		ops = []engine.OpInfo{{}}
	}
	checksum := fmt.Sprintf("%08x", r.Checksum)
	if r.Bad != "" {
		checksum = ""
	}
	for i := range ops {
		o := &ops[i]
		var key, value, expires, bad any
		name := o.Op.String()
		switch o.Op {
		case 0:
			name = "bad"
		case engine.OpIngest:
			key = o.Table
			value = fmt.Sprintf("%d entries, %d bytes", o.TableEntries, o.TableSize)
		default:
			key = o.Key
			if o.Op != engine.OpDelete {
				value = o.Value
			}
		}
		if !o.Expires.IsZero() {
			expires = o.Expires
		}
		if r.Bad != "" {
			bad = r.Bad
		}
		err := rows.Row(uint64(r.Rev), r.Stamp.Time(), r.Writer, name, o.Family, key, value, expires,
			r.File, r.Offset, r.Length, checksum, bad)
		if err != nil {
			return err
		}
	}
	return nil
}

func newLogVerify(s *Session) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:         "verify",
		Short:       "Check every record of the log, change nothing",
		Example:     "kvsh log verify",
		Args:        operands(0, 0),
		Annotations: exits("0 sound, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := s.check(c.Context(), s.path(), deep)
			if err != nil {
				return fmt.Errorf("log verify: %w", err)
			}
			var faults []engine.Fault
			for _, f := range r.Faults {
				if strings.HasPrefix(f.File, "log/") || strings.HasPrefix(f.File, "history/") {
					faults = append(faults, f)
				}
			}
			r.Faults = faults
			if len(faults) == 0 && r.Verdict == engine.VerdictDamaged {
				r.Verdict = engine.VerdictClean // the damage is elsewhere
			}
			return s.checked(&r)
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "also compare what the files say of each other")
	return c
}
