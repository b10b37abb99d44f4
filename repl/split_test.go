package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// words renders commands as their words, for comparison.
func words(commands []Command) [][]string {
	var all [][]string
	for _, c := range commands {
		all = append(all, c.Texts(nil))
	}
	return all
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		src  string
		want [][]string
	}{
		{"", nil},
		{" \t ", nil},
		{"get a", [][]string{{"get", "a"}}},
		{"get a\n", [][]string{{"get", "a"}}},
		{"get a\r\nget b\r\n", [][]string{{"get", "a"}, {"get", "b"}}},
		{"set k a\rb", [][]string{{"set", "k", "a\rb"}}},
		{"a;b;;c", [][]string{{"a"}, {"b"}, {"c"}}},
		{"# all of it", nil},
		{"a # rest; b\nc", [][]string{{"a"}, {"c"}}},
		{"a#b", [][]string{{"a#b"}}},
		{"# don't\na", [][]string{{"a"}}},
		{"'a b' ''", [][]string{{"a b", ""}}},
		{`'a\n"b'`, [][]string{{`a\n"b`}}},
		{`"a b" ""`, [][]string{{"a b", ""}}},
		{`"\n\t\r\\\"\0\x41\xff\u{1F600}"`, [][]string{{"\n\t\r\\\"\x00A\xff😀"}}},
		{`a'b'"c"d`, [][]string{{"abcd"}}},
		{`bare\n{"json":1}`, [][]string{{`bare\n{json:1}`}}},
		{"'a\nb'; c", [][]string{{"a\nb"}, {"c"}}},
		{"a\x00b \x00", [][]string{{"a\x00b", "\x00"}}},
		{`list '|' grep ">" x ">"'>' '&'`, [][]string{{"list", "|", "grep", ">", "x", ">>", "&"}}},
		{"a|b x>y x& &x 2>&1", [][]string{{"a|b", "x>y", "x&", "&x", "2>&1"}}},
		{"a # | > &", [][]string{{"a"}}},
	} {
		got, err := Split(nil, c.src, ScriptDoor)
		if err != nil || !slices.EqualFunc(words(got), c.want, slices.Equal) {
			t.Errorf("Split(%q) = %q, %v, want %q", c.src, words(got), err, c.want)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	for _, c := range []struct {
		src    string
		offset int
		open   bool
	}{
		{`a 'b`, 2, true},
		{`a "b`, 2, true},
		{`a "b\`, 2, true},
		{`a "\q"`, 3, false},
		{`a "\x4"`, 3, false},
		{`a "\u{110000}"`, 3, false},
		{`a "\u{D800}"`, 3, false},
		{`a "\u{}"`, 3, false},
		{"a \"\\\n\"", 3, false},
	} {
		_, err := Split(nil, c.src, ScriptDoor)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset || syntax.Open != c.open {
			t.Errorf("Split(%q) = %#v, want offset %d, open %v", c.src, err, c.offset, c.open)
		}
	}
}

// What hands data on in the shell is no word of a script, unless it is quoted.
func TestSplitRefusesShellWords(t *testing.T) {
	for _, c := range []struct {
		src    string
		offset int
		word   string
	}{
		{"list | sort", 5, "|"},
		{"mset a 1 > 2", 9, ">"},
		{"mset a 1 >> 2", 9, ">>"},
		{"a; list >f", 8, ">"},
		{"list >>f", 5, ">>"},
		{"list |sort", 5, "|"},
		{">", 0, ">"},
		{"watch &", 6, "&"},
		{"watch &\r\n", 6, "&"},
		{"watch &; a", 6, "&"},
		{"set & 1", 4, "&"},
		{"a 'b\nc' |", 8, "|"},
	} {
		got, err := Split(nil, c.src, ScriptDoor)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset || syntax.ShellOnly != c.word || syntax.Open {
			t.Errorf("Split(%q) = %q, %#v, want offset %d, word %q", c.src, words(got), err, c.offset, c.word)
		}
	}
}

func TestSplitRedirects(t *testing.T) {
	for _, c := range []struct {
		src    string
		kind   Redirect
		target string
		bad    bool
	}{
		{src: "list | sort -r; wc", kind: ToPipe, target: "sort -r; wc"},
		{src: "list > 'a b'", kind: ToFile, target: "a b"},
		{src: "list >>f # note", kind: AddFile, target: "f"},
		{src: "list a|b", kind: ToOutput},
		{src: "list |", bad: true},
		{src: "list >", bad: true},
		{src: "> f", bad: true},
		{src: "list > a b", bad: true},
	} {
		got, err := Split(nil, c.src, ShellDoor)
		switch {
		case c.bad && err == nil:
			t.Errorf("Split(%q) = %v, want an error", c.src, got)
		case !c.bad && (err != nil || len(got) != 1 || got[0].Redirect != c.kind || got[0].Target != c.target):
			t.Errorf("Split(%q) = %v, %v, want %v to %q", c.src, got, err, c.kind, c.target)
		}
	}
}

// The place of a word is the source it was made of.
func TestWordPlaces(t *testing.T) {
	const src = `set  'a b'"c" d;get e`
	got, err := Split(nil, src, ScriptDoor)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for _, c := range got {
		for _, w := range c.Words {
			places = append(places, src[w.Start:w.End])
		}
	}
	want := []string{"set", `'a b'"c"`, "d", "get", "e"}
	if !slices.Equal(places, want) {
		t.Errorf("places of %q = %q, want %q", src, places, want)
	}
}

// Any text in the escapes of the shell splits into the one word it was.
func FuzzSplitQuoted(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "\x00\xff\n\r\t\"'\\", "#x;|>", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		b.WriteByte('"')
		for i := 0; i < len(s); i++ {
			const digits = "0123456789abcdef"
			switch c := s[i]; {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c >= utf8.RuneSelf:
				b.WriteString(`\x` + digits[c>>4:c>>4+1] + digits[c&15:c&15+1])
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
		for _, door := range []Door{ScriptDoor, ShellDoor} {
			got, err := Split(nil, "k "+b.String(), door)
			if err != nil || len(got) != 1 || len(got[0].Words) != 2 || got[0].Words[1].Text != s {
				t.Fatalf("Split(%q) = %q, %v, want %q", b.String(), words(got), err, s)
			}
		}
	})
}

// No text makes Split panic or name a place outside of it, a script reader finds
// the same commands line by line, and what a script takes the shell takes alike.
func FuzzScriptIsSplit(f *testing.F) {
	for _, s := range []string{"a b\nc", "'a\nb' c\n\"\\\"\n\"", "# '\nx", "a;b\r\n", "\"\\", "a |b", "a >b", "a &", "a b&|>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		whole, err := Split(nil, src, ScriptDoor)
		var syntax *SyntaxError
		if errors.As(err, &syntax) {
			if syntax.Offset < 0 || syntax.Offset >= len(src) {
				t.Fatalf("Split(%q): offset %d outside", src, syntax.Offset)
			}
			return
		}
		var lines [][]string
		for c, err := range all("s", strings.NewReader(src)) {
			if err != nil {
				t.Fatalf("Script(%q): %v, Split had no error", src, err)
			}
			lines = append(lines, c.Texts(nil))
		}
		if !slices.EqualFunc(lines, words(whole), slices.Equal) {
			t.Fatalf("Script(%q) = %q, Split = %q", src, lines, words(whole))
		}
		atShell, err := Split(nil, src, ShellDoor)
		if err != nil || !slices.EqualFunc(words(atShell), words(whole), slices.Equal) {
			t.Fatalf("Split(%q) at the shell = %q, %v, in a script %q", src, words(atShell), err, words(whole))
		}
	})
}

// all yields what Next returns, and checks on the way that Peek foretells it.
func all(name string, r io.Reader) iter.Seq2[ScriptCommand, error] {
	return func(yield func(ScriptCommand, error) bool) {
		s := NewScript(name, r)
		for {
			foretold, ok := s.Peek()
			c, err := s.Next()
			if ok && (err != nil || !slices.Equal(foretold.Texts(nil), c.Texts(nil))) {
				panic(fmt.Sprintf("Peek = %q, but Next = %q, %v", foretold.Texts(nil), c.Texts(nil), err))
			}
			if err == io.EOF || !yield(c, err) || errors.Is(err, errBroken) {
				return
			}
		}
	}
}

// A chunks reader gives a piece of its input with each read.
type chunks []string

func (c *chunks) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*c)[0])
	*c = (*c)[1:]
	return n, nil
}

// Peek shows only what has been read already: it never asks for more.
func TestPeekNeverReads(t *testing.T) {
	in := chunks{"a; b\nc\nd", "e\nf\n", "g '1\n", "2'\nh\n"}
	s := NewScript("s", &in)
	for _, c := range []struct {
		next string
		peek bool // the one behind it is there
	}{{"a", true}, {"b", true}, {"c", false}, {"de", true}, {"f", false}, {"g", true}, {"h", false}} {
		got, err := s.Next()
		left := len(in)
		_, ok := s.Peek()
		if err != nil || got.Words[0].Text != c.next || ok != c.peek || len(in) != left {
			t.Errorf("Next = %q, %v, then Peek: %v after %d reads, want %q, %v after none",
				got.Texts(nil), err, ok, left-len(in), c.next, c.peek)
		}
	}
	if _, err := s.Next(); err != io.EOF {
		t.Errorf("Next behind the last = %v, want EOF", err)
	}
}

func TestScriptPositions(t *testing.T) {
	const src = "a\n\n  b; c 'x\ny'; d\ne \"\\q\"\nf"
	var got []string
	for c, err := range all("file", strings.NewReader(src)) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, c.Position().String()+" "+c.Words[0].Text)
	}
	want := []string{"file:1:1 a", "file:3:3 b", "file:3:6 c", "file:4:5 d", `file:5:4: unknown escape "\\q" in "…"`, "file:6:1 f"}
	if !slices.Equal(got, want) {
		t.Errorf("Script(%q) = %q, want %q", src, got, want)
	}
}

// A line has no limit, in quotes or out of them.
func TestScriptLongLines(t *testing.T) {
	long := strings.Repeat("v", 50<<20)
	for _, src := range []string{"set k " + long, "set k '" + long + "'", "set k \"" + long + "\"\n"} {
		n := 0
		for c, err := range all("s", strings.NewReader(src)) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; len(c.Words) != 3 || c.Words[2].Text != long {
				t.Errorf("Script: the long word has %d bytes, want %d", len(c.Words[2].Text), len(long))
			}
		}
		if n != 1 {
			t.Errorf("Script yielded %d commands, want 1", n)
		}
	}
}

var errBroken = errors.New("broken")

// An error of the reader is not the end of the script.
func TestScriptReadError(t *testing.T) {
	var got error
	for _, err := range all("s", io.MultiReader(strings.NewReader("a\nb"), &failing{errBroken})) {
		got = err
	}
	if !errors.Is(got, errBroken) {
		t.Errorf("Script over a failing reader ended with %v, want %v", got, errBroken)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A lines editor is a person who types lines; "^C" is Ctrl-C.
type linesEditor struct {
	Editor  // none: what a test does not need
	lines   []string
	prompts []string
	history []string
}

func (e *linesEditor) ReadLine(_ context.Context, prompt string) (string, error) {
	e.prompts = append(e.prompts, prompt)
	if len(e.lines) == 0 {
		return "", io.EOF
	}
	line := e.lines[0]
	e.lines = e.lines[1:]
	if line == "^C" {
		return "", ErrInterrupt
	}
	return line, nil
}

func (e *linesEditor) Ask(ctx context.Context, question string) (string, error) {
	return e.ReadLine(ctx, question)
}
func (e *linesEditor) Remember(c string) { e.history = append(e.history, c) }
func (e *linesEditor) Close() error      { return nil }

func TestShell(t *testing.T) {
	e := &linesEditor{lines: []string{"a 'b", "c'", " secret", "'x", "^C", `"\q"`, "d; e", "quit", "f"}}
	var got []string
	bad := 0
	s := Shell{
		Editor: e,
		Prompt: func() string { return "> " },
		Do: func(_ string, c Command) bool {
			got = append(got, strings.Join(c.Texts(nil), "|"))
			return c.Words[0].Text == "quit"
		},
		Syntax: func(string, *SyntaxError) { bad++ },
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a|b\nc", "secret", "d", "e", "quit"}; !slices.Equal(got, want) {
		t.Errorf("commands = %q, want %q", got, want)
	}
	if want := []string{"a 'b\nc'", `"\q"`, "d; e", "quit"}; !slices.Equal(e.history, want) {
		t.Errorf("history = %q, want %q", e.history, want)
	}
	if bad != 1 {
		t.Errorf("%d syntax errors, want 1", bad)
	}
}

// The mark of an error stands under the place, however wide what is before it.
func TestSyntaxErrorMark(t *testing.T) {
	for _, c := range []struct{ src, line, mark string }{
		{`set k "\q"`, `set k "\q"`, "       ^"},
		{"set 世\t\"\\q\"", `set 世  "\q"`, "         ^"},
		{"set k 'a\nb' \"\\q\" c\nd", "b' \"\\q\" c", "    ^"},
	} {
		_, err := Split(nil, c.src, ShellDoor)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Fatalf("Split(%q) = %v, want a syntax error", c.src, err)
		}
		if line, mark := syntax.Mark(c.src); line != c.line || mark != c.mark {
			t.Errorf("Mark(%q) =\n%q\n%q, want\n%q\n%q", c.src, line, mark, c.line, c.mark)
		}
	}
}
