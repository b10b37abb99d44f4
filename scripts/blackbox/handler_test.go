//go:build linux

package blackbox

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestConcurrentTransfers: eight processes move amounts between accounts by a
// handler. Nothing is made and nothing is lost, no account is overdrawn, and
// each call is there whole: the log has both accounts of a transfer or none.
func TestConcurrentTransfers(t *testing.T) {
	const accounts, start = 5, 100
	calls := 60
	if *soak {
		calls = 2000
	}
	d := newDB(t)
	d.must(t, "", "handler", "add", "transfer", "../handlers/transfer.star")
	for i := range accounts {
		d.must(t, "", "set", fmt.Sprintf("account:%d", i), strconv.Itoa(start))
	}
	seeds := newRand(t)
	var all sync.WaitGroup
	results := make([]result, 8)
	for p := range results {
		var script strings.Builder
		for range calls {
			from := seeds.IntN(accounts)
			to := (from + 1 + seeds.IntN(accounts-1)) % accounts
			fmt.Fprintf(&script, "call transfer account:%d account:%d --arg %d\n", from, to, 1+seeds.IntN(start))
		}
		all.Go(func() { results[p] = d.run(t, script.String(), "--wait", "60s", "-k") })
	}
	all.Wait()
	refused := 0
	for p, r := range results {
		if r.code > 1 {
			t.Errorf("process %d: exit %d, stderr: %s", p, r.code, short(r.stderr))
		}
		refused += strings.Count(r.stderr, "insufficient funds")
	}
	sum := 0
	for key, value := range d.list(t, "account:") {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			t.Errorf("%s = %q, want a number that is not negative", key, value)
		}
		sum += n
	}
	if sum != accounts*start {
		t.Errorf("the sum is %d, want %d", sum, accounts*start)
	}
	transfers := 8*calls - refused
	if refused == 0 || transfers == 0 {
		t.Errorf("%d transfers and %d refusals: the amounts test nothing", transfers, refused)
	}
	// One revision each: the handler, the accounts, and every transfer.
	if rev := len(revisions(t, d)); rev != 1+accounts+transfers {
		t.Errorf("%d revisions, want %d", rev, 1+accounts+transfers)
	}
	for rev, operations := range revisions(t, d) {
		if want := 2; rev > 1+accounts && operations != want {
			t.Errorf("revision %d has %d operations, want %d", rev, operations, want)
		}
	}
	d.must(t, "", "check", "--deep")
	t.Logf("%d transfers, %d refused", transfers, refused)
}

// revisions is the number of operations of each transaction in the log.
func revisions(t *testing.T, d db) map[int]int {
	t.Helper()
	operations := make(map[int]int)
	for line := range strings.Lines(d.must(t, "", "log", "show", "-m", "tsv", "1..")) {
		rev, rest, _ := strings.Cut(line, "\t")
		n, err := strconv.Atoi(rev)
		if err != nil {
			t.Fatalf("log show printed %q, want a revision first", short(line))
		}
		if !strings.Contains(rest, "\tset\t") {
			t.Errorf("revision %d is no set: %s", n, short(line))
		}
		operations[n]++
	}
	return operations
}

// TestHandlerThatRunsAway: whatever a handler does to its process, the call ends
// with an error, nothing is written, and nobody waits for the lock afterwards.
func TestHandlerThatRunsAway(t *testing.T) {
	d := newDB(t)
	d.must(t, "", "set", "a", "1")
	for name, lines := range map[string]string{
		"loop":   "    for i in range(1 << 60):\n        pass\n",
		"memory": "    x = 'x' * 10000000\n    ','.join([x] * 10000000)\n",
		"depth":  "    json.decode('[' * 10000000)\n",
	} {
		d.must(t, "def handle(kv, arg):\n    kv['a'] = '2'\n"+lines+"    return kv\n", "handler", "add", name, "-")
	}
	before := d.must(t, "", "hash")
	// A slow machine may come to the limit of time first.
	for name, reason := range map[string]string{
		"loop": "more than (10000000 steps|5s of time)", "memory": "more than ", "depth": "nested too deep|more than 5s of time",
	} {
		r := d.run(t, "", "call", name, "a")
		if r.code != 2 || !regexp.MustCompile(reason).MatchString(r.stderr) || r.stdout != "" {
			t.Errorf("call %s: exit %d, %s, want 2 and %q", name, r.code, short(r.stderr), reason)
		}
	}
	// A built-in function that never ends, and a caller who waits no longer.
	d.must(t, "def handle(kv, arg):\n    max(range(1 << 62))\n", "handler", "add", "forever", "-")
	files := tree(t, string(d))
	begin := time.Now()
	if r := d.run(t, "", "--timeout", "300ms", "call", "forever", "a"); r.code != 124 {
		t.Errorf("call with --timeout: exit %d after %v, %s, want 124", r.code, time.Since(begin), short(r.stderr))
	}
	unchanged(t, "a call that was ended", string(d), files, "LOCK") // which it took
	if d.must(t, "", "handler", "rm", "forever"); d.must(t, "", "hash") != before {
		t.Error("the state differs from that before the calls")
	}
}

// TestLittleAddressSpace: under ulimit -v, where the interpreter of handlers does
// without some of its speed, no command says anything that is not its own.
func TestLittleAddressSpace(t *testing.T) {
	need(t, "sh")
	d := newDB(t)
	d.must(t, "", "mset", "a", "1", "b", "2")
	d.must(t, "", "handler", "add", "swap", "../handlers/swap.star")
	for _, args := range [][]string{{"get", "a"}, {"call", "swap", "a", "b"}} {
		limited := append([]string{"-c", `ulimit -v 3000000 && exec "$0" "$@"`, program, "-d", string(d)}, args...)
		c := exec.Command("sh", limited...)
		c.Env = environment(t.TempDir())
		if r := finish(t, c, ""); r.code != 0 || r.stderr != "" {
			t.Errorf("kvsh %s with little address space: exit %d, stderr: %s", describe(args), r.code, short(r.stderr))
		}
	}
}
