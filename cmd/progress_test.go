package cmd

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kvsh/engine"
)

// A fakeTerminal is a writer for several goroutines.
type fakeTerminal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (f *fakeTerminal) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.Write(p)
}

// screen is what stands on a terminal of one line after all that was written.
func (f *fakeTerminal) screen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := f.b.String()
	return text[strings.LastIndex(text, eraseLine)+len(eraseLine)*min(strings.Count(text, eraseLine), 1):]
}

func (f *fakeTerminal) all() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

// A line is shown after a second, is rewritten in place, makes room for what
// else is said, and leaves nothing behind.
func TestProgressOnATerminal(t *testing.T) {
	var (
		term fakeTerminal
		now  = time.Unix(1_770_000_000, 0)
		mu   sync.Mutex
	)
	p := newProgress(&term, "check", func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	ticks := make(chan time.Time)
	go p.run(ticks)
	step := func(d time.Duration) {
		mu.Lock()
		now = now.Add(d)
		mu.Unlock()
		ticks <- now
		ticks <- now // taken when the one before was drawn
	}
	ctx := p.context(context.Background())
	if ctx == context.Background() {
		t.Error("the context carries no progress")
	}
	p.tell(engine.Progress{Doing: "verify", Total: 4 << 20, Bytes: true})
	step(900 * time.Millisecond)
	if got := term.all(); got != "" {
		t.Errorf("within a second it wrote %q, want nothing", got)
	}
	p.tell(engine.Progress{Doing: "verify", Done: 1 << 20, Total: 4 << 20, Bytes: true})
	step(1100 * time.Millisecond)
	if got, want := term.screen(), "check: verify 25 %, 1.0 MiB of 4.0 MiB, 512.0 KiB/s, 6s left"; got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	n, err := p.above(func() (int, error) { return fmt.Fprintln(&term, "a remark") })
	if n != 9 || err != nil || !strings.HasSuffix(term.all(), eraseLine+"a remark\n") {
		t.Errorf("above = %d, %v, and the terminal has %q", n, err, term.all())
	}
	step(100 * time.Millisecond)
	if !strings.HasPrefix(term.screen(), "check: verify") {
		t.Errorf("behind a remark the line is %q", term.screen())
	}
	p.end()
	p.end()
	p.draw()
	if got := term.screen(); got != "" {
		t.Errorf("%q is left behind", got)
	}
	if strings.Contains(strings.ReplaceAll(term.all(), "a remark\n", ""), "\n") {
		t.Errorf("progress wrote a newline: %q", term.all())
	}
}

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		at   engine.Progress
		took time.Duration
		want string
	}{
		{engine.Progress{Doing: "read", Bytes: true}, time.Second, "x: read"},
		{engine.Progress{Doing: "read", Done: 3 << 20, Bytes: true}, 2 * time.Second, "x: read 3.0 MiB, 1.5 MiB/s"},
		{engine.Progress{Doing: "write", Total: 100}, time.Second, "x: write 0 %, 0 of 100"},
		{engine.Progress{Doing: "write", Done: 50_000, Total: 2_000_000}, time.Second, "x: write 2 %, 50k of 2.0M, 50k/s, 39s left"},
		{engine.Progress{Doing: "write", Done: 120, Total: 100}, time.Second, "x: write 100 %, 100 of 100, 100/s, 0s left"},
		{engine.Progress{Doing: "write", Done: 1, Total: 1 << 60}, time.Hour, "x: write 0 %, 1 of 1152921504606.8M, 0/s"},
	} {
		if got := progressLine("x", c.at, c.took); got != c.want {
			t.Errorf("progressLine(%+v, %v) = %q, want %q", c.at, c.took, got, c.want)
		}
	}
}

// Progress is for a terminal that can erase a line, and for people who want it.
func TestProgressIsForTerminals(t *testing.T) {
	for _, c := range []struct {
		terminal, quiet bool
		term            string
		want            bool
	}{
		{true, false, "xterm", true},
		{false, false, "xterm", false},
		{true, true, "xterm", false},
		{true, false, "dumb", false},
		{true, false, "", false},
	} {
		s := NewSession(Streams{
			In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, ErrTerminal: c.terminal,
			Getenv: func(string) string { return c.term },
		})
		s.set.Quiet = c.quiet
		p := s.startProgress("x")
		p.end()
		if (p != nil) != c.want {
			t.Errorf("terminal %v, quiet %v, TERM=%q: shows progress: %v, want %v", c.terminal, c.quiet, c.term, p != nil, c.want)
		}
	}
}

// What is read is counted, in every family.
func TestProgressOfScans(t *testing.T) {
	store := engine.NewMem(engine.MemOptions{})
	ctx := t.Context()
	if _, err := store.Update(ctx, func(tx engine.Tx) error {
		for _, key := range []string{"a", "b", "c"} {
			if err := tx.Set(ctx, key, nil); err != nil {
				return err
			}
		}
		return tx.In("drafts").Set(ctx, "d", nil)
	}); err != nil {
		t.Fatal(err)
	}
	p := newProgress(&fakeTerminal{}, "hash", time.Now)
	if err := store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		want, _, err := engine.Hash(ctx, tx)
		if err != nil {
			return err
		}
		got, _, err := engine.Hash(ctx, p.scanning(tx))
		if got != want {
			t.Errorf("the digest of what is counted = %v, want %v", got, want)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := p.read(); n != 4 {
		t.Errorf("%d entries were counted, want 4", n)
	}
	var none *progress
	if err := store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		if none.scanning(tx) != tx {
			t.Error("with nobody to see it something is counted")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Data on the terminal take the place of the line, which does not come back
// while theirs is not at its end.
func TestProgressBesideData(t *testing.T) {
	var term fakeTerminal
	now := time.Unix(1_770_000_000, 0)
	s := NewSession(Streams{
		In: strings.NewReader(""), Out: &term, Err: &term, OutTerminal: true, ErrTerminal: true,
		Getenv: func(string) string { return "" },
	})
	p := newProgress(&term, "grep", func() time.Time { return now })
	close(p.gone)
	s.progress = p
	p.counting().Add(5)
	now = now.Add(2 * time.Second)
	for _, c := range []struct{ data, want string }{
		{"", "grep: read 5, 2/s"},
		{"a 1\n", "a 1\n"},
		{"", "grep: read 5, 2/s"},
		{"b ", "b "},
		{"", "b "}, // the line would go over it
		{"2\n", "b 2\n"},
		{"", "grep: read 5, 2/s"},
	} {
		if c.data != "" {
			if _, err := s.out.WriteString(c.data); err != nil || s.out.Flush() != nil {
				t.Fatal(err)
			}
		} else {
			p.draw()
		}
		if got := term.screen(); got != c.want {
			t.Errorf("behind %q the terminal shows %q, want %q", c.data, got, c.want)
		}
	}
	// An error writes the data first, and waits for nobody.
	if _, err := s.out.WriteString("c 3\n"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(s.errs, "remark")
	if got := term.screen(); got != "c 3\nremark\n" {
		t.Errorf("behind a remark the terminal shows %q", got)
	}
	p.end()
}

// Every command that may read all there is says how far it is.
func TestProgressOfCommands(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	s := NewSession(Streams{
		In: strings.NewReader(""), Out: &out, Err: &out, ErrTerminal: true,
		Getenv: func(name string) string {
			return map[string]string{"TERM": "xterm", "KVSH_DB": dir + "/t.kv"}[name]
		},
	})
	defer s.Close()
	s.door = doorScript
	run := func(words ...string) *progress {
		t.Helper()
		s.progress = nil
		if err := s.runLine(t.Context(), words); err != nil && !isAnswer(err) {
			t.Fatalf("%q: %v", words, err)
		}
		return s.progress
	}
	words := []string{"mset"}
	for i := range 600 {
		words = append(words, fmt.Sprintf("user:%d", i), "x")
	}
	run(words...)
	for _, c := range []struct {
		words []string
		doing string
		done  int64
	}{
		{[]string{"grep", "x"}, "read", 600},
		{[]string{"tree"}, "read", 600},
		{[]string{"hash"}, "read", 600},
		{[]string{"diff"}, "compare", 512}, // it tells of every 256th
		{[]string{"--dry-run", "undo"}, "find", 512},
		{[]string{"undo"}, "find", 512},
	} {
		p := run(c.words...)
		if p == nil {
			t.Errorf("%q shows no progress", c.words)
			continue
		}
		at := p.at
		if p.read != nil {
			at.Done = p.read()
		}
		if p.name != c.words[len(c.words)-1] && p.name != c.words[0] || at.Doing != c.doing || at.Done != c.done || !p.ended {
			t.Errorf("%q shows %s: %s %d, ended %t; want %s %d, ended", c.words, p.name, at.Doing, at.Done, p.ended, c.doing, c.done)
		}
	}
}
