package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

func newLogShow(s *Session) *cobra.Command {
	var hex bool
	c := &cobra.Command{
		Use:   "show [REV[..REV]]",
		Short: "Show transactions: revision, time, writer, operations",
		Long: `Shows the transactions of a span of revisions, or all. A span may be open at an
end: 7.. is all from 7 on. On a terminal and with -m pretty a transaction is a
line with revision, time, writer, file:offset+length and checksum, then a line
for each operation with old → new; otherwise an operation is a row with all that
stands in the log. In those, "before" says what is known of the key before the
transaction: value (then "old" has it), none, or unknown where neither the
history of the database nor the records shown tell. A bad record is shown as far
as it can be read. --db may also name a folder of segments, or one segment.`,
		Example:     "kvsh log show 1..3\nkvsh log show --json\nkvsh log show --hex 2",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			from, to, err := revSpan(args)
			if err == nil {
				err = s.showLog(c.Context(), from, to, hex)
			}
			if err != nil {
				return fmt.Errorf("log show: %w", err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&hex, "hex", false, "the bytes of each record as a hex dump")
	return c
}

// showLog writes the transactions of a span, and the places that are none.
func (s *Session) showLog(ctx context.Context, from, to engine.Rev, hex bool) error {
	if err := hasLog(s.path()); err != nil {
		return err
	}
	w, err := s.logWriter(hex)
	if err != nil {
		return err
	}
	past, shown := s.past(ctx), false
	var bad, inner error
	err = engine.Records(ctx, nil, s.path(), from, to, func(r engine.RecordInfo) bool {
		shown = true
		if r.Bad != "" && !r.Torn && bad == nil {
			bad = &engine.CorruptError{File: r.File, Offset: r.Offset, Rev: r.Rev, Reason: r.Bad}
		}
		inner = writeRecord(ctx, w, past, &r)
		return inner == nil
	})
	if err := errors.Join(err, inner, w.end()); err != nil {
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

// writeRecord writes a record with all its operations.
func writeRecord(ctx context.Context, w logWriter, past *pastReader, r *engine.RecordInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.head(r); err != nil {
		return err
	}
	for i := range r.Ops {
		o := logOp{OpInfo: &r.Ops[i]}
		if w.wantsOld() {
			o.held, o.old = past.before(ctx, r, o.OpInfo)
		}
		if err := w.op(r, &o); err != nil {
			return err
		}
	}
	past.pass(r)
	return nil
}
