//go:build linux

package blackbox

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	writers      = 8
	victims      = 5  // of them in each round
	cells        = 4  // keys that each transaction of a writer overwrites with one value
	roundsPerDB  = 20 // then a new database, so that reading all of it stays cheap
	checkEvery   = 10 // rounds
	afterTheKill = 2  // transactions each survivor must still get through
)

// A writer is one process that sends transactions one after the other, each
// when the one before was acknowledged, and what the tester knows of them.
type writer struct {
	id    int
	pipe  *pipe
	acked int   // its transactions 1 to acked of this round were acknowledged
	sent  int   // acked, or one more: that one may be there or not
	revs  []int // revisions of the acknowledged ones
	err   error
}

// A killRound is one round of the test: eight writers, five of them killed, one
// after the other.
type killRound struct {
	seed   uint64
	number int
	db     db
	killed chan struct{} // closed after the last kill
	acks   chan struct{} // one for each acknowledged transaction
}

// value is what transaction n of a writer sets each of its cells to. All of
// the transaction together is 10 bytes to 1 MiB.
func (k *killRound) value(writer, n int) string {
	r := rand.New(rand.NewPCG(k.seed, uint64(k.number)<<32|uint64(writer)<<24|uint64(n)))
	size := int(math.Exp(math.Log(10) + r.Float64()*math.Log(1<<20/10.0)))
	return text(r, max(size/cells, 1))
}

// script is the commands of transaction n of a writer. Writers use both ways
// to write several keys at once.
func (k *killRound) script(writer, n int) string {
	value := k.value(writer, n)
	note := fmt.Sprintf("t/%d/%d/%d", k.number, writer, n)
	var b strings.Builder
	if writer%2 == 0 {
		fmt.Fprintf(&b, "mset --rev %s %d", note, len(value))
		for c := range cells {
			fmt.Fprintf(&b, " c/%d/%d %s", writer, c, value)
		}
		b.WriteString("\n")
		return b.String()
	}
	fmt.Fprintf(&b, "begin\nset %s %d\n", note, len(value))
	for c := range cells {
		fmt.Fprintf(&b, "set c/%d/%d %s\n", writer, c, value)
	}
	b.WriteString("commit --rev\n")
	return b.String()
}

// write sends transactions until some time after the last kill.
func (k *killRound) write(w *writer) {
	left := afterTheKill
	for left > 0 {
		select {
		case <-k.killed:
			left--
		default:
		}
		w.sent++
		answer, err := w.pipe.ask(k.script(w.id, w.sent))
		if err != nil {
			w.err = err
			break
		}
		rev, err := strconv.Atoi(answer)
		if err != nil {
			w.err = fmt.Errorf("transaction %d: answer %q, want a revision", w.sent, short(answer))
			break
		}
		w.acked = w.sent
		w.revs = append(w.revs, rev)
		k.acks <- struct{}{}
	}
	if err := w.pipe.wait(); w.err == nil {
		w.err = err
	}
}

// run writes with all writers, kills the doomed one after the other, each when
// so many transactions more were acknowledged and some time is over, and waits
// for the others.
func (k *killRound) run(t *testing.T, r *rand.Rand, doomed []int) []*writer {
	t.Helper()
	all := make([]*writer, writers)
	for i := range all {
		all[i] = &writer{id: i, pipe: k.db.open(t, "--wait", "60s")}
	}
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() { k.write(w) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for _, victim := range doomed {
		target := 1 + r.IntN(2*writers)
		for got := 0; got < target; {
			select {
			case <-k.acks:
				got++
			case <-done: // every writer failed: the errors say why
				got = target
			}
		}
		time.Sleep(time.Duration(r.Int64N(int64(4 * time.Millisecond)))) // only moves the kill to another place
		if err := all[victim].pipe.cmd.Process.Kill(); err != nil {
			t.Errorf("round %d: kill writer %d: %v: it ended by itself", k.number, victim, err)
		}
	}
	close(k.killed)
	for {
		select {
		case <-k.acks:
		case <-done:
			if t.Failed() {
				for _, w := range all {
					t.Logf("writer %d: %v", w.id, w.err)
				}
			}
			return all
		}
	}
}

// TestKillEightWriters: whatever writers were doing when they were killed, every
// acknowledged transaction is there whole, of each in flight all or nothing is
// there, the others go on, a reader beside them sees no half of a transaction,
// and the next command needs no help.
func TestKillEightWriters(t *testing.T) {
	r := newRand(t)
	seed := r.Uint64()
	var d db
	var newest [writers]string // value of the cells of each writer; "" before its first
	var acked, inFlight, visible, reads int
	lastRev := 0
	for number := range *rounds {
		if number%roundsPerDB == 0 {
			d, newest, lastRev = newDB(t), [writers]string{}, 0
			d.must(t, "", "set", "probe", "0")
		}
		k := &killRound{
			seed: seed, number: number, db: d,
			killed: make(chan struct{}), acks: make(chan struct{}, 4096),
		}
		doomed := r.Perm(writers)[:victims]
		stop := k.readBeside(t)
		all := k.run(t, r, doomed)
		reads += stop()
		if t.Failed() {
			return
		}
		lastRev = k.checkRevisions(t, all, doomed, lastRev)

		// Reading comes first on odd rounds and writing on even ones: each must
		// do with what the kill left.
		if number%2 == 0 {
			d.must(t, "", "set", "probe", strconv.Itoa(number))
		}
		notes := d.list(t, fmt.Sprintf("t/%d/", number))
		for _, w := range all {
			seen := k.visible(t, w, notes)
			acked += w.acked
			if w.sent > w.acked {
				inFlight++
				visible += seen - w.acked
			}
			if seen > 0 {
				newest[w.id] = k.value(w.id, seen)
			}
		}
		k.checkCells(t, newest)
		d.must(t, "", "set", "probe", strconv.Itoa(number))
		if number%checkEvery == checkEvery-1 {
			d.must(t, "", "check")
		}
		if t.Failed() {
			t.Fatalf("round %d, database %s", number, d)
		}
	}
	t.Logf("%d kills in %d rounds, %d acknowledged transactions, %d in flight when their writer was killed, %d of those are there, %d reads beside them",
		victims**rounds, *rounds, acked, inFlight, visible, reads)
}

// readBeside reads the first and the last cell of one writer after the other,
// while they write and are killed and the log is folded, and fails the test if
// the two differ: they are written together. The function it returns ends that
// and says how often it read.
func (k *killRound) readBeside(t *testing.T) (stop func() int) {
	t.Helper()
	p := k.db.open(t)
	done, reads := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-done:
				if err := p.wait(); err != nil {
					t.Errorf("round %d: the reader: %v", k.number, err)
				}
				reads <- n
				return
			default:
			}
			id := n % writers
			first, err := p.ask(fmt.Sprintf("get --default none c/%d/0 c/%d/%d\n", id, id, cells-1))
			last := ""
			if err == nil {
				last, err = p.out.ReadString('\n')
			}
			if last = strings.TrimSuffix(last, "\n"); err != nil || first != last {
				t.Errorf("round %d: the reader: cells of writer %d hold %d bytes %.20q and %d bytes %.20q, want the same (%v)",
					k.number, id, len(first), first, len(last), last, err)
				<-done
				reads <- n
				return
			}
		}
	}()
	return func() int { close(done); return <-reads }
}

// checkRevisions fails the test unless the writers that were not killed ended
// well and revisions grow in each writer, are given once, and come after those
// of the round before. It returns the greatest.
func (k *killRound) checkRevisions(t *testing.T, all []*writer, doomed []int, before int) int {
	t.Helper()
	given := map[int]int{}
	greatest := before
	for _, w := range all {
		if w.err != nil && !slices.Contains(doomed, w.id) {
			t.Errorf("round %d: writer %d, not killed: %v", k.number, w.id, w.err)
		}
		last := before
		for _, rev := range w.revs {
			if rev <= last {
				t.Errorf("round %d: writer %d got revision %d after %d", k.number, w.id, rev, last)
			}
			if other, ok := given[rev]; ok {
				t.Errorf("round %d: writers %d and %d both got revision %d", k.number, other, w.id, rev)
			}
			given[rev] = w.id
			last = rev
		}
		greatest = max(greatest, last)
	}
	return greatest
}

// visible returns how many transactions of a writer are in the database, by
// the notes of this round, and fails the test unless they are all that were
// acknowledged, and at most the one in flight besides.
func (k *killRound) visible(t *testing.T, w *writer, notes map[string]string) int {
	t.Helper()
	prefix := fmt.Sprintf("t/%d/%d/", k.number, w.id)
	found := 0
	for key := range notes {
		if strings.HasPrefix(key, prefix) {
			found++
		}
	}
	seen := 0
	for n := 1; n <= w.sent; n++ {
		got, ok := notes[prefix+strconv.Itoa(n)]
		if ok {
			seen = n
		}
		want := strconv.Itoa(len(k.value(w.id, n)))
		if ok && got != want || !ok && n <= w.acked {
			t.Errorf("round %d: writer %d: note of transaction %d of %d acknowledged = %q, %v, want %q",
				k.number, w.id, n, w.acked, got, ok, want)
		}
	}
	if found != seen {
		t.Errorf("round %d: writer %d has %d transactions in the database, the newest is %d of %d sent",
			k.number, w.id, found, seen, w.sent)
	}
	return seen
}

// checkCells fails the test unless all cells of each writer hold the value of
// its newest visible transaction.
func (k *killRound) checkCells(t *testing.T, newest [writers]string) {
	t.Helper()
	found := k.db.list(t, "c/")
	for id, want := range newest {
		for c := range cells {
			got, ok := found[fmt.Sprintf("c/%d/%d", id, c)]
			if got != want || ok != (want != "") {
				t.Errorf("round %d: cell %d of writer %d holds %d bytes %.20q, want %d bytes %.20q",
					k.number, c, id, len(got), got, len(want), want)
			}
		}
	}
}
