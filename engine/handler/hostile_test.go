package handler

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// What a handler can do to the process that runs it, and what is to come of it:
// one of the words, where the machine decides which limit is met first.
var hostile = []struct{ name, want, source string }{
	{"a loop", "steps|time", body("for i in range(1 << 60):", "    pass")},
	{"a loop in the top level", "steps|time", "x = [i for i in range(1 << 60)]\n" + body("pass")},
	{"doubling a string", "memory|time", body("x = 'x'", "for i in range(60):", "    x = x + x")},
	{"doubling a list", "memory|time", body("x = [1]", "for i in range(60):", "    x = x + x")},
	{"a large repeat", "memory|time", body("x = 'x' * ((1 << 30) - 1)", "y = x + x", "return {'a': y}")},
	{"a repeat beyond all", "excessive repeat", body("x = 'x' * (1 << 30)")},
	{"many large strings", "memory|time", body("x = [('x' * 1000000) + str(i) for i in range(100000)]")},
	{"joining", "memory|time", body("x = 'x' * 10000000", "','.join([x] * 10000000)")},
	{"replacing", "memory|time", body("x = 'x' * 10000000", "x.replace('x', x)")},
	{"formatting", "memory|time", body("x = 'x' * 10000000", "('%s' * 100000) % tuple([x] * 100000)")},
	{"a list of a range", "memory|time", body("list(range(1 << 40))")},
	{"sorting", "memory|time", body("sorted(range(1 << 36))")},
	{"a growing list", "memory|time", body("x = list(range(1000))", "for i in range(100000):", "    x.extend(x[:100000])")},
	{"a shared value in words", "memory|time", body("x = 'xxxxxxxx'", "for i in range(60):", "    x = (x, x)", "str(x)")},
	{"a shared value in JSON", "memory|time", body("x = 'xxxxxxxx'", "for i in range(60):", "    x = (x, x)", "return None, x")},
	{"a shared value as a key", "memory|time", body("x = 1", "for i in range(60):", "    x = (x, x)", "{x: 1}")},
	{"a function without end", "memory|time", body("max(range(1 << 62))")},
	{"deep in words", "deep|time", body("x = ()", "for i in range(1000000):", "    x = (x,)", "str(x)")},
	{"deep in JSON", "deep|time", body("json.decode('[' * 10000000)")},
	{"deep in the result", "deep|time", body("x = ()", "for i in range(1000000):", "    x = (x,)", "return None, x")},
	{"powers", "memory|time", body("x = 3", "for i in range(60):", "    x = x * x")},
}

// Whatever a handler does, the call ends, says why, and the next one works.
func TestHostileHandlers(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("they take all the time and memory there is, which the race detector needs")
	}
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			limit := time.Second // less than MaxTime, so that the tests do not take all of that
			w := workerWithin(t, &limit)
			o, err := w.Run(t.Context(), "t", []byte(c.source), call("", "a=1"))
			var fault *Error
			if !errors.As(err, &fault) || !saysOne(err, c.want) || strings.Contains(err.Error(), "ended:") || o.Writes != nil {
				t.Errorf("%v, %v, want a fault with %q", o.Writes, err, c.want)
			}
			limit = MaxTime
			o, err = w.Run(t.Context(), "t", []byte(body("return {'a': 2}")), call("", "a=1"))
			if err != nil || describe(o) != `a="2"` {
				t.Errorf("afterwards: %s, %v", describe(o), err)
			}
		})
	}
}

func saysOne(err error, words string) bool {
	for word := range strings.SplitSeq(words, "|") {
		if strings.Contains(err.Error(), word) {
			return true
		}
	}
	return false
}

// Whatever the source, the values and the argument are, nothing panics, and
// only keys of the call are written.
func FuzzRun(f *testing.F) {
	for _, c := range outcomes {
		f.Add(c.source, "value", "other", c.call.Arg)
	}
	for _, c := range faults {
		f.Add(c.source, "", "\xff", "[1]")
	}
	f.Fuzz(func(t *testing.T, source, a, b, arg string) {
		// The fuzzer runs within this process, where memory is not bounded.
		for _, word := range []string{"*", "<<", "range", "join", "replace", "+", "%", "format"} {
			if strings.Contains(source, word) {
				source = strings.ReplaceAll(source, word, " ")
			}
		}
		p, err := Compile("t", []byte(source))
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("Compile = %v, want an *Error", err)
			}
			return
		}
		o, err := p.Run(t.Context(), call(arg, "a="+a, "b="+b, "c"))
		if err != nil && strings.Contains(err.Error(), "gave up") {
			t.Errorf("Run of %q: %v", source, err)
		}
		for _, w := range o.Writes {
			if w.Key != "a" && w.Key != "b" && w.Key != "c" {
				t.Errorf("Run of %q writes %q, which the call does not name", source, w.Key)
			}
		}
	})
}
