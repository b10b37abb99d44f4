//go:build linux

package blackbox

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A watcher is a process of watch whose rows are read as they come.
type watcher struct {
	cmd  *exec.Cmd
	rows chan watchRow // closed at the end of its output
}

// A watchRow is one row of watch, and when it was read.
type watchRow struct {
	rev            int
	op, key, value string
	at             time.Time
}

// watch starts a watch that ends with the test, or when it is killed.
func (d db) watch(t *testing.T, args ...string) *watcher {
	t.Helper()
	w := &watcher{cmd: d.command(t.Context(), append([]string{"watch", "-m", "tsv"}, args...)...), rows: make(chan watchRow, 1<<16)}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.rows)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return // what is left is half a row
			}
			cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(cells) != 5 {
				return
			}
			rev, _ := strconv.Atoi(cells[0])
			w.rows <- watchRow{rev, cells[2], cells[3], cells[4], time.Now()}
		}
	}()
	return w
}

// kill ends a watch with SIGKILL and returns the rows that nobody took.
func (w *watcher) kill() (left []watchRow) {
	_ = w.cmd.Process.Kill()
	for row := range w.rows {
		left = append(left, row)
	}
	_ = w.cmd.Wait()
	return left
}

// next returns the next row, and fails the test if none comes.
func (w *watcher) next(t *testing.T) watchRow {
	t.Helper()
	select {
	case row, ok := <-w.rows:
		if !ok {
			t.Fatal("watch ended")
		}
		return row
	case <-time.After(commandLimit):
		t.Fatalf("watch told nothing in %v", commandLimit)
	}
	return watchRow{}
}

// TestWatchLatency: a watch tells of the commits of another process at once,
// and costs nothing while there are none.
func TestWatchLatency(t *testing.T) {
	d := newDB(t)
	d.must(t, "", "set", "k", "0")
	w := d.watch(t, "--from", "1")
	w.next(t)
	p := d.open(t)
	const commits = 200
	var took []time.Duration
	for n := 1; n <= commits; n++ {
		if _, err := p.ask(fmt.Sprintf("set --rev k %d\n", n)); err != nil {
			t.Fatal(err)
		}
		acked := time.Now()
		row := w.next(t)
		if row.value != strconv.Itoa(n) || row.rev != n+1 {
			t.Fatalf("watch wrote %+v, want value %d of revision %d", row, n, n+1)
		}
		took = append(took, max(row.at.Sub(acked), 0))
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	slices.Sort(took)
	t.Logf("behind the acknowledgment: median %v, 99 %% %v, longest %v", took[commits/2], took[commits*99/100], took[commits-1])
	// A machine that is busy with other things may be late now and then.
	if median := took[commits/2]; median > 50*time.Millisecond {
		t.Errorf("median %v, want at most 50ms", median)
	}

	idle := d.command(t.Context(), "watch", "--timeout", "3s")
	if err := idle.Start(); err != nil {
		t.Fatal(err)
	}
	_ = idle.Wait()
	usage := idle.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := idle.ProcessState.SystemTime() + idle.ProcessState.UserTime()
	t.Logf("3 s of an idle watch: %v of CPU, it slept %d times", cpu, usage.Nvcsw)
	if code := idle.ProcessState.ExitCode(); code != 124 || cpu > 100*time.Millisecond {
		t.Errorf("idle watch: exit %d after %v of CPU, want 124 and at most 100ms", code, cpu)
	}
}

// watchWriters commit beside the watches of a test until they are told to end.
type watchWriters struct {
	d    db
	stop chan struct{}
	wg   sync.WaitGroup
	mu   sync.Mutex
	want map[int]map[string]string // what each revision writes
}

// write commits transactions of one or more keys, one after the other.
func (ww *watchWriters) write(t *testing.T, id int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, uint64(id)))
	p := ww.d.open(t, "--wait", "60s")
	for n := 0; ; n++ {
		select {
		case <-ww.stop:
			if err := p.wait(); err != nil {
				t.Errorf("writer %d: %v", id, err)
			}
			return
		default:
		}
		pairs, line := map[string]string{}, "mset --rev"
		for k := range 1 + r.IntN(3) {
			key, value := fmt.Sprintf("w%d/%d", id, k), text(r, 1+r.IntN(2000))
			pairs[key] = value
			line += " " + key + " " + value
		}
		answer, err := p.ask(line + "\n")
		rev, err2 := strconv.Atoi(answer)
		if err != nil || err2 != nil {
			t.Errorf("writer %d: answer %q, %v", id, answer, err)
			return
		}
		ww.mu.Lock()
		ww.want[rev] = pairs
		ww.mu.Unlock()
	}
}

// disturb imports and compacts while others write.
func (ww *watchWriters) disturb(t *testing.T) {
	for n := 0; ; n++ {
		select {
		case <-ww.stop:
			return
		default:
		}
		pairs, in := map[string]string{}, strings.Builder{}
		for k := range 5000 {
			key, value := fmt.Sprintf("i/%d/%d", n%3, k), fmt.Sprintf("%d-%0200d", n, k)
			pairs[key] = value
			fmt.Fprintf(&in, "%s\t%s\n", key, value)
		}
		imported := ww.d.run(t, in.String(), "-q", "import", "--rev", "--format", "tsv", "--wait", "60s")
		rev, err := strconv.Atoi(strings.TrimSpace(imported.stdout))
		if err != nil {
			t.Errorf("import --rev: exit %d, printed %q\nstderr: %s", imported.code, short(imported.stdout), short(imported.stderr))
			return
		}
		ww.mu.Lock()
		ww.want[rev] = pairs
		ww.mu.Unlock()
		if r := ww.d.run(t, "", "-q", "compact", "--wait", "60s"); r.code != 0 {
			t.Errorf("compact: exit %d\nstderr: %s", r.code, short(r.stderr))
			return
		}
	}
}

// TestWatchHasNoGapAndNoRepeat: beside writers, imports and compactions, a watch
// tells every change of every revision once and in order: from the first one,
// from one in the middle, and pieced together from watches that were killed.
func TestWatchHasNoGapAndNoRepeat(t *testing.T) {
	r := newRand(t)
	d := newDB(t)
	d.must(t, "", "set", "first", "1")
	ww := &watchWriters{d: d, stop: make(chan struct{}), want: map[int]map[string]string{1: {"first": "1"}}}
	for id := range 2 {
		ww.wg.Go(func() { ww.write(t, id, uint64(id)) })
	}
	ww.wg.Go(func() { ww.disturb(t) })

	whole := d.watch(t, "--from", "1")
	var pieces []watchRow
	kills, from := 0, 1
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); kills++ {
		w := d.watch(t, "--from", strconv.Itoa(from))
		for range 1 + r.IntN(8000) {
			pieces = append(pieces, w.next(t))
		}
		pieces = append(pieces, w.kill()...)
		// Of the last revision there may be rows that nobody has seen.
		from = pieces[len(pieces)-1].rev
		for len(pieces) > 0 && pieces[len(pieces)-1].rev == from {
			pieces = pieces[:len(pieces)-1]
		}
	}
	close(ww.stop)
	ww.wg.Wait()
	if t.Failed() {
		return
	}
	last := len(ww.want)
	d.must(t, "", "set", "last", "1") // so that the watches see an end
	ww.want[last+1] = map[string]string{"last": "1"}
	collect := func(w *watcher, rows []watchRow) []watchRow {
		for len(rows) == 0 || rows[len(rows)-1].rev <= last {
			rows = append(rows, w.next(t))
		}
		return append(rows, w.kill()...)
	}
	ww.check(t, "from 1", 1, collect(whole, nil))
	ww.check(t, "resumed", 1, collect(d.watch(t, "--from", strconv.Itoa(from)), pieces))
	middle := 1 + r.IntN(last)
	ww.check(t, fmt.Sprint("from ", middle), middle, collect(d.watch(t, "--from", strconv.Itoa(middle)), nil))
	t.Logf("%d revisions, %d watches killed on the way", last+1, kills)
}

// check compares the rows of a watch with what was committed from a revision on.
func (ww *watchWriters) check(t *testing.T, what string, from int, rows []watchRow) {
	t.Helper()
	at := 0
	for rev := from; rev <= len(ww.want); rev++ {
		seen := map[string]bool{}
		for ; at < len(rows) && rows[at].rev == rev; at++ {
			row := rows[at]
			if value, ok := ww.want[rev][row.key]; !ok || value != row.value || row.op != "set" || seen[row.key] {
				t.Fatalf("%s: rev %d: row %s %q = %q (again: %v), want %q", what, rev, row.op, row.key, short(row.value), seen[row.key], short(value))
			}
			seen[row.key] = true
		}
		if len(seen) != len(ww.want[rev]) {
			t.Fatalf("%s: rev %d has %d rows, want %d; the next row is of rev %d", what, rev, len(seen), len(ww.want[rev]), rows[min(at, len(rows)-1)].rev)
		}
	}
	if at < len(rows) {
		t.Fatalf("%s: a row more: %+v", what, rows[at])
	}
}

// TestWatchRunsPrograms: the program has each change in its environment, once
// and in order, while another process writes, and its status ends the watch and
// is passed on.
func TestWatchRunsPrograms(t *testing.T) {
	d := newDB(t)
	d.must(t, "", "set", "start", "0")
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	c := d.command(ctx, "watch", "--from", "1", "--", "sh", "-c",
		`echo "$KVSH_REV $KVSH_OP $KVSH_KEY=${KVSH_VALUE-none}"; test "$KVSH_KEY" != end || exit 3`)
	done := make(chan result)
	go func() { done <- finish(t, c, "") }()
	want := "1 set start=0\n"
	p := d.open(t)
	for n := range 20 {
		line, row := fmt.Sprintf("set --rev k v%d\n", n), fmt.Sprintf("set k=v%d", n)
		if n%5 == 4 {
			line, row = "del k\n", "del k=none"
		}
		if _, err := p.ask(line); err != nil {
			t.Fatal(err)
		}
		want += fmt.Sprintln(n+2, row)
	}
	if _, err := p.ask("set --rev end now\n"); err != nil {
		t.Fatal(err)
	}
	want += "22 set end=now\n"
	if got := <-done; got.code != 3 || got.stdout != want {
		t.Errorf("watch -- CMD: exit %d, printed %q, want exit 3 and %q\nstderr: %s", got.code, got.stdout, want, got.stderr)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
}
