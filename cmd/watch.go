package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// watchOptions are the flags of watch.
type watchOptions struct {
	from  engine.Rev // 0: what comes from now on
	limit int        // changes after which it ends; 0: never
}

func newWatch(s *Session) *cobra.Command {
	var (
		o    watchOptions
		from uint64
		sel  selector
	)
	c := &cobra.Command{
		Use:   "watch [PATTERN] [-- CMD…]",
		Short: "Print changes of keys as they are committed, or run a program",
		Long: `Prints a row for each change of a selected key, by any process, until Ctrl-C.
With --from it begins with the changes of revision R and leaves none out; give
it the revision behind the last one seen to go on. After a kill begin with the
last one again: it may have more rows than were seen. It ends if the database is
removed or another takes its place.

With CMD it runs that for each change, one after the other, with KVSH_OP (set or
del), KVSH_KEY, KVSH_REV and KVSH_VALUE, and ends when CMD fails. The value also
is the stdin of CMD; it is there alone if a variable cannot hold it, for a NUL
in it or its size.`,
		Example:     "kvsh watch --from 1 --limit 2 'user:*'\nkvsh watch --from 1 --limit 1 text -- true",
		Args:        beforeProgram(0, 1, false),
		Annotations: exits("0 --limit reached, 1 the history of R is gone, 3 the database is gone, 7 a key holds NUL, 130 Ctrl-C, that of CMD"),
		RunE: func(c *cobra.Command, args []string) error {
			before, program := childWords(c, args)
			if len(before) > 0 {
				sel.pattern = before[0]
			}
			switch o.from = engine.Rev(from); {
			case c.Flags().Changed("from") && from == 0:
				return usageOf(c, "--from: revisions begin at 1")
			case o.limit < 0:
				return usageOf(c, "--limit %d: below zero", o.limit)
			}
			if err := s.watch(c.Context(), sel, o, program); err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			return nil
		},
	}
	f := c.Flags()
	sel.bindTests(c)
	f.Uint64Var(&from, "from", 0, "begin with the changes of revision `R`")
	f.IntVar(&o.limit, "limit", 0, "end after `N` changes")
	return c
}

// errEnough ends a watch that has seen as many changes as were asked for.
var errEnough = errors.New("enough")

// watch writes the changes of a selection as they come, or runs a program for
// each.
func (s *Session) watch(ctx context.Context, sel selector, o watchOptions, program []string) error {
	if len(program) > 0 {
		if err := s.otherFiles("a program"); err != nil {
			return err
		}
	}
	matches, err := sel.tester()
	if err != nil {
		return err
	}
	store, err := s.open(ctx, toRead)
	if err != nil {
		return err
	}
	handle, flush, end := s.programHandler(ctx, program), func() error { return nil }, func() error { return nil }
	if len(program) == 0 {
		if handle, flush, end, err = s.changeWriter(); err != nil {
			return err
		}
	}
	seen := 0
	each := func(change *engine.Change) error {
		for e, err := range change.Events {
			if err != nil {
				return err
			}
			if e.Family != s.set.Family || !matches(e.Key) {
				continue
			}
			if err := handle(change, &e); err != nil {
				return err
			}
			if seen++; seen == o.limit {
				return errEnough
			}
		}
		return nil
	}
	for change, err := range store.Watch(ctx, o.from) {
		if err == nil {
			err = each(&change)
		}
		if flushErr := flush(); err == nil {
			err = flushErr
		}
		if errors.Is(err, errEnough) {
			return end()
		}
		if err != nil {
			return errors.Join(err, end())
		}
	}
	return end()
}

// changeWriter writes changes as rows, of which flush sends out those so far.
func (s *Session) changeWriter() (write func(*engine.Change, *engine.Event) error, flush, end func() error, err error) {
	rows, err := s.rows(
		format.Column{Name: "rev", Kind: format.Int},
		format.Column{Name: "time", Kind: format.Time},
		format.Column{Name: "op", Kind: format.Text},
		format.Column{Name: "key", Kind: format.Bytes},
		format.Column{Name: "value", Kind: format.Bytes})
	if err != nil {
		return nil, nil, nil, err
	}
	write = func(c *engine.Change, e *engine.Event) error {
		var value any
		if e.Op != engine.OpDelete {
			value = e.Value
		}
		return rows.Row(uint64(c.Rev), c.Stamp.Time(), e.Op.String(), e.Key, value)
	}
	flush = func() error {
		if err := rows.Flush(); err != nil {
			return err
		}
		return s.out.Flush()
	}
	return write, flush, rows.Close, nil
}

// maxEnvValue is the bytes that a value in a variable has at most. Linux takes
// 128 KiB for one, with its name.
const maxEnvValue = 120 << 10

// programHandler runs a program for each change.
func (s *Session) programHandler(ctx context.Context, program []string) func(*engine.Change, *engine.Event) error {
	return func(c *engine.Change, e *engine.Event) error {
		if bytes.IndexByte([]byte(e.Key), 0) >= 0 {
			return fmt.Errorf("rev %d: key %s %w", c.Rev, quoted(e.Key), format.ErrNUL)
		}
		env := []string{"KVSH_OP=" + e.Op.String(), "KVSH_KEY=" + e.Key, fmt.Sprintf("KVSH_REV=%d", c.Rev)}
		if e.Op != engine.OpDelete && len(e.Value) <= maxEnvValue && bytes.IndexByte(e.Value, 0) < 0 {
			env = append(env, "KVSH_VALUE="+string(e.Value))
		}
		err := s.run(ctx, child{words: program, env: env, stdin: bytes.NewReader(e.Value)})
		if err != nil && ctx.Err() == nil {
			s.remark(fmt.Sprintf("watch: ended at rev %d; --from %d begins with it again", c.Rev, c.Rev))
		}
		return err
	}
}
