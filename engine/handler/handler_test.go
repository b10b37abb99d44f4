package handler

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

// serveWord makes the test program the process of a Worker.
const serveWord = "-serve-handlers"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == serveWord {
		limit, err := time.ParseDuration(os.Args[2])
		if err == nil {
			err = serve(os.Stdin, os.Stdout, limit)
		}
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testWorker(t *testing.T) *Worker {
	t.Helper()
	limit := MaxTime
	return workerWithin(t, &limit)
}

// workerWithin is a worker whose processes are held to the time limit that is
// there when they start.
func workerWithin(t *testing.T, limit *time.Duration) *Worker {
	t.Helper()
	w := NewWorker(func() *exec.Cmd { return exec.Command(os.Args[0], serveWord, limit.String()) })
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return w
}

var testTime = time.UnixMilli(1_700_000_000_000)

// call makes a call of KEY=VALUE words; a KEY alone is not there.
func call(arg string, words ...string) Call {
	c := Call{Arg: arg, Now: testTime}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		c.Keys = append(c.Keys, key)
		if ok {
			c.Values = append(c.Values, []byte(value))
		} else {
			c.Values = append(c.Values, nil)
		}
	}
	return c
}

// describe is an outcome in one line.
func describe(o Outcome) string {
	var b strings.Builder
	for _, w := range o.Writes {
		switch {
		case w.Delete:
			fmt.Fprintf(&b, "-%s ", w.Key)
		case w.Expires.IsZero():
			fmt.Fprintf(&b, "%s=%q ", w.Key, w.Value)
		default:
			fmt.Fprintf(&b, "%s=%q+%v ", w.Key, w.Value, w.Expires.Sub(testTime))
		}
	}
	if o.Result != "" {
		fmt.Fprintf(&b, "result %s ", o.Result)
	}
	for _, text := range o.Printed {
		fmt.Fprintf(&b, "printed %q ", text)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// body is the source of a handler with these lines in its function.
func body(lines ...string) string {
	return "def handle(kv, arg):\n    " + strings.Join(lines, "\n    ") + "\n"
}

var outcomes = []struct {
	name, source string
	call         Call
	want         string
}{
	{"None writes nothing", body("kv['a'] = 'x'"), call("", "a=1"), ``},
	{"a dict is written", body("return {'b': 'x', 'a': 'y'}"), call("", "a=1", "b=2"), `a="y" b="x"`},
	{"an int is written in digits", body("return {'a': -10000000000000000000000}"), call("", "a"), `a="-10000000000000000000000"`},
	{"bytes are written", body(`return {'a': b"\xff\x00"}`), call("", "a"), `a="\xff\x00"`},
	{"None deletes", body("return {'a': None}"), call("", "a=1"), `-a`},
	{"what is not there is not deleted", body("return {'a': None}"), call("", "a"), ``},
	{"what is the same is not written", body("return {'a': 1, 'b': ''}"), call("", "a=1", "b="), ``},
	{"an empty value is a value", body("return {'b': kv['a'] == ''}[0] if False else {'b': str(kv['a'] == '')}"), call("", "a=", "b"), `b="True"`},
	{"empty is not the same as none", body("return {'a': ''}"), call("", "a"), `a=""`},
	{"kv may be returned", body("kv['b'] = '3'", "return kv"), call("", "a=1", "b=2"), `b="3"`},
	{"kv is in the order of the call", body("return None, list(kv)"), call("", "b", "a", "c"), `result ["b","a","c"]`},
	{"a key of any bytes", body("return {k: 'x' for k in kv}"), call("", "\xff\x00"), "\xff\x00=\"x\""},
	{"a value is a string or bytes", body("return None, [type(v) for v in kv.values()]"), call("", "a=é", "b=\xff", "c"), `result ["string","bytes","NoneType"]`},
	{"a result and values", body("return {'a': 2}, {'n': 1.5}"), call("", "a=1"), `a="2" result {"n":1.5}`},
	{"a result that is None is none", body("return {'a': 2}, None"), call("", "a=1"), `a="2"`},
	{"the argument is JSON", body("return None, [arg['x'], type(arg['n'])]"), call(`{"x":[1,null],"n":2}`, "a"), `result [[1,null],"int"]`},
	{"no argument is None", body("return None, arg == None"), call("", "a"), `result true`},
	{"now is that of the call", body("return None, now()"), call("", "a"), `result 1700000000000`},
	{"expiring", body("return {'a': expiring('1', 1.5), 'b': expiring(7, 0.0001)}"), call("", "a=1", "b"), `a="1"+1.5s b="7"+1ms`},
	{"print is for the caller", body("print('one', 2)", "return {'a': 1}"), call("", "a"), `a="1" printed "one 2"`},
	{"sets and functions", body("return {'a': double(len(set([1, 1, 2])))}") + "def double(n):\n    return 2 * n\n", call("", "a"), `a="4"`},
}

// What a handler returns is what is written, and the same by Run and in a process.
func TestOutcomes(t *testing.T) {
	w := testWorker(t)
	for _, c := range outcomes {
		p, err := Compile("t", []byte(c.source))
		if err != nil {
			t.Errorf("%s: Compile: %v", c.name, err)
			continue
		}
		o, err := p.Run(t.Context(), c.call)
		if got := describe(o); err != nil || got != c.want {
			t.Errorf("%s: Run = %s, %v, want %s", c.name, got, err, c.want)
		}
		again, err := w.Run(t.Context(), "t", []byte(c.source), c.call)
		if err != nil || describe(again) != c.want || again.Steps != o.Steps {
			t.Errorf("%s: Worker.Run = %s after %d steps, %v, want %s after %d", c.name, describe(again), again.Steps, err, c.want, o.Steps)
		}
	}
}

var faults = []struct{ name, source, want string }{
	{"no handle", "x = 1\n", "t:1: no def handle(kv, arg)"},
	{"other parameters", "\ndef handle(kv):\n    pass\n", "t:2:5: handle takes two parameters: def handle(kv, arg)"},
	{"parameters with a star", "def handle(kv, *arg):\n    pass\n", "t:1:5: handle takes two parameters: def handle(kv, arg)"},
	{"syntax", "def handle(kv, arg):\n    return (\n", "t:3:1: got "},
	{"undefined", body("return nothing"), "t:2:12: undefined: nothing"},
	{"load", "load('x.star', 'x')\n" + body("pass"), "t:1:6: a handler is one file: load is not available"},
	{"while", body("while True:", "    pass"), "t:2:5: this Starlark dialect does not support while loops"},
	{"bytes that are no text", "\xff\n" + body("pass"), "t:1:1: "},
	{"the top level", "x = 1 // 0\n" + body("pass"), "t:1:7: floored division by zero"},
	{"recursion", "def f(n):\n    return f(n + 1)\n" + body("f(0)"), "t:2:12: function f called recursively"},
	{"a type", body("return {'a': 1 + 'x'}"), "t:2:20: unknown binary op: int + string"},
	{"in a function", "def f(x):\n    return int(x)\n" + body("return {'a': f('x')}"), "t:2:15: int: invalid literal with base 10: x"},
	{"a foreign key", body("return {'a': '1', 'b': '2'}"), `t:1:1: handle returned a value for "b", which the call does not name`},
	{"a key that is no string", body("return {1: '2'}"), "t:1:1: handle returned a value for a key of type int, want a string"},
	{"a value of a wrong type", body("return {'a': [1]}"), `t:1:1: value of "a": a list, want a string, bytes, an int or None`},
	{"not a dict", body("return 'a'"), "t:1:1: handle returned a string, want a dict"},
	{"a result of a wrong type", body("return None, handle"), "t:1:1: result: json.encode: cannot encode function as JSON"},
	{"no time", body("return {'a': expiring('1', 0)}"), "t:2:26: expiring: 0 seconds, want more than 0"},
	{"now before the call", "x = now()\n" + body("pass"), "t:1:8: now: there is no transaction yet"},
	{"the steps", body("for i in range(100000000):", "    pass"), "t:2:5: more than 10000000 steps"},
	{"a big value", body("return {'a': 'x' * (33 << 20)}"), `t:1:1: value of "a": 34603008 bytes, the limit is 33554432`},
	{"a big result", body("return None, 'x' * (2 << 20)"), "t:1:1: result of 2097154 bytes, the limit is 1048576"},
	{"a cycle", body("x = []", "x.append(x)", "return None, x"), "t:1:1: result: json.encode: at list index 0: cycle"},
}

// A fault names its line, and nothing is written after it.
func TestFaults(t *testing.T) {
	w := testWorker(t)
	for _, c := range faults {
		var o Outcome
		p, err := Compile("t", []byte(c.source))
		if err == nil {
			o, err = p.Run(t.Context(), call("", "a=1"))
		}
		var fault *Error
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), c.want) || o.Writes != nil {
			t.Errorf("%s: %v, %v, want %q", c.name, o.Writes, err, c.want)
		}
		o, again := w.Run(t.Context(), "t", []byte(c.source), call("", "a=1"))
		// A slow machine does not come to the last of the steps.
		slow := c.name == "the steps" && again != nil && strings.Contains(again.Error(), reasons[exitTime])
		if fmt.Sprint(again) != fmt.Sprint(err) && !slow || o.Writes != nil {
			t.Errorf("%s: in a process %v, %v, want %v", c.name, o.Writes, again, err)
		}
	}
}

// A handler that says no is a refusal with its words, also at the top level.
func TestRefusals(t *testing.T) {
	w := testWorker(t)
	for source, want := range map[string]string{
		body("fail('not', 'today', 1)"):          "not today 1",
		"fail('closed')\n" + body("return None"): "closed",
	} {
		p, err := Compile("t", []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(t.Context(), call("", "a"))
		_, again := w.Run(t.Context(), "t", []byte(source), call("", "a"))
		for _, err := range []error{err, again} {
			var refusal *RefusalError
			if !errors.As(err, &refusal) || refusal.Message != want {
				t.Errorf("%q: %v, want the refusal %q", source, err, want)
			}
		}
	}
}

// A call beyond a limit, or with a bad argument, runs nothing.
func TestBadCalls(t *testing.T) {
	w := testWorker(t)
	many := call("")
	many.Keys, many.Values = make([]string, MaxKeys+1), make([][]byte, MaxKeys+1)
	for want, c := range map[string]Call{
		"1001 keys, the limit is 1000":                        many,
		"not a JSON argument: byte 2: ":                       call("{x", "a"),
		"not a JSON argument: nested deeper than 100":         call(strings.Repeat("[", 101)+strings.Repeat("]", 101), "a"),
		"not a JSON argument: not UTF-8":                      call("\"\xff\"", "a"),
		"not a JSON argument: json.decode":                    call("1e999", "a"),
		"not a JSON argument: 1048577 bytes, the limit is 10": call(strings.Repeat(" ", MaxArgSize)+"1", "a"),
	} {
		p, err := Compile("t", []byte(body("return {'a': 1}")))
		if err != nil {
			t.Fatal(err)
		}
		_, inside := p.Run(t.Context(), c)
		_, outside := w.Run(t.Context(), "t", []byte(body("return {'a': 1}")), c)
		for _, err := range []error{inside, outside} {
			if err == nil || !strings.HasPrefix(err.Error(), want) || strings.HasPrefix(want, "not a JSON") != errors.Is(err, ErrArg) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	deep := strings.Repeat("[", MaxDepth) + `"\"[[[["` + strings.Repeat("]", MaxDepth)
	if err := CheckArg(deep); err != nil {
		t.Errorf("CheckArg of depth %d = %v", MaxDepth, err)
	}
}

// The same call has the same outcome, whatever ran before it.
func TestSameCallSameOutcome(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := testWorker(t)
	first := make(map[string]Outcome)
	for range 200 {
		c := outcomes[r.IntN(len(outcomes))]
		o, err := w.Run(t.Context(), "t", []byte(c.source), c.call)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if before, ok := first[c.name]; ok && !reflect.DeepEqual(before, o) {
			t.Errorf("%s: %+v, before %+v", c.name, o, before)
		}
		first[c.name] = o
	}
}

// The end of the context ends a run, with its cause.
func TestCancel(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	source := []byte(body("for i in range(9000000):", "    pass"))
	p, err := Compile("t", source)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(ctx, call("", "a")); !errors.Is(err, why) {
		t.Errorf("Run after cancel = %v, want %v", err, why)
	}
	w := testWorker(t)
	if _, err := w.Run(ctx, "t", source, call("", "a")); !errors.Is(err, why) {
		t.Errorf("Worker.Run after cancel = %v, want %v", err, why)
	}
	// A built-in function that does not end: only the end of the process ends it.
	ctx, stop := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer stop()
	if _, err := w.Run(ctx, "t", []byte(body("max(range(1 << 62))")), call("", "a")); !errors.Is(err, why) {
		t.Errorf("Worker.Run = %v, want %v", err, why)
	}
	if o, err := w.Run(t.Context(), "t", []byte(body("return {'a': 1}")), call("", "a")); err != nil || describe(o) != `a="1"` {
		t.Errorf("Worker.Run afterwards = %s, %v", describe(o), err)
	}
}
