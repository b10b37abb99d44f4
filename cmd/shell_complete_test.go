package cmd

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kvsh/engine"
	"kvsh/repl"
)

// shellSession is a session of the shell on a database.
func shellSession(t *testing.T, db string) *Session {
	t.Helper()
	s := NewSession(Streams{In: strings.NewReader(""), Out: io.Discard, Err: os.Stderr, Getenv: func(string) string { return "" }})
	s.set.DB, s.door = db, doorShell
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// candidates is what completes a line, each as it is shown.
func candidates(t *testing.T, s *Session, line string) []string {
	t.Helper()
	find := s.complete(newLineWords(s), line)
	if find == nil {
		return nil
	}
	var all []string
	for _, c := range find(t.Context()).Candidates {
		text := c.Text
		if c.Partial {
			text += "…"
		}
		if c.Note != "" {
			text += " (" + c.Note + ")"
		}
		all = append(all, text)
	}
	return all
}

func TestComplete(t *testing.T) {
	dir := t.TempDir()
	s := shellSession(t, filepath.Join(dir, "t.kv"))
	s.tabTime = time.Hour // on a busy machine the usual time may not be enough
	for _, line := range []string{
		"mset user:1:name a user:1:mail b user:2 c log/2026/11 d log/2026/12 e a.b f 'two words' g", "--cf drafts set x 1",
	} {
		commands, err := repl.Split(nil, line, repl.ShellDoor)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.runLine(t.Context(), commands[0].Texts(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "pass.star"), []byte("# Pass.\ndef handle(kv, arg):\n    return {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.runLine(t.Context(), []string{"handler", "add", "pass", filepath.Join(dir, "pass.star")}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one.jsonl", "two.csv", ".hidden", "up.kvs"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		line string
		want []string
	}{
		{"begi", []string{"begin (Begin a transaction)"}},
		{"set a 1; rollb", []string{"rollback (Discard what the transaction holds)"}},
		{"--cf drafts coun", []string{"count (Print how many keys there are)"}},
		{"bogus x", nil},
		{"get ", []string{"a.b", "log/… (2 keys)", "two words", "user:… (3 keys)"}},
		{"get log/", []string{"log/2026/… (2 keys)"}},
		{"get user:1", []string{"user:1:… (2 keys)"}},
		{"get user:1:", []string{"user:1:mail", "user:1:name"}},
		{"get 'two w", []string{"two words"}},
		{"get none", nil},
		{"list --prefix user:2", []string{"user:2"}},
		{"get -m js", []string{"jsonl", "json"}},
		{"get --cf d", []string{"drafts"}},
		{"--cf drafts get ", []string{"x"}},
		{"--cf d", []string{"drafts"}},
		{"--readon", []string{"--readonly (refuse to write)"}},
		{"snapshot rest", []string{"restore (Make a database from a snapshot)"}},
		{"completion f", []string{"fish"}},
		{"get --defau", []string{"--default (print V for a key that is not there)"}},
		{"import " + dir + "/o", []string{dir + "/one.jsonl"}},
		{"import " + dir + "/", []string{dir + "/one.jsonl", dir + "/pass.star", dir + "/t.kv/…", dir + "/two.csv", dir + "/up.kvs"}},
		{"snapshot verify " + dir + "/", []string{dir + "/t.kv/…", dir + "/up.kvs"}},
		{"import --format js", []string{"jsonl", "json"}},
		{"import --on-conflict ", []string{"replace", "keep", "fail"}},
		{"get --mode=quo", []string{"--mode=quoted"}},
		{"get --cf=dr", []string{"--cf=drafts"}},
		{"-qmraw get user:1:n", []string{"user:1:name"}},
		{"get -qm js", []string{"jsonl", "json"}},
		{"get --cf=drafts ", []string{"x"}},
		{"-q --cf drafts -n get ", []string{"x"}},
		{"rm log", []string{"log/… (2 keys)"}}, // an alias
		{"set user:2 ", nil},                   // the value
		{"mset user:2 1 user:2", []string{"user:2"}},
		{"mset user:2 us", nil},
		{"set --ttl ", nil},
		{"get -- --", nil},
		{"mv user:2 user:2", []string{"user:2"}},
		{"list --from log", []string{"log/… (2 keys)"}},
		{"call p", []string{"pass (Pass.)"}},
		{"call pass user:2", []string{"user:2"}},
		{"handler show ", []string{"pass (Pass.)"}},
		{"cf rm ", []string{"drafts"}},
		{"use d", []string{"drafts"}},
		{"config syn", []string{"sync (always)"}},
		{"config sync n", []string{"never"}},
		{"help beg", []string{"begin (Begin a transaction)"}},
		{"man comm", []string{"commit (Write what the transaction holds)"}},
		{".hel", []string{".help (" + shortOf(t, ".help") + ")"}},
		{"ttl user:2 n", []string{"none"}},
		{"get a | so", nil},
	} {
		if got := candidates(t, s, c.line); !slices.Equal(got, c.want) {
			t.Errorf("completions of %q = %q, want %q", c.line, got, c.want)
		}
	}
}

// What only the shell has completes by what it takes.
func TestCompleteShellOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "script"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := shellSession(t, "mem:")
	for _, c := range []struct {
		line string
		want []string
	}{
		{".rea", []string{".read (" + shortOf(t, ".read") + ")"}},
		{".mode js", []string{"jsonl", "json"}},
		{".timer o", []string{"on", "off"}},
		{".timer on o", nil},
		{".read " + dir + "/", []string{dir + "/script"}},
		{".none ", nil},
	} {
		if got := candidates(t, s, c.line); !slices.Equal(got, c.want) {
			t.Errorf("completions of %q = %q, want %q", c.line, got, c.want)
		}
	}
}

// shortOf is what .help says of a dot-command in a line.
func shortOf(t *testing.T, name string) string {
	t.Helper()
	d, err := dotNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return d.short
}

// Revisions are offered with what they did, the newest first.
func TestCompleteRevisions(t *testing.T) {
	s := shellSession(t, filepath.Join(t.TempDir(), "t.kv"))
	for _, words := range [][]string{{"set", "a", "1"}, {"mset", "two words", "2", "z", "3"}, {"del", "a"}} {
		if err := s.runLine(t.Context(), words); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		line string
		want []string // each begins and ends so
	}{
		{"undo --rev ", []string{"3|del a)", "2|set \"two words\" and 1 more)", "1|set a)"}},
		{"get --at 2", []string{"2|set \"two words\" and 1 more)"}},
		{"log show 1..3", []string{"1..3|del a)"}},
		{"diff 1", []string{"1|set a)"}},
		{"undo --rev 4", nil},
	} {
		got := candidates(t, s, c.line)
		if len(got) != len(c.want) {
			t.Fatalf("completions of %q = %q, want %q", c.line, got, c.want)
		}
		for i, want := range c.want {
			begin, end, _ := strings.Cut(want, "|")
			if !strings.HasPrefix(got[i], begin+" (") || !strings.HasSuffix(got[i], ", "+end) {
				t.Errorf("completion %d of %q = %q, want %q", i, c.line, got[i], want)
			}
		}
	}
}

// Looking for keys is no reading: a transaction does not depend on what Tab
// has shown.
func TestCompleteReadsNothing(t *testing.T) {
	path := testDirectory(t)
	s, other := shellSession(t, path), shellSession(t, path)
	s.tabTime = time.Hour
	run := func(s *Session, words ...string) {
		t.Helper()
		if err := s.runLine(t.Context(), words); err != nil {
			t.Fatalf("%q: %v", words, err)
		}
	}
	run(s, "begin")
	run(s, "set", "mine", "1")
	if got := candidates(t, s, "get "); !slices.Equal(got, []string{"k"}) {
		t.Errorf("completions in the transaction = %q, want k", got)
	}
	run(other, "set", "k", "2")
	run(s, "commit")
}

// The levels are those that a walk over all keys finds, and what lies between
// the first and the greatest is all there is.
func TestLevelsLaw(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"a", "b", "user", ":", "/", ".", "\xff", "世", "x y", "1", "2"}
	some := func(n int) string {
		var b strings.Builder
		for range random.IntN(n) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		return b.String()
	}
	for range 30 {
		store := engine.NewMem(engine.MemOptions{})
		keys := map[string]bool{}
		if _, err := store.Update(t.Context(), func(tx engine.Tx) error {
			for range random.IntN(60) {
				key := "k" + some(7)
				keys[key] = true
				if err := tx.Set(t.Context(), key, nil); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			prefix := "k" + some(4)
			want := map[string]bool{} // level, or key; whether more follows
			for key := range keys {
				if rest, ok := strings.CutPrefix(key, prefix); ok {
					if i := strings.IndexAny(rest, levelSeparators); i >= 0 {
						want[prefix+rest[:i+1]] = true
					} else {
						want[key] = false
					}
				}
			}
			var found repl.Completion
			if err := store.View(t.Context(), engine.Newest, func(tx engine.Tx) (err error) {
				found, err = levels(t.Context(), tx, prefix, time.Now().Add(time.Hour))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if len(found.Candidates) != len(want) || found.Greatest != "" {
				t.Fatalf("levels of %q = %v, want %v", prefix, found.Candidates, want)
			}
			for i, c := range found.Candidates {
				if partial, ok := want[c.Text]; !ok || partial != c.Partial {
					t.Errorf("levels of %q have %q, partial %v; want %v", prefix, c.Text, c.Partial, want)
				}
				if i > 0 && found.Candidates[i-1].Text >= c.Text {
					t.Errorf("levels of %q are not sorted: %v", prefix, found.Candidates)
				}
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A level costs the same whatever it holds, and there is an end to what is
// shown.
func TestLevelsAreFast(t *testing.T) {
	if testing.Short() {
		t.Skip("loads 400,000 keys")
	}
	path := filepath.Join(t.TempDir(), "t.kv")
	s := shellSession(t, path)
	store, err := s.open(t.Context(), toWrite)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context(), func(yield func(engine.Item, error) bool) {
		for i := range 400_000 {
			if !yield(engine.Item{Key: fmt.Appendf(nil, "space%03d:%06d", i%400, i), Value: []byte("v")}, nil) {
				return
			}
		}
	}, engine.Replace); err != nil {
		t.Fatal(err)
	}
	words := newLineWords(s)
	best, all := time.Hour, time.Hour // of several: other processes run too
	for range 10 {
		start := time.Now()
		if err := store.View(t.Context(), engine.Newest, func(tx engine.Tx) error {
			for _, err := range tx.Scan(t.Context(), engine.Range{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		all = min(all, time.Since(start))
		start = time.Now()
		found := s.complete(words, "get ")(t.Context())
		best = min(best, time.Since(start))
		if len(found.Candidates) > completionLimit || found.Greatest != "space399:399999" {
			t.Fatalf("%d candidates up to %q, want at most %d up to the greatest key", len(found.Candidates), found.Greatest, completionLimit)
		}
	}
	// Reading every key is what it must not do, and says how fast this machine is.
	if t.Logf("best of 10: %v, and %v to read all keys", best, all); best > all {
		t.Errorf("completing 400 levels of 1,000 keys takes %v, want less than the %v for reading all", best, all)
	}
}

func TestLineWords(t *testing.T) {
	s := shellSession(t, "mem:")
	w := newLineWords(s)
	names := map[repl.Style]byte{repl.Plain: '.', repl.CommandOK: 'c', repl.Unknown: 'u', repl.Flag: 'f', repl.Number: 'n'}
	for _, c := range []struct{ line, styles, hint string }{
		{"get", "c", "KEY…"},
		{"get a", "c.", "KEY…"},
		{"set", "c", "KEY [VALUE]"},
		{"set a", "c.", "[VALUE]"},
		{"set a 1", "c.n", ""},
		{"set --ttl", "cf", "D"},
		{"set --ttl 5s", "cf.", "KEY [VALUE]"},
		{"set --if-absent k -1", "cf.n", ""},
		{"--cf x get", "f.c", "KEY…"},
		{"log", "c", "ls|show"},
		{"snapshot save", "cc", "[FILE|DIR]"},
		{"bogus", "u", ""},
		{"exit", "c", ""},
		{"get -- --cf", "c..", "KEY…"},
		{"", "", ""},
	} {
		words := strings.Fields(c.line)
		var got strings.Builder
		for _, style := range w.classify(words) {
			got.WriteByte(names[style])
		}
		if got.String() != c.styles {
			t.Errorf("classify(%q) = %s, want %s", c.line, got.String(), c.styles)
		}
		if got := w.hint(c.line); !strings.HasPrefix(got, c.hint) || c.hint == "" && got != "" {
			t.Errorf("hint(%q) = %q, want %q", c.line, got, c.hint)
		}
	}
}
