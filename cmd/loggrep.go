package cmd

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

// logGrepOptions are the flags of log grep beside those that choose keys.
type logGrepOptions struct {
	grepOptions
	from, to uint64 // revisions; 0: open
	limit    int    // operations; 0: all
}

func newLogGrep(s *Session) *cobra.Command {
	var (
		o   logGrepOptions
		sel selector
	)
	c := &cobra.Command{
		Use:   "grep RE [PATTERN]",
		Short: "Search the log for operations by key or value",
		Long: `Prints the operations in whose key or new value the regular expression RE is
found, in the forms of log show, with what was there before. PATTERN and the
flags choose the keys that are looked at; --cf chooses a column family.`,
		Example:     "kvsh log grep -F 1\nkvsh log grep -i AD 'user:*' --from 1 --limit 1",
		Args:        operands(1, 2),
		Annotations: exits("0 found, 1 not found, 4 damaged"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				sel.pattern = args[1]
			}
			re, err := o.compile(c, args[0])
			if err != nil {
				return err
			}
			if o.limit < 0 {
				return usageOf(c, "--limit %d: below zero", o.limit)
			}
			found, err := s.logGrep(c.Context(), re, sel, &o)
			if err != nil {
				return fmt.Errorf("log grep: %w", err)
			}
			if !found {
				return errNo
			}
			return nil
		},
	}
	o.bind(c)
	f := c.Flags()
	f.Uint64Var(&o.from, "from", 0, "begin with revision `R`")
	f.Uint64Var(&o.to, "to", 0, "end with revision `R`")
	f.IntVar(&o.limit, "limit", 0, "at most `N` operations")
	sel.bindTests(c)
	return c
}

// A logGrep is the state of one search through the log.
type logGrep struct {
	s       *Session
	w       logWriter
	past    *pastReader
	matches func(key string) bool
	re      *regexp.Regexp
	limit   int
	found   int
}

// logGrep writes the operations that match and reports whether there were any.
func (s *Session) logGrep(ctx context.Context, re *regexp.Regexp, sel selector, o *logGrepOptions) (bool, error) {
	if err := hasLog(s.path()); err != nil {
		return false, err
	}
	matches, err := sel.tester()
	if err != nil {
		return false, err
	}
	w, err := s.logWriter(false)
	if err != nil {
		return false, err
	}
	g := logGrep{s: s, w: w, past: s.past(ctx), matches: matches, re: re, limit: o.limit}
	var bad, inner error
	err = engine.Records(ctx, nil, s.path(), engine.Rev(o.from), engine.Rev(o.to), func(r engine.RecordInfo) bool {
		if r.Bad != "" && bad == nil {
			bad = &engine.CorruptError{File: r.File, Offset: r.Offset, Rev: r.Rev, Reason: r.Bad}
		}
		if inner = ctx.Err(); inner == nil {
			inner = g.record(ctx, &r)
		}
		return inner == nil
	})
	if errors.Is(inner, errEnough) {
		inner, bad = nil, nil
	}
	if err := errors.Join(err, inner, w.end()); err != nil {
		return false, err
	}
	return g.found > 0, bad
}

// record writes the operations of a record that match.
func (g *logGrep) record(ctx context.Context, r *engine.RecordInfo) error {
	headed := false
	for i := range r.Ops {
		o := &r.Ops[i]
		if o.Op == engine.OpIngest {
			if err := g.ingested(ctx, r, o, &headed); err != nil {
				return err
			}
			continue
		}
		if err := g.op(ctx, r, o, &headed); err != nil {
			return err
		}
	}
	g.past.pass(r)
	return nil
}

// op writes an operation if it matches, behind the head of its record.
func (g *logGrep) op(ctx context.Context, r *engine.RecordInfo, o *engine.OpInfo, headed *bool) error {
	if family := g.s.set.Family; family != "" && o.Family != family || !g.matches(o.Key) {
		return nil
	}
	if !g.re.MatchString(o.Key) && !g.re.Match(o.Value) {
		return nil
	}
	if !*headed {
		if err := g.w.head(r); err != nil {
			return err
		}
		*headed = true
	}
	shown := logOp{OpInfo: o}
	shown.held, shown.old = g.past.before(ctx, r, o)
	if err := g.w.op(r, &shown); err != nil {
		return err
	}
	if g.found++; g.found == g.limit {
		return errEnough
	}
	return nil
}

// ingested looks at the keys of a table that a record made part of the
// database: only the database can tell them.
func (g *logGrep) ingested(ctx context.Context, r *engine.RecordInfo, table *engine.OpInfo, headed *bool) error {
	type eventReader interface {
		Events(ctx context.Context, rev engine.Rev, f func(engine.Event) error) error
	}
	db, ok := g.past.db.(eventReader)
	err := engine.ErrUnavailable
	if ok {
		err = db.Events(ctx, r.Rev, func(e engine.Event) error {
			o := engine.OpInfo{Op: e.Op, Family: e.Family, Key: e.Key, Value: e.Value, Expires: e.Expires}
			return g.op(ctx, r, &o, headed)
		})
	}
	if class := engine.ClassOf(err); class == engine.ClassHistoryGone || class == engine.ClassDamaged || class == engine.ClassUnavailable {
		g.s.remark(fmt.Sprintf("rev %d: the import of %s was not searched: its table cannot be read", r.Rev, plural(table.TableEntries, "entry")))
		return nil
	}
	return err
}
