package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// undoFlags are the flags of undo.
type undoFlags struct {
	rev   uint64
	to    moment
	key   string
	force bool
}

func newUndo(s *Session) *cobra.Command {
	var o undoFlags
	c := &cobra.Command{
		Use:   "undo [N|KEY]",
		Short: "Take back the last commit, some others, or the change of a key",
		Long: `Writes the values back that were there before: before the last commit, the last
N, commit R (--rev), everything since R (--to), or the last change of KEY. It is
a new commit, of all column families or for KEY that of --cf, so that an undo of
it is a redo. A value that has expired since stays away.

Keys that were changed since the commit that is to be undone are listed and
nothing is written; -f writes them back too. --dry-run shows what would change.`,
		Example:     "kvsh undo\nkvsh undo --to 1\nkvsh --dry-run undo user:1",
		Args:        operands(0, 1),
		Annotations: exits("0, 1 nothing to undo, or its history is gone, 6 a key was changed since"),
		RunE: func(c *cobra.Command, args []string) error {
			e, err := s.undoOptions(c, args, &o)
			if err != nil {
				return err
			}
			if err := s.undo(c.Context(), e, o.to); err != nil {
				return fmt.Errorf("undo: %w", err)
			}
			return nil
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.rev, "rev", 0, "take back commit `R` alone")
	f.Var((*momentFlag)(&o.to), "to", "take back everything since `R`, a revision, a time, or so long ago as 10m")
	f.StringVar(&o.key, "key", "", "the same as `KEY`, for a key that is a number")
	f.BoolVarP(&o.force, "force", "f", false, "also keys that were changed since")
	return c
}

// undoOptions is what the words and flags of undo say, but for --to.
func (s *Session) undoOptions(c *cobra.Command, args []string, o *undoFlags) (engine.UndoOptions, error) {
	e := engine.UndoOptions{Rev: engine.Rev(o.rev), Key: o.key, Family: s.set.Family, Force: o.force, DryRun: s.set.DryRun}
	ways := len(args)
	for _, name := range []string{"rev", "to", "key"} {
		if c.Flags().Changed(name) {
			ways++
		}
	}
	switch {
	case ways > 1:
		return e, usageOf(c, "N, KEY, --rev, --to and --key do not go together")
	case c.Flags().Changed("rev") && o.rev == 0:
		return e, usageOf(c, "--rev: revisions begin at 1")
	case c.Flags().Changed("key") && o.key == "":
		return e, usageOf(c, "--key: empty")
	case len(args) == 0:
		return e, nil
	}
	n, err := strconv.ParseInt(args[0], 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n <= 0:
		return e, usageOf(c, "%s: not a number of commits; --key undoes the change of a key", args[0])
	case err == nil:
		e.Last = int(n)
	case args[0] == "":
		return e, usageOf(c, "empty key")
	default:
		e.Key = args[0]
	}
	return e, nil
}

// undo takes back what e says, or everything since a moment.
func (s *Session) undo(ctx context.Context, e engine.UndoOptions, to moment) error {
	switch {
	case s.tx != nil:
		return usagef("not within a transaction: rollback discards it")
	case s.set.ReadOnly:
		return engine.ErrReadOnly
	}
	store, err := maintain[engine.Historian](ctx, s) // nothing is undone where nothing is
	if err != nil {
		return err
	}
	if !to.isNow() {
		rev, err := revOf(ctx, store, to)
		if err != nil {
			return err
		}
		e.To = &rev
	}
	end := func() error { return nil }
	if e.DryRun {
		w, err := s.newDifferences()
		if err != nil {
			return err
		}
		var failed error
		e.Each = func(family string, d engine.Difference) {
			if failed == nil {
				failed = w.add(family, d)
			}
		}
		end = func() error { return errors.Join(failed, w.end()) }
	}
	ctx, endProgress := s.withProgress(ctx, "undo")
	defer endProgress()
	result, err := engine.Undo(ctx, store, e)
	endProgress()
	if err := errors.Join(s.refuseChanged(err), end()); err != nil {
		return err
	}
	if result.Keys == 0 {
		return answerNo("nothing to undo: all is as it was before rev %d; --rev or --to takes back earlier commits", result.After+1)
	}
	if !e.DryRun && s.OutTerminal && !s.redirected {
		s.remark(fmt.Sprintf("undid %s: %s", commits(&result), plural(result.Keys, "key")))
	}
	return s.acknowledge(written{rev: result.Rev, dry: e.DryRun})
}

// commits names the revisions that an undo takes back.
func commits(r *engine.UndoResult) string {
	if r.After+1 >= r.UpTo {
		return fmt.Sprintf("rev %d", r.UpTo)
	}
	return fmt.Sprintf("rev %d to %d", r.After+1, r.UpTo)
}

// refuseChanged lists the keys that keep an undo from being done.
func (s *Session) refuseChanged(err error) error {
	var changed *engine.ChangedError
	if !errors.As(err, &changed) {
		return err
	}
	for _, k := range changed.Keys {
		name := format.Word([]byte(k.Key))
		if k.Family != "" {
			name = k.Family + "/" + name
		}
		s.remark(fmt.Sprintf("changed since: %s by rev %d", name, k.Rev))
	}
	if more := changed.Total - int64(len(changed.Keys)); more > 0 {
		s.remark(fmt.Sprintf("changed since: %d more", more))
	}
	return &refusedError{
		reason: plural(changed.Total, "key") + " changed since, nothing was written",
		hint:   "-f undoes all the same; --dry-run -f shows what that would change",
	}
}
