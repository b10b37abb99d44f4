package repl

import (
	"strings"
	"testing"
)

func TestWordKeys(t *testing.T) {
	for _, c := range []struct { // | is the cursor
		name, text, want string
		do               func(b *buffer) bool
		ok               bool
	}{
		{"upper", "get| user:1 x", "get USER|:1 x", func(b *buffer) bool { return b.recase(strings.ToUpper) }, true},
		{"upper in a word", "us|er", "usER|", func(b *buffer) bool { return b.recase(strings.ToUpper) }, true},
		{"upper at the end", "user|", "user|", func(b *buffer) bool { return b.recase(strings.ToUpper) }, false},
		{"lower", "|ÄÖ x", "äö| x", func(b *buffer) bool { return b.recase(strings.ToLower) }, true},
		{"capitalize", "|éCOLE x", "École| x", func(b *buffer) bool { return b.recase(capitalize) }, true},
		{"capitalize behind blanks", "|  ab", "  Ab|", func(b *buffer) bool { return b.recase(capitalize) }, true},
		{"swap", "get| a:b", "a get|:b", (*buffer).transposeWords, true},
		{"swap within the second", "get use|r x", "user get| x", (*buffer).transposeWords, true},
		{"swap the last two", "a bc  |", "bc a|  ", (*buffer).transposeWords, true},
		{"swap one", "|abc", "|abc", (*buffer).transposeWords, false},
		{"swap at the first", "|abc de", "|abc de", (*buffer).transposeWords, false},
		{"swap none", " : |", " : |", (*buffer).transposeWords, false},
		{"swap nothing", "|", "|", (*buffer).transposeWords, false},
		{"redo", "|abc", "| x", func(b *buffer) bool {
			b.kill(0, 3)
			b.insert(" x")
			b.undo()
			b.undo()
			first, second, third := b.redo(), b.redo(), b.redo()
			return first && second && !third && b.moved(0)
		}, true},
		{"no redo behind a change", "|abc", "x|bc", func(b *buffer) bool {
			b.kill(0, 1)
			b.undo()
			b.replace(0, 1, "x")
			return b.redo()
		}, false},
	} {
		at := strings.Index(c.text, "|")
		b := buffer{text: strings.Replace(c.text, "|", "", 1), cursor: at, goal: -1}
		if ok := c.do(&b); ok != c.ok || marked(&b) != c.want {
			t.Errorf("%s on %q = %q, %v, want %q, %v", c.name, c.text, marked(&b), ok, c.want, c.ok)
		}
	}
}

// moved is move within an expression.
func (b *buffer) moved(offset int) bool {
	b.move(offset)
	return true
}

// Alt-. brings the last words of earlier commands, as they were typed, one after
// the other.
func TestEditorLastWord(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	for _, line := range []string{"set k 'a b'", "get x:1", "get \"q; exists x:1", "list | wc"} {
		d.Type(line + "\r")
		if strings.Count(line, "\"") == 1 {
			d.WaitLine("… |")
			d.Type("\"\r")
			line += "\n\""
		}
		d.want(line)
		d.WaitLine("> |")
	}
	for _, step := range []struct{ keys, want string }{
		{"get \x1b.", "> get list|"},
		{"\x1b.", "… \"|"},
		{"\x1b.", "> get x:1|"},
		{"\x1b.", "> get 'a b'|"},
		{"\x1b.", "> get 'a b'|"}, // that was the first
		{" \x1b.", "> get 'a b' list|"},
		{"\x1f", "> get 'a b' |"},
	} {
		d.Type(step.keys)
		d.WaitLine(step.want)
	}
}
