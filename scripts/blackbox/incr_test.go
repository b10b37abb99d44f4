//go:build linux

package blackbox

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// TestIncrIsCountedOnce: eight processes that increment one key 500 times each
// get the numbers 1 to 4,000, each once, and in each process growing. A reader
// beside them never sees half of a transaction, nor the past after the present.
func TestIncrIsCountedOnce(t *testing.T) {
	d := newDB(t)
	increments := 500
	if *soak {
		increments = 20_000
	}
	d.must(t, "", "set", "n", "0")

	var wg sync.WaitGroup
	numbers := make([][]int, writers)
	errs := make([]error, writers)
	for id := range writers {
		p := d.open(t, "--wait", "60s")
		wg.Go(func() { numbers[id], errs[id] = increment(p, id, increments) })
	}
	var writing atomic.Bool
	writing.Store(true)
	go func() { wg.Wait(); writing.Store(false) }()
	reads := 0
	before := -1
	for more := true; more; reads++ {
		more = writing.Load() // one read comes after the last write
		before = checkPairs(t, d.list(t, ""), before)
	}
	wg.Wait()

	seen := map[int]int{}
	for id, got := range numbers {
		if errs[id] != nil {
			t.Fatalf("writer %d: %v", id, errs[id])
		}
		last := 0
		for _, n := range got {
			if n <= last {
				t.Errorf("writer %d: incr printed %d after %d", id, n, last)
			}
			last = n
			seen[n]++
		}
	}
	want := writers * increments
	for n := 1; n <= want; n++ {
		if seen[n] != 1 {
			t.Errorf("incr printed %d %d times, want once", n, seen[n])
		}
	}
	if got := d.list(t, "n")["n"]; got != strconv.Itoa(want) {
		t.Errorf("n = %s, want %d", got, want)
	}
	t.Logf("%d processes, %d increments and as many transactions of two keys, %d reads beside them", writers, want, reads)
}

// increment increments n and writes a pair of keys in one transaction, times
// times, and returns what incr printed.
func increment(p *pipe, id, times int) ([]int, error) {
	var got []int
	for i := range times {
		answer, err := p.ask(fmt.Sprintf("mset left/%d %d right/%d %d\nincr n\n", id, i, id, i))
		if err != nil {
			return got, errors.Join(err, p.wait())
		}
		n, err := strconv.Atoi(answer)
		if err != nil {
			return got, fmt.Errorf("incr printed %q, want a number", answer)
		}
		got = append(got, n)
	}
	return got, p.wait()
}

// checkPairs fails the test unless what was written together is there
// together and n is not less than before. It returns n.
func checkPairs(t *testing.T, entries map[string]string, before int) int {
	t.Helper()
	for id := range writers {
		left, right := entries[fmt.Sprintf("left/%d", id)], entries[fmt.Sprintf("right/%d", id)]
		if left != right {
			t.Fatalf("half a transaction of writer %d: left = %q, right = %q", id, left, right)
		}
	}
	n, err := strconv.Atoi(entries["n"])
	if err != nil || n < before {
		t.Fatalf("n = %q, want a number from %d", entries["n"], before)
	}
	return n
}
