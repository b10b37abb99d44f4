//go:build linux

package blackbox

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// registers is the number of keys that a history is about. Few, so that
// clients meet; more than one, so that half a transaction shows.
const registers = 5

// The kinds of operation of a history.
type opKind uint8

const (
	opRead   opKind = iota // some keys at once
	opWrite                // set, mset and import: some keys at once
	opDelete               // one key
	opIncr                 // one key, by one
	opSwap                 // one key, if it holds an expected value
	opTx                   // begin, reads, writes, commit
)

// An op is what a client asks for. Every value is a number above zero; zero is
// a key that is not there.
type op struct {
	kind   opKind
	words  string  // what the client sent, for messages
	keys   []int   // read, deleted, incremented or swapped
	expect int64   // opSwap
	writes []write // opWrite, opSwap, opTx
}

type write struct {
	key   int
	value int64
}

// An answer is what a client learned of its op.
type answer struct {
	pending bool    // its process was killed: the op is there or not, or will be
	done    bool    // opSwap, opTx: written; else the condition did not hold or there was a conflict
	seen    []int64 // of op.keys: values; of opDelete 1 or 0; of opIncr the sum
	rev     int     // of the commit; 0: nothing was written
}

// A register state is the values of all keys and the newest revision that was
// told to a client.
type registerState struct {
	values [registers]int64
	rev    int
}

// registerModel says what the operations do when they run one after the other.
// It knows of revisions, too: they must grow in the order of the commits.
var registerModel = porcupine.Model{
	Init: func() any { return registerState{} },
	Step: func(state, input, output any) (bool, any) {
		ok, next := step(state.(registerState), input.(op), output.(answer))
		return ok, next
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%s -> %+v", input.(op).words, output.(answer))
	},
	DescribeState: func(state any) string { return fmt.Sprint(state) },
}

func step(s registerState, in op, out answer) (bool, registerState) {
	before := s
	holds := true // what was seen is what the state has
	for i, key := range in.keys {
		if i < len(out.seen) && (in.kind == opRead || in.kind == opTx) {
			holds = holds && out.seen[i] == s.values[key]
		}
	}
	switch in.kind {
	case opRead:
		return holds || out.pending, s
	case opTx:
		if !holds || !out.pending && !out.done {
			// A transaction that was lost has still seen one state.
			return holds || out.pending, s
		}
	case opDelete:
		key := in.keys[0]
		holds = (out.pending || out.seen[0] == min(s.values[key], 1))
		s.values[key] = 0
	case opIncr:
		key := in.keys[0]
		s.values[key]++
		holds = out.pending || out.seen[0] == s.values[key]
	case opSwap:
		if is := s.values[in.keys[0]] == in.expect; !is {
			return out.pending || !out.done, s
		}
		holds = out.pending || out.done
	}
	for _, w := range in.writes {
		s.values[w.key] = w.value
	}
	if out.rev != 0 {
		holds = holds && out.rev > s.rev
		s.rev = out.rev
	}
	if !holds {
		return false, before
	}
	return true, s
}

// checkTime bounds the search for an order. Histories with a few kills take
// milliseconds.
const checkTime = time.Minute

// checkHistory fails the test unless there is an order of the operations in
// which each saw what those before it had done.
func checkHistory(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	switch result, info := porcupine.CheckOperationsVerbose(registerModel, history, checkTime); result {
	case porcupine.Illegal:
		name := fmt.Sprintf("%s/kvsh-history-%d.html", os.TempDir(), time.Now().UnixNano())
		if err := porcupine.VisualizePath(registerModel, info, name); err != nil {
			t.Errorf("draw the history: %v", err)
		}
		t.Errorf("%d operations have no order in which each saw what those before it did; drawn in %s", len(history), name)
	case porcupine.Unknown:
		t.Errorf("no order of %d operations found in %v, and not shown that there is none", len(history), checkTime)
	}
}

// legal reports whether a history has an order.
func legal(history []porcupine.Operation) bool {
	return porcupine.CheckOperationsTimeout(registerModel, history, checkTime) == porcupine.Ok
}

// falsify changes what one of the reads saw to a value that nobody ever wrote.
func falsify(r *rand.Rand, history []porcupine.Operation) ([]porcupine.Operation, bool) {
	var reads []int
	for i, o := range history {
		if out := o.Output.(answer); o.Input.(op).kind == opRead && !out.pending && len(out.seen) > 0 {
			reads = append(reads, i)
		}
	}
	if len(reads) == 0 {
		return nil, false
	}
	forged := slices.Clone(history)
	o := &forged[reads[r.IntN(len(reads))]]
	out := o.Output.(answer)
	out.seen = slices.Clone(out.seen)
	out.seen[0] = math.MaxInt64
	o.Output = out
	return forged, true
}

// TestHistoryChecker: the checker takes histories that have an order and
// refuses each kind of history that has none, or the test of real processes
// could not fail.
func TestHistoryChecker(t *testing.T) {
	set := func(key int, value int64) op {
		return op{kind: opWrite, writes: []write{{key, value}}}
	}
	get := func(keys ...int) op { return op{kind: opRead, keys: keys} }
	saw := func(values ...int64) answer { return answer{seen: values} }
	at := func(rev int, values ...int64) answer { return answer{done: true, seen: values, rev: rev} }
	lost := answer{pending: true}
	incr, del := op{kind: opIncr, keys: []int{0}}, op{kind: opDelete, keys: []int{0}}
	swap := op{kind: opSwap, keys: []int{0}, expect: 1, writes: []write{{0, 9}}}
	move := op{kind: opTx, keys: []int{0}, writes: []write{{1, 5}, {2, 5}}}

	type event struct {
		call, end int64
		in        op
		out       answer
	}
	const never = math.MaxInt64
	for name, c := range map[string]struct {
		legal  bool
		events []event
	}{
		"a read after a write":              {true, []event{{0, 1, set(0, 7), at(1)}, {2, 3, get(0), saw(7)}}},
		"a stale read":                      {false, []event{{0, 1, set(0, 7), at(1)}, {2, 3, get(0), saw(0)}}},
		"a read beside a write":             {true, []event{{0, 9, set(0, 7), at(1)}, {1, 2, get(0), saw(0)}, {3, 4, get(0), saw(7)}}},
		"the past after the present":        {false, []event{{0, 9, set(0, 7), at(1)}, {1, 2, get(0), saw(7)}, {3, 4, get(0), saw(0)}}},
		"half a transaction":                {false, []event{{0, 9, move, at(1, 0)}, {1, 2, get(1, 2), saw(5, 0)}}},
		"a whole transaction":               {true, []event{{0, 9, move, at(1, 0)}, {1, 2, get(1, 2), saw(5, 5)}}},
		"a lost update":                     {false, []event{{0, 5, incr, at(1, 1)}, {1, 6, incr, at(2, 1)}}},
		"both increments":                   {true, []event{{0, 5, incr, at(2, 2)}, {1, 6, incr, at(1, 1)}}},
		"revisions against the order":       {false, []event{{0, 1, set(0, 7), at(2)}, {2, 3, set(1, 8), at(1)}}},
		"a revision given twice":            {false, []event{{0, 5, set(0, 7), at(1)}, {1, 6, set(1, 8), at(1)}}},
		"a killed write that is there":      {true, []event{{0, never, set(0, 7), lost}, {2, 3, get(0), saw(7)}}},
		"a killed write that is not there":  {true, []event{{0, never, set(0, 7), lost}, {2, 3, get(0), saw(0)}}},
		"a killed write that comes later":   {true, []event{{0, never, set(0, 7), lost}, {2, 3, get(0), saw(0)}, {4, 5, get(0), saw(7)}}},
		"a killed write that goes":          {false, []event{{0, never, set(0, 7), lost}, {2, 3, get(0), saw(7)}, {4, 5, get(0), saw(0)}}},
		"half a killed transaction":         {false, []event{{0, never, move, lost}, {2, 3, get(1, 2), saw(5, 0)}, {4, 5, get(1, 2), saw(5, 0)}}},
		"a swap that holds":                 {true, []event{{0, 1, set(0, 1), at(1)}, {2, 3, swap, at(2)}, {4, 5, get(0), saw(9)}}},
		"a swap that must not have held":    {false, []event{{0, 1, set(0, 2), at(1)}, {2, 3, swap, at(2)}}},
		"a swap that must have held":        {false, []event{{0, 1, set(0, 1), at(1)}, {2, 3, swap, saw()}}},
		"a commit that overlooked a change": {false, []event{{0, 1, set(0, 3), at(1)}, {2, 3, move, at(2, 0)}}},
		"a conflict that wrote":             {false, []event{{0, 1, move, saw(0)}, {2, 3, get(1), saw(5)}}},
		"a conflict that saw two states":    {false, []event{{0, 1, set(0, 3), at(1)}, {2, 3, move, saw(4)}}},
		"a delete":                          {true, []event{{0, 1, set(0, 3), at(1)}, {2, 3, del, at(2, 1)}, {4, 5, get(0), saw(0)}}},
		"a delete of nothing that counted":  {false, []event{{0, 1, del, at(1, 1)}}},
	} {
		var history []porcupine.Operation
		for i, e := range c.events {
			history = append(history, porcupine.Operation{ClientId: i, Input: e.in, Call: e.call, Output: e.out, Return: e.end})
		}
		if got := legal(history); got != c.legal {
			t.Errorf("%s: the checker says %v, want %v", name, got, c.legal)
		}
	}
}

// registerName is the key of a register.
func registerName(n int) string { return fmt.Sprintf("r/%d", n) }

// registerNames is the keys of some registers, as words of a command.
func registerNames(keys []int) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = registerName(k)
	}
	return strings.Join(names, " ")
}
