//go:build linux

package blackbox

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	pipeClients    = 6
	commandClients = 2    // each runs a process for every operation
	historyOps     = 1000 // at least, in one history
	historyKills   = 6    // of a client; each leaves an operation that may be there or not
	histories      = 50
	forgeEvery     = 10      // histories; showing that there is no order takes longer than finding one
	fillSize       = 100_000 // bytes of a value that makes the log grow
)

// TestProcessesAreLinearizable: whatever processes do to a few keys at once, in
// commands and transactions, while some are killed, the log is folded, the
// tables are merged and files are imported, there is one order of all they did
// in which each sees what those before it have done.
func TestProcessesAreLinearizable(t *testing.T) {
	r := newRand(t)
	count := histories
	if *soak {
		count = 40 * histories
	}
	var total tally
	for n := range count {
		h := &recording{db: newDB(t), rand: rand.New(rand.NewPCG(r.Uint64(), uint64(n)))}
		// A killed process leaves the same behind with and without fsync; without
		// it there are more histories in a minute.
		h.db.must(t, "", "init")
		if n%5 != 0 {
			h.db.must(t, "", "config", "sync", "never")
		}
		h.record(t)
		if t.Failed() {
			t.Fatalf("history %d", n)
		}
		checkHistory(t, h.history)
		if n%forgeEvery == 0 {
			if forged, ok := falsify(r, h.history); !ok || legal(forged) {
				t.Errorf("history %d with one read changed (%v) was accepted", n, ok)
			}
		}
		h.db.must(t, "", "check")
		if t.Failed() {
			t.Fatalf("history %d, database %s", n, h.db)
		}
		total.add(&h.tally)
	}
	t.Logf("%d histories of %d clients: %d operations (%d transactions, %d of them lost to a conflict, %d imports), %d kills, %d operations pending; beside them %d values of %d bytes and %d compactions",
		count, pipeClients+commandClients, total.ops, total.txs, total.conflicts, total.imports, total.kills, total.pending, total.fills, fillSize, total.compactions)
	if total.kills == 0 || total.pending == 0 || total.conflicts == 0 || total.imports == 0 || total.compactions == 0 {
		t.Errorf("something never happened: %+v", total)
	}
}

// A tally counts what happened in histories.
type tally struct {
	ops, txs, conflicts, imports, kills, pending, fills, compactions int
}

func (a *tally) add(b *tally) {
	a.ops += b.ops
	a.txs += b.txs
	a.conflicts += b.conflicts
	a.imports += b.imports
	a.kills += b.kills
	a.pending += b.pending
	a.fills += b.fills
	a.compactions += b.compactions
}

// A recording is one history in the making.
type recording struct {
	db      db
	rand    *rand.Rand
	started atomic.Int64 // operations
	value   atomic.Int64 // the last that was given to a write

	mu      sync.Mutex // guards below
	history []porcupine.Operation
	tally
}

// record runs all clients, and what happens beside them, until there are
// enough operations.
func (h *recording) record(t *testing.T) {
	t.Helper()
	start := time.Now()
	end := strings.TrimSuffix(h.db.must(t, "", "version"), "\n")
	clients := make([]client, 0, pipeClients+commandClients)
	for range pipeClients {
		clients = append(clients, &pipeClient{db: h.db, end: end})
	}
	for range commandClients {
		clients = append(clients, &commandClient{db: h.db})
	}
	h.value.Store(1000)
	var working, beside sync.WaitGroup
	for id, c := range clients {
		source := rand.New(rand.NewPCG(h.rand.Uint64(), uint64(id)))
		working.Go(func() { h.run(t, id, c, source, start) })
	}
	done := make(chan struct{})
	killer := rand.New(rand.NewPCG(h.rand.Uint64(), 0))
	beside.Go(func() { h.kill(killer, clients, done) })
	beside.Go(func() { h.fill(t, done) })
	beside.Go(func() { h.compact(t, done) })
	working.Wait()
	close(done)
	beside.Wait()
}

// run does operations with one client.
func (h *recording) run(t *testing.T, id int, c client, r *rand.Rand, start time.Time) {
	_, inPipe := c.(*pipeClient)
	var recent [registers]int64 // what the client last saw
	for h.started.Add(1) <= historyOps+historyKills && !t.Failed() {
		in := h.draw(r, inPipe, &recent)
		call := time.Since(start).Nanoseconds()
		out, err := c.do(t, in)
		end := time.Since(start).Nanoseconds()
		killed := errors.Is(err, errKilled)
		if err != nil && !killed {
			t.Errorf("client %d: %v", id, err)
			return
		}
		if killed && !out.pending {
			continue // it had not asked for anything to be written
		}
		if out.pending {
			end = math.MaxInt64
		}
		for i, key := range in.keys {
			if i < len(out.seen) && in.kind != opDelete {
				recent[key] = out.seen[i]
			}
		}
		h.note(porcupine.Operation{ClientId: id, Input: in, Call: call, Output: out, Return: end})
	}
	// A client ends with its last answer, which may be a "no".
	var exit *exec.ExitError
	if err := c.close(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		if v := c.current(); v == nil || !v.killed.Load() {
			t.Errorf("client %d: %v", id, err)
		}
	}
}

func (h *recording) note(o porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history = append(h.history, o)
	in, out := o.Input.(op), o.Output.(answer)
	h.ops++
	if out.pending {
		h.pending++
	}
	if in.kind == opTx {
		h.txs++
		if !out.pending && !out.done {
			h.conflicts++
		}
	}
	if strings.HasPrefix(in.words, "import") {
		h.imports++
	}
}

// draw chooses the next operation of a client.
func (h *recording) draw(r *rand.Rand, inPipe bool, recent *[registers]int64) op {
	key := r.IntN(registers)
	some := r.Perm(registers)[:2+r.IntN(registers-1)]
	fresh := func(key int) write { return write{key, h.value.Add(1000)} }
	switch n := r.IntN(20); {
	case n < 5:
		return op{kind: opRead, keys: []int{key}, words: "get --default 0 " + registerName(key)}
	case n < 7 && inPipe:
		return op{kind: opRead, keys: some, words: "get --default 0 " + registerNames(some)}
	case n < 8:
		return op{kind: opRead, keys: []int{0, 1, 2, 3, 4}, words: "list -v -m tsv --prefix r/"}
	case n < 10:
		w := fresh(key)
		return op{kind: opWrite, writes: []write{w}, words: fmt.Sprintf("set --rev %s %d", registerName(key), w.value)}
	case n < 12:
		in := op{kind: opWrite, words: "mset --rev"}
		for _, key := range some {
			w := fresh(key)
			in.writes = append(in.writes, w)
			in.words += fmt.Sprintf(" %s %d", registerName(key), w.value)
		}
		return in
	case n < 13:
		return op{kind: opDelete, keys: []int{key}, words: "del --rev " + registerName(key)}
	case n < 15:
		return op{kind: opIncr, keys: []int{key}, words: "incr --rev " + registerName(key)}
	case n < 17:
		w := fresh(key)
		in := op{kind: opSwap, keys: []int{key}, expect: recent[key], writes: []write{w}}
		condition := fmt.Sprintf("--if-value %d", recent[key])
		if recent[key] == 0 {
			condition = "--if-absent"
		}
		in.words = fmt.Sprintf("set --rev %s %s %d", condition, registerName(key), w.value)
		return in
	case !inPipe:
		return h.drawImport(r, some)
	}
	some = some[:2] // a transaction that reads all is nearly always lost
	in := op{kind: opTx, keys: some}
	words := "begin\nget --default 0 " + registerNames(some) + "\x00"
	for _, key := range some[:1+r.IntN(len(some))] {
		w := fresh(key)
		in.writes = append(in.writes, w)
		words += fmt.Sprintf("set %s %d\n", registerName(key), w.value)
	}
	in.words = words + "commit --rev"
	return in
}

// drawImport is an import of some registers, and now and then of so much
// beside them that it becomes a table and not a record of the log.
func (h *recording) drawImport(r *rand.Rand, some []int) op {
	in := op{kind: opWrite}
	var b strings.Builder
	b.WriteString("import ")
	for _, key := range some {
		w := write{key, h.value.Add(1000)}
		in.writes = append(in.writes, w)
		fmt.Fprintf(&b, "%s\t%d\n", registerName(key), w.value)
	}
	if r.IntN(4) == 0 {
		for i := range 15 {
			fmt.Fprintf(&b, "z/%d\t%s\n", i, text(r, fillSize))
		}
	}
	in.words = b.String()
	return in
}

// kill kills clients until there were enough kills or all is done.
func (h *recording) kill(r *rand.Rand, clients []client, done <-chan struct{}) {
	for n := 1; n <= historyKills; n++ {
		// Spread over the history: the next one when so many operations began.
		for h.started.Load() < int64(n*historyOps/(historyKills+1)) {
			select {
			case <-done:
				return
			default:
				time.Sleep(time.Duration(r.Int64N(int64(time.Millisecond)))) // only looks again
			}
		}
		if v := clients[r.IntN(len(clients))].current(); v != nil && !v.killed.Load() {
			v.kill()
			h.mu.Lock()
			h.kills++
			h.mu.Unlock()
		}
	}
}

// fill writes large values beside the registers, so that the log is folded and
// tables are merged.
func (h *recording) fill(t *testing.T, done <-chan struct{}) {
	value := text(rand.New(rand.NewPCG(1, 0)), fillSize)
	p := h.db.open(t, "--wait", "60s")
	for n := 0; ; n++ {
		select {
		case <-done:
			if err := p.wait(); err != nil {
				t.Errorf("filling: %v", err)
			}
			return
		default:
		}
		if _, err := p.ask(fmt.Sprintf("set --rev fill/%d %s\n", n%10, value)); err != nil {
			t.Errorf("filling: %v: %v", err, p.wait())
			return
		}
		h.mu.Lock()
		h.fills++
		h.mu.Unlock()
	}
}

// compact folds and merges all there is, again and again.
func (h *recording) compact(t *testing.T, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(300 * time.Millisecond): // not the only thing that happens
		}
		if out := h.db.run(t, "", "--wait", "60s", "compact"); out.code != 0 {
			t.Errorf("compact: exit %d, want 0: %s", out.code, short(out.stderr))
			return
		}
		h.mu.Lock()
		h.compactions++
		h.mu.Unlock()
	}
}
