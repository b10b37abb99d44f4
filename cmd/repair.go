package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

func newRepair(s *Session) *cobra.Command {
	var apply bool
	var accept int64
	c := &cobra.Command{
		Use:   "repair",
		Short: "Plan the way out of damage; --apply goes it",
		Long: `Says what a repair would do and changes nothing: each action with file, offset,
bytes and revisions, then the keys concerned, whether what is lost had been
acknowledged, and the value each key falls back to with the revision that wrote
it. With --apply it does that, after copying every file it changes to
quarantine/, writes what it did to repair.log, and checks the result.

Whole records stay where they are and keep their revisions; one that is lost
leaves a record in its place that says so. A damaged table is written anew from
its good blocks and from the log, without loss while the log reaches back far
enough. Where acknowledged data cannot be kept, --accept-loss has to repeat the
number that the plan names. A repair that was interrupted can be run again.`,
		Example:     "kvsh repair\nkvsh repair --json",
		Args:        operands(0, 0),
		Annotations: exits("0 nothing to repair, or repaired, 4 damaged, 5 busy, 6 needs --accept-loss"),
		RunE: func(c *cobra.Command, _ []string) error {
			if accept != 0 && !apply {
				return usageOf(c, "--accept-loss goes with --apply")
			}
			if err := s.repair(c.Context(), apply && !s.set.DryRun, accept); err != nil {
				return ofCommand("repair", err)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "do it; every file that is changed is copied to quarantine/ first")
	c.Flags().Int64Var(&accept, "accept-loss", 0, "lose the `N` acknowledged transactions and versions that the plan counts")
	return c
}

func (s *Session) repair(ctx context.Context, apply bool, accept int64) error {
	path := s.path()
	if err := onDisk(path); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return &refusedError{reason: fmt.Sprintf("%q is a single file, with nothing to repair it from", path), hint: salvageFile(path)}
	}
	ctx, end := s.withProgress(ctx, "repair")
	defer end()
	if !apply {
		plan, err := engine.PlanRepair(ctx, nil, path)
		end()
		if err != nil {
			return err
		}
		if err := s.showPlan(plan); err != nil {
			return err
		}
		return s.nextStep(plan)
	}
	switch {
	case s.set.ReadOnly && !s.damaged:
		return engine.ErrReadOnly
	case s.tx != nil:
		return usagef("not within a transaction")
	}
	if s.store != nil { // what it knows of the files is about to change
		err := s.store.Close()
		s.store = nil
		if err != nil && !errors.Is(err, engine.ErrDamaged) {
			return err
		}
	}
	wait := s.set.Wait
	if wait == 0 {
		wait = -1 // the engine's word for not at all
	}
	plan, err := engine.Repair(ctx, nil, path, engine.RepairOptions{AcceptLoss: accept, Wait: wait, Writer: s.writer()})
	end()
	var loss *engine.LossError
	if plan != nil {
		if err := s.showPlan(plan); err != nil {
			return err
		}
	}
	switch {
	case errors.As(err, &loss) && accept == 0:
		return &refusedError{
			reason: lossText(plan.LossN) + " would be lost; nothing was changed",
			hint:   fmt.Sprintf(`"kvsh repair --apply --accept-loss %d" says that this is understood`, plan.LossN),
		}
	case errors.As(err, &loss):
		return &refusedError{
			reason: fmt.Sprintf("the loss is %d and not %d; nothing was changed", plan.LossN, accept),
			hint:   fmt.Sprintf(`look at the plan again; then --accept-loss %d`, plan.LossN),
		}
	case err != nil:
		return err
	case plan.Nothing():
		s.remark("nothing to repair")
	default:
		s.remark(fmt.Sprintf("repaired: rev %d; what was changed or taken out is kept, see \"kvsh quarantine ls\"", plan.Rev))
	}
	s.damaged = false
	return nil
}

// planColumns are those of actions, lost keys and lost spans of keys alike, so
// that a plan is one table.
var planColumns = []format.Column{
	{Name: "what", Kind: format.Text},
	{Name: "file", Kind: format.Text},
	{Name: "offset", Kind: format.Int},
	{Name: "bytes", Kind: format.Size},
	{Name: "rev", Kind: format.Text},
	{Name: "cf", Kind: format.Text},
	{Name: "key", Kind: format.Bytes},
	{Name: "to_key", Kind: format.Bytes},
	{Name: "acknowledged", Kind: format.Text},
	{Name: "falls_back_to", Kind: format.Text},
	{Name: "value", Kind: format.Bytes},
	{Name: "from_rev", Kind: format.Int},
	{Name: "note", Kind: format.Text},
}

// showPlan writes what a repair does, and to which keys.
func (s *Session) showPlan(p *engine.Plan) error {
	if p.Nothing() {
		return nil
	}
	if people, err := s.forPeople(); err != nil {
		return err
	} else if people {
		o, err := s.options()
		if err != nil {
			return err
		}
		return writePlan(s.out, p, o.Width)
	}
	rows, err := s.rows(planColumns...)
	if err != nil {
		return err
	}
	var all [][]any
	for i := range p.Actions {
		a := &p.Actions[i]
		note := a.Note
		if a.Lossless && a.What != engine.ActCut { // what is cut is lost or not with the record that stood there
			note += "; no data are lost"
		}
		all = append(all, []any{a.What, a.File, a.Offset, a.Bytes, revSpanText(a.First, a.Last), nil, nil, nil, nil, nil, nil, nil, note})
	}
	for i := range p.Lost {
		l := &p.Lost[i]
		note := []string{l.Op}
		if !l.Proven {
			note = append(note, "the key was made out of damaged bytes or is left in a damaged span")
		}
		if l.FromRev > l.Rev && l.Rev != 0 {
			note = append(note, "written again later: not affected")
		}
		var value any
		if l.Falls == engine.FallsValue {
			value = l.Value
		}
		all = append(all, []any{
			"lost", nil, nil, nil, revSpanText(l.Rev, l.Rev), l.Family, l.Key, nil, l.Acknowledged, l.Falls, value, known(l.FromRev),
			strings.Trim(strings.Join(note, "; "), "; "),
		})
	}
	for i := range p.Spans {
		sp := &p.Spans[i]
		note := "keys unknown"
		if sp.Entries >= 0 {
			note = plural(sp.Entries, "version") + ", keys unknown"
		}
		all = append(all, []any{
			"lost span", sp.File, sp.Offset, nil, nil, sp.FromFamily, sp.From, sp.To, engine.AcknowledgedYes, nil, nil, nil, note,
		})
	}
	for i := range p.Left {
		f := &p.Left[i]
		all = append(all, []any{"left damaged", f.File, f.Offset, nil, revSpanText(f.Rev, f.Rev), nil, nil, nil, f.Acknowledged, nil, nil, nil, f.Reason})
	}
	for _, row := range all {
		if err := rows.Row(row...); err != nil {
			return err
		}
	}
	return rows.Close()
}

func revSpanText(first, last engine.Rev) any {
	switch {
	case first == 0:
		return nil
	case last <= first:
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d..%d", first, last)
}

// lossText is what a repair loses, in words.
func lossText(n int64) string {
	if n == 1 {
		return "1 acknowledged transaction or version"
	}
	return fmt.Sprintf("%d acknowledged transactions or versions", n)
}

// nextStep ends a plan with the command that carries it out.
func (s *Session) nextStep(p *engine.Plan) error {
	switch {
	case p.Nothing():
		s.remark("nothing to repair")
		return nil
	case len(p.Left) > 0:
		f := &p.Left[0]
		return &damagedError{
			reason: (&engine.CorruptError{File: f.File, Offset: f.Offset, Rev: f.Rev, Reason: f.Reason}).Error(),
			hint:   `"kvsh salvage --to DB" collects what is whole in a new database`,
		}
	case p.Verdict != engine.VerdictDamaged:
		s.remark(`nothing acknowledged is affected; the next write does this by itself, and so does "kvsh repair --apply"`)
		return nil
	case p.LossN == 0:
		return &damagedError{
			reason: "damaged; the repair loses nothing; so far nothing was changed",
			hint:   `"kvsh repair --apply" carries it out`,
		}
	}
	reason := fmt.Sprintf("damaged; the repair loses %s; so far nothing was changed", lossText(p.LossN))
	if !p.Complete {
		reason += "; not all the keys concerned are known for certain"
	}
	return &damagedError{reason: reason, hint: fmt.Sprintf(`"kvsh repair --apply --accept-loss %d" carries it out`, p.LossN)}
}
