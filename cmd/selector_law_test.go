package cmd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kvsh/repl"
)

// The parts of random keys and conditions: few, so that they often meet.
var keyParts = []string{"a", "b", ":", "é", "\xff", "\x00", "*", "user", "\n", "😀"}

func randomKey(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString(keyParts[r.IntN(len(keyParts))])
	}
	return b.String()
}

// selectorGlobs are patterns, each with a regular expression for bytes that
// means the same, written by hand.
var selectorGlobs = map[string]string{
	"*": `(?s)^.*$`, "a*": `(?s)^a.*$`, "*a": `(?s)^.*a$`, "*:*": `(?s)^.*:.*$`, "user*b": `(?s)^user.*b$`,
	"[ab]*": `(?s)^[ab].*$`, "[!a]*": `(?s)^[^a].*$`, `\**`: `(?s)^\*.*$`, "a?": `(?s)^a.$`, "user": `^user$`,
}

// A selection is the conditions of a selector, for the model.
type selection struct {
	glob, prefix, suffix, contains, regex, from, to, after string
	limit                                                  int
	reverse                                                bool
}

func randomSelection(r *rand.Rand) selection {
	var sel selection
	for _, condition := range []struct {
		text *string
		odds int
	}{{&sel.prefix, 4}, {&sel.suffix, 4}, {&sel.contains, 4}, {&sel.from, 4}, {&sel.to, 4}, {&sel.after, 4}} {
		if r.IntN(condition.odds) == 0 {
			*condition.text = randomKey(r)
			if r.IntN(2) == 0 {
				*condition.text = keyParts[r.IntN(len(keyParts))]
			}
		}
	}
	if r.IntN(3) == 0 {
		globs := make([]string, 0, len(selectorGlobs))
		for glob := range selectorGlobs {
			globs = append(globs, glob)
		}
		slices.Sort(globs) // the choice is the seed's
		sel.glob = globs[r.IntN(len(globs))]
	}
	if r.IntN(5) == 0 {
		sel.regex = []string{"^a", "b$", "a.*b", "^.$", "[:*]"}[r.IntN(5)]
	}
	if r.IntN(3) == 0 {
		sel.limit = 1 + r.IntN(8)
	}
	sel.reverse = r.IntN(3) == 0
	return sel
}

// words are the selection as words of a command.
func (sel selection) words() []string {
	var words []string
	for _, flag := range []struct{ name, value string }{
		{"prefix", sel.prefix},
		{"suffix", sel.suffix},
		{"contains", sel.contains},
		{"regex", sel.regex},
		{"from", sel.from},
		{"to", sel.to},
		{"after", sel.after},
	} {
		if flag.value != "" {
			words = append(words, "--"+flag.name, flag.value)
		}
	}
	if sel.limit > 0 {
		words = append(words, fmt.Sprintf("--limit=%d", sel.limit))
	}
	if sel.reverse {
		words = append(words, "--reverse")
	}
	return words
}

// tests reports whether a key has what can be seen of it alone.
func (sel selection) tests(key string) bool {
	matches := func(expression string) bool {
		return expression == "" || regexp.MustCompile(expression).MatchString(key)
	}
	return strings.HasPrefix(key, sel.prefix) && strings.HasSuffix(key, sel.suffix) && strings.Contains(key, sel.contains) &&
		matches(sel.regex) && matches(selectorGlobs[sel.glob])
}

// of is the keys that are selected of sorted ones, in their order.
func (sel selection) of(keys []string) []string {
	var selected []string
	for _, key := range keys {
		isBehind := sel.after == "" || !sel.reverse && key > sel.after || sel.reverse && key < sel.after
		if sel.tests(key) && key >= sel.from && (sel.to == "" || key < sel.to) && isBehind {
			selected = append(selected, key)
		}
	}
	if sel.reverse {
		slices.Reverse(selected)
	}
	if sel.limit > 0 {
		selected = selected[:min(len(selected), sel.limit)]
	}
	return selected
}

// selectorSession is a session on a database in memory with keys in a family,
// and others in the default one. Each value is one line.
func selectorSession(t *testing.T, family string, keys []string) (run func(words ...string) (string, int)) {
	t.Helper()
	var out, errs bytes.Buffer
	s := NewSession(Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	s.set.DB, s.set.Family, s.door = memoryName, family, doorScript
	run = func(words ...string) (string, int) {
		t.Helper()
		out.Reset()
		errs.Reset()
		err := s.runLine(t.Context(), words)
		if flushErr := s.out.Flush(); flushErr != nil {
			t.Fatal(flushErr)
		}
		if code := exitCode(err); code > exitNo {
			t.Fatalf("%q = %d: %v %s", words, code, err, &errs)
		}
		return out.String(), exitCode(err)
	}
	run("--cf", "other", "mset", "a", "1", "user", "2")
	pairs := []string{"mset"}
	for _, key := range keys {
		pairs = append(pairs, key, "value")
	}
	run(pairs...)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return run
}

// wordsOf is the words of each line that a command printed, which must be valid
// input for the next.
func wordsOf(t *testing.T, out string) [][]string {
	t.Helper()
	commands, err := repl.Split(nil, out, repl.ScriptDoor)
	if err != nil {
		t.Fatalf("%q is no input: %v", out, err)
	}
	lines := make([][]string, len(commands))
	for i, c := range commands {
		lines[i] = c.Texts(nil)
	}
	return lines
}

// keysOf is a column of lines.
func keysOf(t *testing.T, out string, column int) []string {
	t.Helper()
	var keys []string
	for _, words := range wordsOf(t, out) {
		keys = append(keys, words[column])
	}
	return keys
}

// The conditions of a selector hold together, for every command that has one:
// its keys are those that a plain look at all keys finds, in their order.
func TestSelectorsAreTheirModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const databases, selections = 8, 150
	hits := 0
	for i := range databases {
		var keys []string
		for range 60 {
			keys = append(keys, randomKey(r))
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		run := selectorSession(t, []string{"", "drafts"}[i%2], keys)
		for range selections {
			sel := randomSelection(r)
			hits += len(sel.of(keys))
			checkSelection(t, run, keys, sel)
			if t.Failed() {
				return
			}
		}
	}
	if hits < databases*selections/2 {
		t.Errorf("%d keys were selected by %d selections: the test sees too little", hits, databases*selections)
	}
}

func checkSelection(t *testing.T, run func(...string) (string, int), keys []string, sel selection) {
	t.Helper()
	want := sel.of(keys)
	with := func(words ...string) []string {
		if sel.glob != "" {
			words = append(words, sel.glob)
		}
		return append(words, sel.words()...)
	}
	expect := func(got []string, words []string, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%q = %q, want %q", words, got, want)
		}
	}
	list := with("list", "-m", "quoted")
	out, _ := run(list...)
	expect(keysOf(t, out, 0), list, want)

	export := with("export", "--format", "kvsh")
	out, _ = run(export...)
	expect(exportedKeys(t, out), export, want)

	grep := with("grep", "-m", "quoted", "-l", "value")
	out, code := run(grep...)
	expect(keysOf(t, out, 0), grep, want)
	if (code == exitYes) != (len(want) > 0) {
		t.Errorf("%q = exit code %d with %d keys", grep, code, len(want))
	}

	tree := append([]string{"tree", "-m", "quoted"}, sel.words()...) // its word is a prefix
	bare := sel
	bare.glob = ""
	out, _ = run(tree...)
	totals := wordsOf(t, out)
	expect(totals[len(totals)-1][:2], tree, []string{"", fmt.Sprint(len(bare.of(keys)))})

	count := with("count")
	if out, _ = run(count...); out != fmt.Sprintln(len(want)) {
		t.Errorf("%q = %q, want %d", count, out, len(want))
	}
	var rest []string
	for _, key := range keys {
		if !slices.Contains(want, key) {
			rest = append(rest, key)
		}
	}
	deletions := [][]string{with("clear", "-y")}
	if sel.glob == "" && len(sel.words()) > 0 {
		deletions = append(deletions, with("del", "-y"))
	}
	for _, words := range deletions {
		run("begin")
		if out, _ = run(words...); out != fmt.Sprintln(len(want)) {
			t.Errorf("%q = %q, want %d", words, out, len(want))
		}
		out, _ = run("list", "-m", "quoted")
		expect(keysOf(t, out, 0), words, rest)
		run("rollback")
	}
	checkWatch(t, run, keys, sel)
}

// exportedKeys is the keys of an export in the form of commands.
func exportedKeys(t *testing.T, out string) []string {
	t.Helper()
	var keys []string
	for _, words := range wordsOf(t, out) {
		keys = append(keys, words[len(words)-2]) // set [--cf NAME] KEY VALUE
	}
	return keys
}

// checkWatch looks at the conditions that watch has: those of a key alone.
func checkWatch(t *testing.T, run func(...string) (string, int), keys []string, sel selection) {
	t.Helper()
	sel.from, sel.to, sel.after, sel.limit, sel.reverse = "", "", "", 0, false
	want := sel.of(keys)
	if len(want) == 0 {
		return // it would wait for ever
	}
	words := []string{"watch", "-m", "quoted", "--from", "2", fmt.Sprintf("--limit=%d", len(want))}
	if sel.glob != "" {
		words = append(words, sel.glob)
	}
	words = append(words, sel.words()...)
	out, _ := run(words...)
	got := keysOf(t, out, 3)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q = %q, want %q", words, got, want)
	}
}
