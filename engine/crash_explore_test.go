//go:build crash

package engine

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"kvsh/engine/crashfs"
)

// A crashExplorer crashes one workload behind each of its calls, in every way
// the models allow, looks at what is there, and crashes the looking too.
// It runs in one goroutine, so that a seed finds the same again.
type crashExplorer struct {
	t     *testing.T
	name  string
	run   *crashRun
	seed  uint64
	rand  *rand.Rand
	seen  map[crashKey]crashSight
	times crashFigures
	found int // violations
}

// maxFound is how many violations of a workload are shown.
const maxFound = 3

// A crashKey is all that what is found depends on.
type crashKey struct {
	disk uint64
	boot byte
	line uint64 // which crashes and recoveries came before, as far as they matter
}

// crashFigures count what was explored.
type crashFigures struct {
	points   int // calls behind which was crashed
	states   int // disks that may be there then
	distinct int // of these that were not seen before, so that they were recovered
	nested   int // disks that a crash in a recovery may leave
	deeper   int // of these in the recovery of a crash in a recovery
	looked   int // of all nested that were not seen before
	races    int // readers while a writer went on
}

func (f *crashFigures) add(o crashFigures) {
	f.points += o.points
	f.states += o.states
	f.distinct += o.distinct
	f.nested += o.nested
	f.deeper += o.deeper
	f.looked += o.looked
	f.races += o.races
}

func (f crashFigures) String() string {
	return fmt.Sprintf("%d crash points, %d states (%d distinct), %d in recovery (%d of them in a second one; %d distinct), %d racing readers",
		f.points, f.states, f.distinct, f.nested, f.deeper, f.looked, f.races)
}

// A crashMoment is where a crash happens: behind the first calls of a history.
type crashMoment struct {
	history *crashfs.History
	first   int // calls of this history's own; those before belong to others
	boot    byte
	line    uint64
	depth   int // crashes before
	model   func(at int) *crashModel
	promise func(at int, power bool) crashPromise
	anew    bool   // the database was made anew: what made it first is not done again
	trail   string // for messages
}

var crashModels = []crashfs.Model{crashfs.Kill, crashfs.Journal, crashfs.Posix}

// crashEfforts by depth.
func crashEfforts() []crashfs.Effort {
	return []crashfs.Effort{
		{Cuts: effort(20, 300, 4000), Random: effort(4, 60, 400)},
		{Cuts: effort(4, 10, 40), Random: effort(2, 4, 20)},
		{Cuts: effort(2, 4, 10), Random: effort(1, 2, 6)},
	}
}

// crashNest is one in how many distinct states of each depth is explored
// further.
func crashNest(depth int) int {
	switch depth {
	case 0:
		return effort(200, 200, 2)
	case 1:
		return effort(6000, 2000, 60)
	}
	return 0
}

// explore crashes behind each call of a moment's history that is its own.
func (x *crashExplorer) explore(m *crashMoment) {
	e := crashEfforts()[m.depth]
	for at := m.first; at <= len(m.history.Ops); at++ {
		if m.depth == 0 {
			x.times.points++
		}
		for _, model := range crashModels {
			power := model != crashfs.Kill
			promise := m.promise(at, power)
			m.history.States(at, model, e, x.rand, func(s *crashfs.State) bool {
				x.visit(m, at, model, s, promise)
				return x.found < maxFound
			})
		}
		if x.found >= maxFound {
			return
		}
	}
}

// visit looks at one disk, unless it did before, and then crashes in between.
func (x *crashExplorer) visit(m *crashMoment, at int, model crashfs.Model, s *crashfs.State, promise crashPromise) {
	boot := m.boot
	if model != crashfs.Kill {
		boot++
	}
	switch m.depth {
	case 0:
		x.times.states++
	case 1:
		x.times.nested++
	default:
		x.times.nested++
		x.times.deeper++
	}
	key := crashKey{s.Sum, boot, m.line}
	if sight, ok := x.seen[key]; ok {
		if err := sight.keeps(promise); err != nil {
			x.violation(m, at, model, s, err)
		}
		return
	}
	if m.depth == 0 {
		x.times.distinct++
	} else {
		x.times.looked++
	}
	look := &crashLook{
		dir: filepath.Base(x.run.dir), boot: crashBoot(int(boot)), sizes: x.run.sizes, model: m.model(at),
		write: put1(fmt.Sprint("next", m.depth), "n"), deep: x.rand.IntN(16) == 0,
	}
	if x.rand.IntN(8) > 0 {
		look.sizes.fold = 1 << 30
	}
	if x.run.remake != nil && !m.anew && x.rand.IntN(2) == 0 {
		look.before = x.run.remake
	}
	disk := s.Disk()
	sight, trace, err := look.at(disk)
	if err == nil {
		err = sight.keeps(promise)
	}
	if err == nil && m.depth == 0 {
		err = x.files(disk, at)
	}
	if err != nil {
		x.violation(m, at, model, s, err)
		return
	}
	x.seen[key] = sight
	if n := crashNest(m.depth); n == 0 || x.rand.IntN(n) > 0 {
		return
	}
	anew := m.anew || sight.none && sight.writer < promise.least
	if anew {
		promise.least = 0
	}
	x.nest(m, at, model, s, look, sight, trace, promise, boot, anew)
}

// nest crashes behind each call of a recovery.
func (x *crashExplorer) nest(m *crashMoment, at int, model crashfs.Model, s *crashfs.State, look *crashLook, sight crashSight, trace crashTrace, promise crashPromise, boot byte, anew bool) {
	// The power was lost: all that is there is durable. A killed process leaves
	// what is not.
	h, start := &crashfs.History{Base: trace.base}, 0
	after := promise // a loss of power
	if model == crashfs.Kill {
		h = m.history.Until(at, s)
		start = len(h.Ops)
		after = m.promise(at, true)
		if sight.none {
			after.least = promise.least
		}
	}
	h.Ops = append(h.Ops[:start:start], trace.ops...)
	nested := look.model.with(sight.writer, look.write)
	next := &crashMoment{
		history: h, first: start + 1, boot: boot, depth: m.depth + 1, anew: anew,
		line:  m.line*1_000_003 + uint64(sight.writer) + 1,
		model: func(int) *crashModel { return nested },
		promise: func(now int, power bool) crashPromise {
			p := promise
			if power {
				p = after
			}
			p.most = sight.writer + 1
			if now >= start+trace.acked {
				p.born = true
				if !x.run.relax || !power {
					p.least = sight.writer + 1
				}
			}
			return p
		},
		trail: fmt.Sprintf("%s%s behind call %d (%v), found %+v; ", m.trail, model, at, s, sight),
	}
	x.explore(next)
	x.race(next, effort(1, 2, 4))
}

// files checks those that are to appear whole.
func (x *crashExplorer) files(disk *crashfs.Disk, at int) error {
	if len(x.run.files) == 0 {
		return nil
	}
	mem := crashfs.Mount(disk)
	defer mem.Unmount()
	seam := crashSeam{mem}
	for _, f := range x.run.files {
		path := filepath.Join(mem.Path(), f.path)
		info, err := seam.Stat(path)
		switch {
		case err == nil && info.Size() == 0 && at < f.at, err != nil && at < f.at:
			continue // an empty file takes the name first
		case err == nil:
			err = f.verify(seam, path)
		}
		if err != nil {
			return broken("%s: %v", f.path, err)
		}
	}
	return nil
}

func (x *crashExplorer) violation(m *crashMoment, at int, model crashfs.Model, s *crashfs.State, err error) {
	x.found++
	var tail []string
	for i := max(0, at-12); i < min(at+2, len(m.history.Ops)); i++ {
		mark := " "
		if i == at {
			mark = ">"
		}
		tail = append(tail, fmt.Sprintf("  %s%4d %v", mark, i, m.history.Ops[i]))
	}
	x.t.Errorf("KVSH_SEED=%d, workload %s: %s%s behind call %d, %v: %v\nthe calls:\n%s\nthe disk:\n  %s",
		x.seed, x.name, m.trail, model, at, s, err, strings.Join(tail, "\n"), strings.Join(s.Disk().Paths(), "\n  "))
}

// Ensure that whatever moment the crash comes at, and however much of what was
// not synced is gone: acknowledged transactions are there, each transaction is
// there whole or not at all, the database opens by itself and takes writes, and
// a crash during that changes nothing of it.
func TestCrash(t *testing.T) {
	debug.SetGCPercent(400) // a great many small file systems
	seed := lawRand(t).Uint64()
	var mu sync.Mutex
	var all crashFigures
	violations := 0
	begun := time.Now()
	t.Run("workloads", func(t *testing.T) {
		for _, w := range crashWorks {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				x := newCrashExplorer(t, w.name, w.run, seed)
				from := time.Now()
				x.explore(x.whole())
				x.race(x.whole(), len(x.run.history.Ops)*effort(1, 4, 40))
				t.Logf("%s: %v, %d violations, %v", w.name, x.times, x.found, time.Since(from).Round(time.Millisecond))
				mu.Lock()
				defer mu.Unlock()
				all.add(x.times)
				violations += x.found
			})
		}
	})
	t.Logf("%d workloads, %v, %d violations, seed %d, %v", len(crashWorks), all, violations, seed, time.Since(begun).Round(time.Millisecond))
}

func newCrashExplorer(t *testing.T, name string, work func(*crashRun), seed uint64) *crashExplorer {
	c := newCrashRun(t)
	defer c.fs.Unmount()
	work(c)
	c.history = c.fs.History()
	var h uint64
	for _, b := range []byte(name) {
		h = h*31 + uint64(b)
	}
	return &crashExplorer{t: t, name: name, run: c, seed: seed, rand: rand.New(rand.NewPCG(seed, h)), seen: map[crashKey]crashSight{}}
}

// whole is the workload itself.
func (x *crashExplorer) whole() *crashMoment {
	return &crashMoment{history: x.run.history, model: x.run.at, promise: x.run.promise}
}
