package engine

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
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

// repairStates is how many damaged databases TestLawRepair mends.
var repairStates = flag.Int("repair-states", 300, "damaged databases that a repair is tried on")

// harms returns harms to every file: all there are when soaking, else a sample
// of about so many.
func (c *flipCase) harms(r *rand.Rand, most int) (all []harm) {
	total := 0
	for name := range c.img {
		total += 4 * len(c.img[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.img)) {
		if name == lockFile || strings.HasSuffix(name, "/") {
			continue
		}
		all = append(all, harm{name, "gone", 0}, harm{name, "cut", 0})
		for at := range c.img[name] {
			for _, what := range []string{"flip", "zero", "block", "cut"} {
				if what == "zero" && c.img[name][at] == 0 {
					continue
				}
				if soaking() || r.IntN(total) < most {
					all = append(all, harm{name, what, at})
				}
			}
		}
	}
	return all
}

// forgetful returns the case after its history was forgotten and its tables
// were merged into one of several blocks, so that what is lost of it is lost.
func (c *flipCase) forgetful(t *testing.T) *flipCase {
	t.Helper()
	ctx := context.Background()
	dir := filepath.Join(lawDir(t), "db")
	c.img.write(t, dir)
	f := &flipCase{model: &lawModel{states: slices.Clone(c.model.states), stamps: slices.Clone(c.model.stamps)}, clock: &lawClock{ms: c.clock.ms}}
	s := lawSizes
	s.slice, s.segment, s.fold = 1<<20, 64<<10, 1<<20
	db := mustOpen(t, dir, Options{Now: f.clock.now, Writer: "w", sizes: s})
	defer db.Close()
	write := func(writes map[string]*cell) {
		f.clock.ms += 5
		f.model.commit(writes, mustUpdate(t, db, writes).Stamp)
	}
	for i := range 40 {
		write(map[string]*cell{userIKey(fmt.Sprintf("k%03dx", i*2)): {value: strings.Repeat("v", 3000)}})
	}
	keep := time.Duration(0)
	if _, err := db.Compact(ctx, CompactOptions{Keep: &keep}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		write(map[string]*cell{userIKey(fmt.Sprintf("k%03dx", i*2)): {value: "new"}, userIKey(fmt.Sprint("k00", i)): nil})
	}
	f.img = readImage(t, dir)
	f.img[lockFile] = nil
	f.past = []Rev{f.model.rev() - 3, f.model.rev()}
	return f
}

// some returns so many harms at random places.
func (c *flipCase) some(r *rand.Rand, n int) (all []harm) {
	var names []string
	for name, b := range c.img {
		if len(b) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for range n {
		name := names[r.IntN(len(names))]
		at := r.IntN(len(c.img[name]))
		all = append(all, harm{name, []string{"flip", "block", "cut", "gone"}[r.IntN(4)], at})
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
		if r.harm.name != manifestFile {
			return fmt.Errorf("PlanRepair leaves %v", r.plan.Left)
		}
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
	if r.harm.what == "flip" && r.plan.Nothing() {
		return errors.New("PlanRepair sees nothing")
	}
	return errors.Join(r.truth(), r.notWorse(), r.kept())
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
			return ikey >= string(appendIKey(nil, s.FromFamily, s.From)) && (s.To == "" || ikey <= string(appendIKey(nil, s.ToFamily, s.To)))
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

// kept looks for every byte that the repair changed or removed in quarantine/.
func (r *repairRun) kept() error {
	all, err := Quarantine(r.fsys, "db")
	if err != nil {
		return fmt.Errorf("Quarantine: %w", err)
	}
	for name, was := range r.img {
		if strings.HasSuffix(name, "/") || name == lockFile {
			continue
		}
		is, err := readFileFrom(r.fsys, "db/"+name, 0)
		if err == nil && bytes.Equal(is, was) || len(was) == 0 {
			continue
		}
		if !slices.ContainsFunc(all, func(q QuarantineInfo) bool {
			var b bytes.Buffer
			_, err := ReadQuarantine(r.fsys, "db", q.Name, &b)
			return err == nil && q.File == name && bytes.Equal(append(slices.Clone(is[:min(q.Offset, int64(len(is)))]), b.Bytes()...), was)
		}) {
			return fmt.Errorf("%s was changed, and quarantine/ has no copy of it", name)
		}
	}
	return nil
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
	forgetful := c.forgetful(t)
	harms := append(c.harms(r, *repairStates), forgetful.some(r, effort(50, 100, 5000))...)
	first := len(harms) - effort(50, 100, 5000) // from here on they are of the second case
	kinds := make(map[string]int)
	var mu sync.Mutex
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := w; i < len(harms) && !t.Failed(); i += 4 {
				run := repairRun{c: c, harm: harms[i]}
				if i >= first {
					run.c = forgetful
				}
				if err := guarded(run.run); err != nil {
					t.Errorf("%v: %v", harms[i], err)
					return
				}
				mu.Lock()
				kinds[run.kind()]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	t.Logf("%d states in %d files: %v", len(harms), len(c.img), kinds)
	for _, kind := range []string{"without loss", "with loss"} {
		if kinds[kind] == 0 {
			t.Errorf("no state was repaired %s: the law says little", kind)
		}
	}
}

func (r *repairRun) kind() string {
	switch {
	case len(r.plan.Left) > 0:
		return "not to be mended"
	case r.plan.Nothing():
		return "nothing to do"
	case r.plan.LossN > 0:
		return "with loss"
	}
	return "without loss"
}

// Ensure that a repair that fails or dies at any of its calls has made nothing
// worse, and that the next one comes to the same end.
func TestLawRepairFaults(t *testing.T) {
	r := lawRand(t)
	c := newFlipCase(t)
	dir := filepath.Join(lawDir(t), "db")
	files := slices.DeleteFunc(c.harms(r, *repairStates), func(h harm) bool { return h.what == "zero" || h.what == "flip" })
	r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	states := 0
	for _, h := range append([]harm{
		{logDir + "/" + c.lastSegment(), "block", 100}, {manifestFile, "flip", 40}, {markFile, "gone", 0}, {formatFile, "gone", 0},
	}, files[:effort(0, 1, 200)]...) {
		img := h.do(c.img)
		repair := func(fsys FS) error {
			plan, err := PlanRepair(context.Background(), fsys, dir)
			if err != nil {
				return err
			}
			_, err = Repair(context.Background(), fsys, dir, RepairOptions{AcceptLoss: plan.LossN, Now: c.clock.now})
			return err
		}
		read := func() lawState {
			db, err := Open(context.Background(), dir, Options{ReadOnly: true, Now: c.clock.now, sizes: lawSizes})
			if err != nil {
				t.Fatalf("%v: Open = %v", h, err)
			}
			defer db.Close()
			got, _, err := dump(db, Newest)
			if err != nil {
				t.Fatalf("%v: read: %v", h, err)
			}
			return got
		}
		img.write(t, dir)
		whole := &faultFS{FS: OS}
		if err := repair(whole); err != nil {
			t.Logf("%v: %v", h, err)
			continue
		}
		want := read()
		all := faults(len(whole.names), 0, whole.writes)
		step := effort(200, 80, 5)
		for i := r.IntN(step); i < len(all); i += step {
			states++
			img.write(t, dir)
			what := all[i]
			fsys := &faultFS{FS: OS, fault: what}
			made := died(func() error { return repair(fsys) })
			fsys.end()
			tag := fmt.Sprintf("%v: %v (%s), which made Repair = %v", h, what, whole.names[what.at-1], made)
			if err := repair(OS); err != nil {
				t.Fatalf("%s; the next Repair = %v", tag, err)
			}
			if d := differ(read(), want); d != "" {
				t.Fatalf("%s: after the next one %s", tag, d)
			}
			report, err := Check(context.Background(), OS, dir, true)
			if err != nil || report.Verdict != VerdictClean {
				t.Fatalf("%s: Check = %v %v, %v", tag, report.Verdict, report.Faults, err)
			}
		}
		db := mustOpen(t, dir, Options{Now: c.clock.now, sizes: lawSizes})
		mustUpdate(t, db, map[string]*cell{userIKey("after"): {value: "repair"}})
		if err := db.maintain(context.Background(), 3); err != nil {
			t.Errorf("%v: maintain after the repair: %v", h, err)
		}
		db.Close()
	}
	t.Logf("%d states", states)
}

// lastSegment is the name of the last segment of log/ that holds records.
func (c *flipCase) lastSegment() (last string) {
	for _, name := range slices.Sorted(maps.Keys(c.img)) {
		if rest, ok := strings.CutPrefix(name, logDir+"/"); ok && len(c.img[name]) > 400 {
			last = rest
		}
	}
	return last
}

// died runs f in a process that may be killed.
func died(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(killed); !ok {
				panic(p)
			}
			err = errors.New("killed")
		}
	}()
	return f()
}
