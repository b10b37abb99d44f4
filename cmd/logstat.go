package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// logStatOptions are the flags of log stat.
type logStatOptions struct {
	separators string
	top        int // prefixes to name; 0: all
}

func newLogStat(s *Session) *cobra.Command {
	var o logStatOptions
	c := &cobra.Command{
		Use:   "stat [REV[..REV]]",
		Short: "Add up the log by kind, prefix and writer",
		Long: `Adds up the transactions of a span of revisions, or all. A row is a group of
them: total, then by kind of operation (set, expiring, del, ingest), by the
first part of the key up to a separator, the largest first, by writer, and what
is bad. "bytes" are those of keys and values, of a table for an ingest;
"log_bytes" those of whole records, where a group has whole records.`,
		Example:     "kvsh log stat\nkvsh log stat --top 3 --json 1..2",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 no such revision, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			from, to, err := revSpan(args)
			switch {
			case err != nil:
			case o.top < 0:
				return usageOf(c, "--top %d: below zero", o.top)
			case o.separators == "":
				return usageOf(c, "--sep: empty")
			default:
				err = s.logStat(c.Context(), from, to, &o)
			}
			if err != nil {
				return fmt.Errorf("log stat: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.separators, "sep", ":/.", "a prefix ends in one of the characters `S`")
	c.Flags().IntVar(&o.top, "top", 10, "name `N` prefixes, the others in one row; 0: all")
	return c
}

// A logSum is what transactions with something in common add up to.
type logSum struct {
	name                string
	txs, ops            int64
	bytes               int64 // of keys and values
	logBytes            int64 // of records
	first, last         engine.Rev
	firstTime, lastTime time.Time
	inThis              bool // the record at hand was counted
	ofRecords           bool // logBytes means something
}

// tx counts a record, once.
func (g *logSum) tx(r *engine.RecordInfo) {
	if g.inThis {
		return
	}
	g.inThis = true
	g.txs++
	g.logBytes += r.Length
	if g.first == 0 {
		g.first, g.firstTime = r.Rev, stampTime(r.Stamp)
	}
	g.last, g.lastTime = r.Rev, stampTime(r.Stamp)
}

func (g *logSum) op(r *engine.RecordInfo, bytes int64) {
	g.tx(r)
	g.ops++
	g.bytes += bytes
}

// logSums are the sums of one walk, by what their members have in common.
type logSums struct {
	separators              string
	total, bad              logSum
	kinds, prefixes, writer map[string]*logSum
	counted                 []*logSum // by the record at hand
}

// sum is the sum of a name, which counts the record at hand.
func (l *logSums) sum(m map[string]*logSum, name string) *logSum {
	g := m[name]
	if g == nil {
		g = &logSum{name: name}
		m[name] = g
	}
	if !g.inThis {
		l.counted = append(l.counted, g)
	}
	return g
}

// add counts a record or bad place.
func (l *logSums) add(r *engine.RecordInfo) {
	if r.Bad != "" {
		l.bad.inThis = false
		l.bad.tx(r)
		return
	}
	l.total.inThis = false
	l.total.tx(r)
	w := l.sum(l.writer, r.Writer)
	w.tx(r)
	for i := range r.Ops {
		o := &r.Ops[i]
		bytes := int64(len(o.Key) + len(o.Value))
		if o.Op == engine.OpIngest {
			bytes = o.TableSize
		}
		for _, g := range []*logSum{&l.total, w, l.sum(l.kinds, kindName(o.Op))} {
			g.op(r, bytes)
		}
		if o.Op != engine.OpIngest {
			prefix := o.Key[:strings.IndexAny(o.Key, l.separators)+1]
			l.sum(l.prefixes, prefix).op(r, bytes)
		}
	}
	for _, g := range l.counted {
		g.inThis = false
	}
	l.counted = l.counted[:0]
}

// kindName is an operation as log stat names it.
func kindName(op engine.Op) string {
	if op == engine.OpSetExpiring {
		return "expiring"
	}
	return op.String()
}

// logStat writes the sums over a span of revisions.
func (s *Session) logStat(ctx context.Context, from, to engine.Rev, o *logStatOptions) error {
	if err := hasLog(s.path()); err != nil {
		return err
	}
	l := logSums{
		separators: o.separators, total: logSum{name: "", ofRecords: true}, bad: logSum{ofRecords: true},
		kinds: make(map[string]*logSum), prefixes: make(map[string]*logSum), writer: make(map[string]*logSum),
	}
	var bad, inner error
	err := engine.Records(ctx, nil, s.path(), from, to, func(r engine.RecordInfo) bool {
		if r.Bad != "" && bad == nil {
			bad = &engine.CorruptError{File: r.File, Offset: r.Offset, Rev: r.Rev, Reason: r.Bad}
		}
		l.add(&r)
		inner = ctx.Err()
		return inner == nil
	})
	if err := errors.Join(err, inner); err != nil {
		return err
	}
	if from != 0 && l.total.txs+l.bad.txs == 0 {
		return answerNo("no such revision: %d", from)
	}
	if err := s.writeLogSums(&l, o.top); err != nil {
		return err
	}
	return bad
}

// writeLogSums writes a row for each sum.
func (s *Session) writeLogSums(l *logSums, top int) error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	moment := format.Time
	if m == format.Pretty || m == format.Auto && s.OutTerminal && !s.redirected {
		moment = format.Age // two times would not fit 80 columns
	}
	rows, err := s.rows(
		format.Column{Name: "group", Kind: format.Text}, format.Column{Name: "name", Kind: format.Bytes},
		format.Column{Name: "transactions", Kind: format.Int}, format.Column{Name: "operations", Kind: format.Int},
		format.Column{Name: "bytes", Kind: format.Size}, format.Column{Name: "log_bytes", Kind: format.Size},
		format.Column{Name: "first", Kind: format.Int}, format.Column{Name: "last", Kind: format.Int},
		format.Column{Name: "from", Kind: moment}, format.Column{Name: "to", Kind: moment})
	if err != nil {
		return err
	}
	write := func(group string, g *logSum) {
		var name, txs, logBytes any
		if group != "others" { // which may share transactions
			txs = g.txs
		}
		if group != "total" && group != "bad" && group != "others" {
			name = g.name
		}
		if g.ofRecords {
			logBytes = g.logBytes
		}
		// The first error stays with rows, and Close returns it.
		_ = rows.Row(group, name, txs, g.ops, g.bytes, logBytes, known(g.first), known(g.last), g.firstTime, g.lastTime)
	}
	write("total", &l.total)
	for _, g := range bySize(l.kinds) {
		write("kind", g)
	}
	prefixes := bySize(l.prefixes)
	if top > 0 && len(prefixes) > top {
		others := logSum{}
		for _, g := range prefixes[top:] {
			others.ops += g.ops
			others.bytes += g.bytes
			if others.first == 0 || g.first < others.first {
				others.first, others.firstTime = g.first, g.firstTime
			}
			if g.last > others.last {
				others.last, others.lastTime = g.last, g.lastTime
			}
		}
		prefixes = append(prefixes[:top:top], &others)
	}
	for i, g := range prefixes {
		if top > 0 && i == top {
			write("others", g)
		} else {
			write("prefix", g)
		}
	}
	for _, g := range bySize(l.writer) {
		g.ofRecords = true
		write("writer", g)
	}
	if l.bad.txs > 0 {
		write("bad", &l.bad)
	}
	return rows.Close()
}

// bySize is the sums of a group, the largest first.
func bySize(m map[string]*logSum) []*logSum {
	return slices.SortedFunc(maps.Values(m), func(a, b *logSum) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), strings.Compare(a.name, b.name))
	})
}
