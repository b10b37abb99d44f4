package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

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
		Example:     "kvsh log ls\nkvsh log ls --json",
		Args:        operands(0, 0),
		Annotations: exits("0, 4 damaged"),
		RunE: func(c *cobra.Command, _ []string) error {
			err := hasLog(s.path())
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
			var bad error
			for i := range segments {
				g := &segments[i]
				state := string(g.State)
				if g.Reason != "" {
					state += fmt.Sprintf(" at byte %d: %s", g.Offset, g.Reason)
				}
				if g.State == engine.SegmentDamaged && bad == nil {
					bad = fmt.Errorf("log ls: %w", &engine.CorruptError{File: g.File, Offset: g.Offset, Reason: g.Reason})
				}
				err := rows.Row(g.File, uint64(g.First), uint64(g.Last), g.Records, g.Bytes, g.FirstTime, g.LastTime, state)
				if err != nil {
					return err
				}
			}
			if err := rows.Close(); err != nil {
				return err
			}
			return bad
		},
	}
}

func newLogShow(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "show [REV[..REV]]",
		Short: "Show transactions: revision, time, writer, operations",
		Long: `Shows the transactions of a span of revisions, or all, an operation a line. A
span may be open at an end: 7.. is all from 7 on. On a terminal this is what
became of which key; in a pipe and with --json it is all that stands in the log:
writer, expiry, file, offset, checksums. Damaged records are shown as far as
they can be read.`,
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

// hasLog refuses what has no log: a database in memory, a snapshot.
func hasLog(path string) error {
	if err := onDisk(path); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return fmt.Errorf("a snapshot has no log: %w", engine.ErrUnsupported)
	}
	return nil
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
			return 0, 0, usagef("not a revision: %s", quoted(args[0]))
		}
		*end.rev = engine.Rev(n)
	}
	if to != 0 && from > to {
		return 0, 0, usagef("the span %s ends before it begins", quoted(args[0]))
	}
	return from, to, nil
}

// showLog writes the transactions of a span, an operation a line, and the
// places that are none.
func (s *Session) showLog(ctx context.Context, from, to engine.Rev) error {
	if err := hasLog(s.path()); err != nil {
		return err
	}
	m, err := s.mode()
	if err != nil {
		return err
	}
	columns, cells := allLogColumns, allLogCells
	if m == format.Pretty || m == format.Table || m == format.Auto && s.OutTerminal && !s.redirected {
		columns, cells = shortLogColumns, shortLogCells
	}
	rows, err := s.rows(columns...)
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
		if len(r.Ops) == 0 {
			r.Ops = []engine.OpInfo{{}} // a bad place of which nothing is known
		}
		for i := range r.Ops {
			if inner = rows.Row(cells(&r, &r.Ops[i])...); inner != nil {
				return false
			}
		}
		return true
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

// shortLogColumns are what a person wants to see of an operation: what became
// of a key, and when.
var shortLogColumns = []format.Column{
	{Name: "rev", Kind: format.Int},
	{Name: "time", Kind: format.Time},
	{Name: "op", Kind: format.Text},
	{Name: "key", Kind: format.Bytes},
	{Name: "value", Kind: format.Bytes},
	{Name: "note", Kind: format.Text},
}

func shortLogCells(r *engine.RecordInfo, o *engine.OpInfo) []any {
	var notes []string
	if o.Family != "" {
		notes = append(notes, "cf "+o.Family)
	}
	if !o.Expires.IsZero() {
		notes = append(notes, "until "+o.Expires.Local().Format(time.DateTime))
	}
	if r.Bad != "" {
		notes = append(notes, fmt.Sprintf("damaged at byte %d: %s", r.Offset, r.Bad))
	}
	key, value := o.Key, any(o.Value)
	if o.Op == engine.OpIngest {
		key, value = o.Table, plural(o.TableEntries, "entry")
	} else if o.Op != engine.OpSet && o.Op != engine.OpSetExpiring {
		value = nil
	}
	var note any
	if len(notes) > 0 {
		note = strings.Join(notes, ", ")
	}
	return []any{uint64(r.Rev), stampTime(r.Stamp), opName(o.Op), key, value, note}
}

// allLogColumns are everything that stands in a record, for programs.
var allLogColumns = []format.Column{
	{Name: "rev", Kind: format.Int},
	{Name: "time", Kind: format.Time},
	{Name: "writer", Kind: format.Text},
	{Name: "op", Kind: format.Text},
	{Name: "cf", Kind: format.Text},
	{Name: "key", Kind: format.Bytes},
	{Name: "value", Kind: format.Bytes},
	{Name: "expires", Kind: format.Time},
	{Name: "file", Kind: format.Text},
	{Name: "offset", Kind: format.Int},
	{Name: "length", Kind: format.Int},
	{Name: "checksum", Kind: format.Text},
	{Name: "bad", Kind: format.Text},
	{Name: "stamp", Kind: format.Int},
	{Name: "origin", Kind: format.Text},
	{Name: "prev", Kind: format.Text},
	{Name: "durable_before", Kind: format.Bool},
	{Name: "table", Kind: format.Text},
	{Name: "table_bytes", Kind: format.Int},
	{Name: "table_entries", Kind: format.Int},
}

func allLogCells(r *engine.RecordInfo, o *engine.OpInfo) []any {
	var key, value, checksum, bad, stamp, origin, prev, durable, table, tableBytes, tableEntries any
	switch o.Op {
	case 0: // nothing could be made out
	case engine.OpIngest:
		table, tableBytes, tableEntries = o.Table, o.TableSize, o.TableEntries
	case engine.OpDelete:
		key = o.Key
	default:
		key, value = o.Key, o.Value
	}
	if r.Stamp != 0 { // the record is whole
		checksum, prev = fmt.Sprintf("%08x", r.Checksum), fmt.Sprintf("%08x", r.Prev)
		stamp, origin, durable = uint64(r.Stamp), fmt.Sprintf("%016x", r.Origin), r.DurableBefore
	}
	if r.Bad != "" {
		bad = r.Bad
	}
	return []any{
		known(r.Rev), stampTime(r.Stamp), r.Writer, opName(o.Op), o.Family, key, value, o.Expires,
		r.File, r.Offset, r.Length, checksum, bad, stamp, origin, prev, durable, table, tableBytes, tableEntries,
	}
}

// stampTime is the moment of a stamp, and absent where no stamp could be read.
func stampTime(stamp engine.Stamp) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return stamp.Time()
}

// opName is an operation as the log commands name it; 0 is a place where none
// could be read.
func opName(op engine.Op) string {
	if op == 0 {
		return "bad"
	}
	return op.String()
}

func newLogVerify(s *Session) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:         "verify",
		Short:       "Check every record of the log, change nothing",
		Example:     "kvsh log verify\nkvsh log verify --deep",
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
