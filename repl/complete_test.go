package repl

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
)

func TestWordAt(t *testing.T) {
	for _, c := range []struct {
		src    string
		before []string
		word   string
		start  int
		ok     bool
	}{
		{"", nil, "", 0, true},
		{"ge", nil, "ge", 0, true},
		{"get ", []string{"get"}, "", 4, true},
		{"get us", []string{"get"}, "us", 4, true},
		{"get 'a b", []string{"get"}, "a b", 4, true},
		{"get x'a b", []string{"get"}, "xa b", 4, true},
		{`get "a\x41`, []string{"get"}, "aA", 4, true},
		{`get "a\x4`, nil, "", 0, false},
		{"get 'a\nb", []string{"get"}, "a\nb", 4, true},
		{"get a; ", nil, "", 7, true},
		{"get a;l", nil, "l", 6, true},
		{"get a\n", nil, "", 6, true},
		{"get a # b", nil, "", 0, false},
		{"# b", nil, "", 3, false},
		{"list | gr", nil, "", 0, false},
		{"list > fi", nil, "", 0, false},
	} {
		before, word, start, ok := WordAt(c.src)
		if !slices.Equal(before, c.before) || word != c.word || ok != c.ok || ok && start != c.start {
			t.Errorf("WordAt(%q) = %q, %q, %d, %v, want %q, %q, %d, %v", c.src, before, word, start, ok, c.before, c.word, c.start, c.ok)
		}
	}
}

// A word that was completed is the word, and an open one is its beginning.
func FuzzQuoteWord(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "\x00\xff\n\r\t\"'\\", "#x;|>", "日本", "-x", "user:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Split(nil, "k "+quoteWord(s, false), ShellDoor)
		if err != nil || len(got) != 1 || len(got[0].Words) != 2 || got[0].Words[1].Text != s {
			t.Errorf("quoteWord(%q) = %s, splits into %q, %v", s, quoteWord(s, false), words(got), err)
		}
		before, word, _, ok := WordAt("k " + quoteWord(s, true))
		if !ok || len(before) != 1 || word != s {
			t.Errorf("quoteWord(%q, open) = %s, is the word %q, %v", s, quoteWord(s, true), word, ok)
		}
	})
}

func TestCommon(t *testing.T) {
	for _, c := range []struct {
		texts    []string
		greatest string
		want     string
	}{
		{[]string{"user:1", "user:2"}, "", "user:"},
		{[]string{"user:1", "user:2"}, "zoo", ""},
		{[]string{"user:1", "user:2"}, "uz", "u"},
		{[]string{"é", "è"}, "", ""}, // no half of a character
		{[]string{"\xff\xfe", "\xff\xfd"}, "", "\xff"},
		{[]string{"a"}, "", "a"},
	} {
		var completion Completion
		for _, text := range c.texts {
			completion.Candidates = append(completion.Candidates, Candidate{Text: text})
		}
		completion.Greatest = c.greatest
		if got := completion.common(); got != c.want {
			t.Errorf("common of %q up to %q = %q, want %q", c.texts, c.greatest, got, c.want)
		}
	}
}

// Whoever looks for completions may take for ever: keys go on, Ctrl-C too, and
// what comes late is not shown.
func TestEditorSlowCompletion(t *testing.T) {
	started, ended := make(chan string, 10), make(chan string, 10)
	release := make(chan bool)
	d := sit(t, 40, 10, EditorOptions{Complete: func(text string) func(context.Context) Completion {
		return func(ctx context.Context) Completion {
			started <- text
			switch text {
			case "slow":
				<-ctx.Done()
			case "late":
				<-release
			}
			ended <- text
			return Completion{Candidates: []Candidate{{Text: text + "er"}}}
		}
	}})
	d.Type("slow\t")
	if got := <-started; got != "slow" {
		t.Fatalf("looked for %q, want slow", got)
	}
	d.Type("x")
	d.WaitLine("> slowx|")
	d.Type("\x03")
	d.want("^C")
	if got := <-ended; got != "slow" {
		t.Errorf("ended looking for %q, want slow", got)
	}
	d.Type("slow\t")
	<-started
	d.Type("\x15fast\t")
	d.WaitLine("> faster |")
	d.Type("\r")
	d.want("faster ")
	<-started
	<-ended
	<-ended
	d.Type("late\t")
	<-started
	d.Type("x")
	d.WaitLine("> latex|")
	close(release)
	<-ended
	d.Type("y")
	d.WaitLine("> latexy|")
	d.Type("\r")
	d.want("latexy")
}

// A Tab that is held down waits for what the first one looks for.
func TestEditorHeldTab(t *testing.T) {
	var looks atomic.Int32
	release := make(chan bool)
	d := sit(t, 40, 10, EditorOptions{Complete: func(string) func(context.Context) Completion {
		looks.Add(1)
		return func(context.Context) Completion {
			<-release
			return Completion{Candidates: []Candidate{{Text: "found"}}}
		}
	}})
	d.Type("f\t\t\tx\x7f")
	d.WaitLine("> f|")
	if n := looks.Load(); n != 1 {
		t.Errorf("three Tabs began %d lookups, want 1", n)
	}
	close(release)
	d.WaitLine("> found |")
}

// What completes a word that was begun with a quote goes on within it, and a
// quote that stands behind the cursor closes it.
func TestEditorCompletesWithinQuotes(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{Complete: func(text string) func(context.Context) Completion {
		_, word, _, _ := WordAt(text)
		return func(context.Context) Completion {
			switch word {
			case "us":
				return Completion{Candidates: []Candidate{{Text: "user:", Partial: true}}}
			case "it":
				return Completion{Candidates: []Candidate{{Text: "it's"}}}
			}
			return Completion{Candidates: []Candidate{{Text: word + "1"}, {Text: word + "2"}}}
		}
	}})
	for _, c := range []struct{ typed, want string }{
		{"g \"us\t", `> g "user:|`},
		{"g 'us\t", `> g 'user:|`},
		{"g us\t", `> g user:|`},
		{"g 'it\t", `> g "it's" |`}, // which ' cannot hold
		{"g \"it\t", `> g "it's" |`},
		{"g \"it\"\x02\t", `> g "it's" |`},
	} {
		d.Type(c.typed)
		d.WaitLine(c.want)
		d.Type("\x03")
		d.want("^C")
	}
}

// However a word was begun, what completes it reads as the text.
func FuzzCompletedWord(f *testing.F) {
	for _, s := range []string{"", "a b", "\x00\xff\n'\"\\", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typed := range []string{"", "x", "'", `"`} {
			got, err := Split(nil, "k "+completedWord(typed, s, false), ShellDoor)
			if err != nil || len(got) != 1 || len(got[0].Words) != 2 || got[0].Words[1].Text != s {
				t.Errorf("completedWord(%q, %q) splits into %q, %v", typed, s, words(got), err)
			}
		}
	})
}
