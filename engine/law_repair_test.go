package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A harm is what was done to one file of a database.
type harm struct {
	name string
	what string // flip, zero, block, cut, gone
	at   int
}

func (h harm) String() string { return fmt.Sprintf("%s: %s at byte %d", h.name, h.what, h.at) }

// do returns the image with the harm done.
func (h harm) do(img image) image {
	img = maps.Clone(img)
	b := slices.Clone(img[h.name])
	switch h.what {
	case "flip":
		b[h.at] ^= 1 << (h.at % 8)
	case "zero":
		b[h.at] = 0
	case "block":
		clear(b[h.at:min(h.at+200, len(b))])
	case "cut":
		b = b[:h.at]
	case "gone":
		delete(img, h.name)
		return img
	}
	img[h.name] = b
	return img
}

// harms returns harms to every file: all there are when soaking, else a sample.
func (c *flipCase) harms(r *rand.Rand) (all []harm) {
	for _, name := range slices.Sorted(maps.Keys(c.img)) {
		if name == lockFile || strings.HasSuffix(name, "/") {
			continue
		}
		all = append(all, harm{name, "gone", 0})
		for at := range c.img[name] {
			for _, what := range []string{"flip", "zero", "block", "cut"} {
				if soaking() || r.IntN(effort(400, 100, 1)) == 0 {
					all = append(all, harm{name, what, at})
				}
			}
		}
	}
	return all
}

// A repairRun is one damaged database and its repair.
type repairRun struct {
	c    *flipCase
	harm harm
	img  image
	plan *Plan
	fsys FS // after the repair
	db   *DB
}

func (r *repairRun) run() error {
	ctx := context.Background()
	r.img = r.harm.do(r.c.img)
	lower := imageFS{r.img}
	var err error
	if r.plan, err = PlanRepair(ctx, lower, "db"); err != nil {
		return fmt.Errorf("PlanRepair: %w", err)
	}
	over := newOverlay(lower)
	defer over.close()
	r.fsys = over
	if r.plan.LossN > 0 {
		var loss *LossError
		if _, err := Repair(ctx, over, "db", RepairOptions{}); !errors.As(err, &loss) || loss.Plan.LossN != r.plan.LossN {
			return fmt.Errorf("Repair without a word = %v, want a LossError of %d", err, r.plan.LossN)
		}
	}
	done, err := Repair(ctx, over, "db", RepairOptions{AcceptLoss: r.plan.LossN, Now: r.c.clock.now})
	if len(r.plan.Left) > 0 {
		if err == nil || !errors.Is(err, ErrDamaged) {
			return fmt.Errorf("Repair = %v, want damage: %v is left", err, r.plan.Left)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("Repair: %w", err)
	}
	if done.LossN != r.plan.LossN || !reflect.DeepEqual(done.Lost, r.plan.Lost) || !reflect.DeepEqual(done.Spans, r.plan.Spans) {
		return fmt.Errorf("Repair lost %d: %v, the plan said %d: %v", done.LossN, done.Lost, r.plan.LossN, r.plan.Lost)
	}
	report, err := Check(ctx, over, "db", true)
	if err != nil || report.Verdict != VerdictClean {
		return fmt.Errorf("Check after the repair = %v %v, %v", report.Verdict, report.Faults, err)
	}
	if again, err := PlanRepair(ctx, over, "db"); err != nil || !again.Nothing() {
		return fmt.Errorf("PlanRepair after the repair = %+v, %v, want nothing", again, err)
	}
	if r.db, err = Open(ctx, "db", Options{Now: r.c.clock.now, FS: over, ReadOnly: true, sizes: lawSizes}); err != nil {
		return fmt.Errorf("Open after the repair: %w", err)
	}
	defer r.db.Close()
	return errors.Join(r.truth(), r.notWorse())
}

// truth compares what the repaired database reads with what the undamaged one
// did: whatever differs has to be in the plan.
func (r *repairRun) truth() error {
	got, rev, err := dump(r.db, Newest)
	if err != nil {
		return fmt.Errorf("read after the repair: %w", err)
	}
	want := r.c.model.newest().at(r.c.clock.ms)
	if rev != r.plan.Rev || rev > r.c.model.rev() {
		return fmt.Errorf("the newest revision is %d, the plan said %d, the log had %d", rev, r.plan.Rev, r.c.model.rev())
	}
	if r.plan.LossN == 0 && rev != r.c.model.rev() {
		return fmt.Errorf("the newest revision is %d without loss, want %d", rev, r.c.model.rev())
	}
	lost := make(map[string]bool) // the truth about the revisions that the plan gives up
	for _, a := range r.plan.Actions {
		if a.Lossless {
			continue
		}
		for v := a.First; v <= a.Last && a.What == ActVoid; v++ {
			before, after := r.c.model.states[v-1], r.c.model.states[v]
			for _, s := range []lawState{before, after} {
				for ikey := range s {
					b, inBefore := before[ikey]
					a, inAfter := after[ikey]
					if inBefore != inAfter || a != b {
						lost[ikey] = true
					}
				}
			}
		}
	}
	planned := make(map[string]LostKey)
	for _, l := range r.plan.Lost {
		planned[string(appendIKey(nil, l.Family, l.Key))] = l
	}
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for ikey := range keys {
		g, inGot := got[ikey]
		w, inWant := want[ikey]
		l, inPlan := planned[ikey]
		if inPlan && (l.Falls == FallsValue) != inGot && l.Falls == FallsValue && g.expires == 0 && !expired(r, ikey) {
			return fmt.Errorf("key %q falls back to %+v by the plan, and has %v", ikey, l, g)
		}
		if inPlan && inGot && string(l.Value) != g.value {
			return fmt.Errorf("key %q falls back to %q by the plan, and has %q", ikey, l.Value, g.value)
		}
		if inGot == inWant && g == w {
			continue
		}
		inSpan := slices.ContainsFunc(r.plan.Spans, func(s LostSpan) bool {
			return ikey >= string(appendIKey(nil, s.FromFamily, s.From)) && ikey <= string(appendIKey(nil, s.ToFamily, s.To))
		})
		switch {
		case r.plan.LossN == 0:
			return fmt.Errorf("key %q = %q, %t without loss, want %q, %t", ikey, g.value, inGot, w.value, inWant)
		case inPlan, lost[ikey] && !r.plan.Complete, inSpan && !inGot:
		default:
			return fmt.Errorf("key %q = %q, %t, want %q, %t, and the plan does not say so", ikey, g.value, inGot, w.value, inWant)
		}
	}
	if r.plan.LossN > 0 {
		return nil
	}
	for _, at := range r.c.past {
		got, _, err := dump(r.db, at)
		if errors.Is(err, ErrHistoryGone) && (r.harm.name == manifestFile || strings.HasPrefix(r.harm.name, historyDir)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("revision %d: %w", at, err)
		}
		want := r.c.model.past(at)
		if d := differ(got, want); d != "" && !strings.HasPrefix(r.harm.name, historyDir) {
			return fmt.Errorf("revision %d: %s", at, d)
		}
	}
	return nil
}

// expired reports whether a key has a value that is past its time.
func expired(r *repairRun, ikey string) bool {
	for _, s := range r.c.model.states {
		if s[ikey].expires != 0 {
			return true
		}
	}
	return false
}

// notWorse reads, key by key, the damaged database and the repaired one: what
// could be read still can.
func (r *repairRun) notWorse() error {
	ctx := context.Background()
	before, err := Open(ctx, "db", Options{Now: r.c.clock.now, FS: imageFS{r.img}, ReadOnly: true, sizes: lawSizes})
	if err != nil {
		return nil
	}
	defer before.Close()
	get := func(db *DB, ikey string) (cell, error) {
		var c cell
		family, key := splitIKey([]byte(ikey))
		err := db.View(ctx, Newest, func(tx Tx) error {
			e, err := tx.In(string(family)).Get(ctx, string(key))
			c = cellOf(e)
			return err
		})
		return c, err
	}
	for ikey, want := range r.c.model.newest().at(r.c.clock.ms) {
		was, err := get(before, ikey)
		if err != nil || was != want {
			continue
		}
		if is, err := get(r.db, ikey); err != nil || is != want {
			return fmt.Errorf("Get(%q) = %q, %v after the repair, and was %q before", ikey, is.value, err, was.value)
		}
	}
	return nil
}

// Ensure that a repair, whatever is damaged, does what its plan says, leaves a
// database that is clean, loses nothing without saying so, and makes nothing
// worse.
func TestLawRepair(t *testing.T) {
	r := lawRand(t)
	c := newFlipCase(t)
	harms := c.harms(r)
	kinds := make(map[string]int)
	for _, h := range harms {
		run := repairRun{c: c, harm: h}
		if err := guarded(run.run); err != nil {
			t.Errorf("%v: %v", h, err)
			if kinds["failed"]++; kinds["failed"] > 15 {
				break
			}
			continue
		}
		switch {
		case len(run.plan.Left) > 0:
			kinds["not to be mended"]++
		case run.plan.Nothing():
			kinds["nothing to do"]++
		case run.plan.LossN > 0:
			kinds["with loss"]++
		default:
			kinds["without loss"]++
		}
	}
	t.Logf("%d states in %d files: %v", len(harms), len(c.img), kinds)
}
