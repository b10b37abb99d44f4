package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// roleEnv makes the test binary one of the processes that use a database, and
// says which: a name, the folder, then numbers.
const roleEnv = "KVSH_LAW_ROLE"

func TestMain(m *testing.M) {
	role := strings.Split(os.Getenv(roleEnv), ":")
	var err error
	switch role[0] {
	default:
		os.Exit(m.Run())
	case "writer":
		err = roleWriter(role[1], role[2])
	case "reader":
		err = roleReader(role[1])
	case "incr":
		err = roleIncr(role[1], role[2])
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// startRole starts a process in a role. It ends with the test.
func startRole(t *testing.T, role ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), roleEnv+"="+strings.Join(role, ":"))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, out
}

func processOptions() Options {
	o := Options{Create: true, Wait: time.Minute, sizes: lawSizes}
	o.sizes.segment, o.sizes.fold, o.sizes.slice, o.sizes.keep = 256<<10, 2<<20, 1<<20, 1<<20
	return o
}

// A writer's transaction n sets its keys "<name>/0" to "<name>/3" to n, a sum
// and a body of its own: half of it would show.
func writerBody(name string, n, size int) string {
	body := strings.Repeat(fmt.Sprintf("%s.%d ", name, n), size/8+1)
	return fmt.Sprintf("%d %08x %s", n, crc32.ChecksumIEEE([]byte(body)), body)
}

// roleWriter commits until it is killed, and prints each number once it was
// acknowledged.
func roleWriter(dir, name string) error {
	ctx := context.Background()
	db, err := Open(ctx, dir, processOptions())
	if err != nil {
		return err
	}
	defer db.Close()
	n := 0
	err = db.View(ctx, Newest, func(tx Tx) error {
		e, err := tx.Get(ctx, name+"/0")
		if err == nil {
			n, err = strconv.Atoi(strings.Fields(string(e.Value))[0])
		} else if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return err
	})
	for err == nil {
		n++
		size := 10 << rand.IntN(17) // up to 640 KiB, most in one of the keys
		_, err = db.Update(ctx, func(tx Tx) error {
			for i := range 4 {
				if err := tx.Set(ctx, fmt.Sprintf("%s/%d", name, i), []byte(writerBody(name, n, size/(1+3*i)))); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			fmt.Println("acked", n)
		}
	}
	return err
}

// checkWriters reads what all writers wrote and returns the number of each.
func checkWriters(ctx context.Context, db *DB) (map[string]int, error) {
	numbers := make(map[string]int)
	err := db.View(ctx, Newest, func(tx Tx) error {
		clear(numbers)
		count := make(map[string]int)
		for e, err := range tx.Scan(ctx, Range{}) {
			if err != nil {
				return err
			}
			name, _, _ := strings.Cut(e.Key, "/")
			fields := strings.SplitN(string(e.Value), " ", 3)
			n, err := strconv.Atoi(fields[0])
			if err != nil || fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(fields[2]))) != fields[1] {
				return fmt.Errorf("key %q holds %.40q", e.Key, e.Value)
			}
			if old, ok := numbers[name]; ok && old != n {
				return fmt.Errorf("half a transaction: %q is of number %d, others of %d", e.Key, n, old)
			}
			numbers[name] = n
			count[name]++
		}
		for name, n := range count {
			if n != 4 {
				return fmt.Errorf("writer %s has %d keys, want 4", name, n)
			}
		}
		return nil
	})
	return numbers, err
}

// roleReader checks until it is killed, through one handle and through new ones.
func roleReader(dir string) error {
	ctx := context.Background()
	kept, err := Open(ctx, dir, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	last := make(map[string]int)
	for round := 0; ; round++ {
		db := kept
		if round%3 == 2 {
			if db, err = Open(ctx, dir, Options{ReadOnly: true}); err != nil {
				return err
			}
		}
		now, err := checkWriters(ctx, db)
		if err != nil {
			return err
		}
		for name, n := range last {
			if now[name] < n {
				return fmt.Errorf("writer %s was seen at %d, now at %d", name, n, now[name])
			}
		}
		last = now
		if db != kept {
			if err := db.Close(); err != nil {
				return err
			}
		}
		if round%10 == 0 {
			fmt.Println("read", round)
		}
	}
}

// An ackLog is what the writers printed.
type ackLog struct {
	mu     sync.Mutex
	acked  map[string]int
	errs   []string
	total  int
	reads  int
	parsed sync.WaitGroup
	acks   chan struct{} // one for each transaction acknowledged
}

func newAckLog() *ackLog {
	return &ackLog{acked: make(map[string]int), acks: make(chan struct{}, 1<<20)}
}

func (a *ackLog) follow(name string, out io.Reader) {
	a.parsed.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			a.mu.Lock()
			word, rest, _ := strings.Cut(s.Text(), " ")
			switch word {
			case "acked":
				a.acked[name], _ = strconv.Atoi(rest)
				a.total++
				a.acks <- struct{}{}
			case "read":
				a.reads++
			default:
				a.errs = append(a.errs, name+": "+s.Text())
			}
			a.mu.Unlock()
		}
	})
}

// Ensure that of transactions of many processes, one of which is killed again
// and again at any moment, all that were acknowledged are there and none is
// there in half, and that the others and readers never notice.
func TestLawKilledWriters(t *testing.T) {
	r := lawRand(t)
	dir := filepath.Join(t.TempDir(), "p.kv")
	if err := Create(t.Context(), dir, processOptions()); err != nil {
		t.Fatal(err)
	}
	log := newAckLog()
	writers := make(map[string]*exec.Cmd)
	start := func(name, role string) {
		c, out := startRole(t, role, dir, name)
		log.follow(name, out)
		writers[name] = c
	}
	kill := func(name string) {
		_ = writers[name].Process.Kill()
		_ = writers[name].Wait()
		delete(writers, name)
	}
	for i := range effort(3, 8, 8) {
		start(fmt.Sprint("w", i), "writer")
	}
	start("reader", "reader")
	for range effort(5, 25, 500) {
		for range r.IntN(60) {
			select {
			case <-log.acks:
			case <-time.After(time.Minute):
				t.Fatal("nobody commits any more")
			}
		}
		names := slices.Sorted(maps.Keys(writers))
		name := names[r.IntN(len(names))]
		kill(name)
		if name == "reader" {
			start(name, "reader")
		} else {
			start(name, "writer")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(writers)) {
		kill(name)
	}
	log.parsed.Wait()
	for _, e := range log.errs {
		t.Error(e)
	}
	db := mustOpen(t, dir, processOptions())
	defer db.Close()
	got, err := checkWriters(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range log.acked {
		if got[name] < n {
			t.Errorf("writer %s: number %d was acknowledged, %d is there", name, n, got[name])
		}
	}
	if _, err := db.Update(t.Context(), func(tx Tx) error { return tx.Delete(t.Context(), "w0/0") }); err != nil {
		t.Errorf("Update afterwards: %v", err)
	}
	t.Logf("%d transactions acknowledged, %d times ten reads", log.total, log.reads)
}

func increment(db *DB) error {
	ctx := context.Background()
	_, err := db.Update(ctx, func(tx Tx) error {
		n := 0
		e, err := tx.Get(ctx, "n")
		if err == nil {
			n, err = strconv.Atoi(string(e.Value))
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return tx.Set(ctx, "n", []byte(strconv.Itoa(n+1)))
	})
	return err
}

// roleIncr adds to a counter, each time as its own command would, every other
// time through a handle that is kept.
func roleIncr(dir, times string) error {
	n, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	o := processOptions()
	o.sizes = lawSizes
	kept, err := Open(context.Background(), dir, o)
	if err != nil {
		return err
	}
	for i := range n {
		db := kept
		if i%2 == 1 {
			if db, err = Open(context.Background(), dir, o); err != nil {
				return err
			}
		}
		err := increment(db)
		if db != kept {
			err = errors.Join(err, db.Close())
		}
		if err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
	}
	return kept.Close()
}

func counter(t *testing.T, db *DB) string {
	t.Helper()
	var value string
	err := db.View(t.Context(), Newest, func(tx Tx) error {
		e, err := tx.Get(t.Context(), "n")
		value = string(e.Value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Ensure that no increment of processes that begin together, on a database
// that is not there yet, is lost.
func TestLawIncrements(t *testing.T) {
	const processes = 8
	times := effort(25, 500, 5000)
	dir := filepath.Join(lawDir(t), "i.kv")
	var all []*exec.Cmd
	log := newAckLog()
	for i := range processes {
		c, out := startRole(t, "incr", dir, strconv.Itoa(times))
		log.follow(fmt.Sprint("process ", i), out)
		all = append(all, c)
	}
	log.parsed.Wait()
	for i, c := range all {
		if err := c.Wait(); err != nil {
			t.Errorf("process %d: %v %v", i, err, log.errs)
		}
	}
	db := mustOpen(t, dir, Options{sizes: lawSizes})
	defer db.Close()
	if got, want := counter(t, db), strconv.Itoa(processes*times); got != want {
		t.Errorf("the counter is at %s, want %s", got, want)
	}
}

// Ensure that two handles of one process see each other's writes at once.
func TestLawAlternatingHandles(t *testing.T) {
	dir := filepath.Join(lawDir(t), "h.kv")
	o := Options{Create: true, sizes: lawSizes}
	dbs := []*DB{mustOpen(t, dir, o), mustOpen(t, dir, o)}
	defer dbs[0].Close()
	defer dbs[1].Close()
	for i := range effort(100, 1000, 20000) {
		if err := increment(dbs[i%2]); err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
		if got, want := counter(t, dbs[(i+1)%2]), strconv.Itoa(i+1); got != want {
			t.Fatalf("after number %d the other handle reads %s, want %s", i, got, want)
		}
	}
}

// Ensure that commits of commands that open, write and close do not get slower
// or leave more files the more there are.
func TestLawManyCommits(t *testing.T) {
	dir := filepath.Join(lawDir(t), "c.kv")
	n := effort(500, 5000, 100_000)
	o := Options{Create: true, sizes: lawSizes}
	o.sizes.keep = 64 << 10
	o.Now = newLawClock().now
	var longest time.Duration
	var sum [2]time.Duration
	most := make(map[string]int)
	for i := range n {
		begun := time.Now()
		db := mustOpen(t, dir, o)
		mustUpdate(t, db, map[string]*cell{userIKey(fmt.Sprintf("k%d", i%3000)): {value: fmt.Sprint("value ", i)}})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		sum[2*i/n] += took
		longest = max(longest, took)
		if i%50 == 0 {
			for _, sub := range []string{logDir, tablesDir, historyDir} {
				entries, err := os.ReadDir(filepath.Join(dir, sub))
				if err != nil {
					t.Fatal(err)
				}
				most[sub] = max(most[sub], len(entries))
			}
		}
	}
	t.Logf("%d commits: mean %v in the first half, %v in the second; longest %v; most files %v",
		n, sum[0]/time.Duration(n/2), sum[1]/time.Duration(n/2), longest, most)
	// A tail of twice the threshold, a few runs a tier, and the history that
	// the live data allows, in files of a segment each.
	for sub, limit := range map[string]int{logDir: 12, tablesDir: 200, historyDir: 1000} {
		if most[sub] > limit {
			t.Errorf("%s/ had %d files, want at most %d", sub, most[sub], limit)
		}
	}
}
