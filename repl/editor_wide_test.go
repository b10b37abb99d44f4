package repl

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kvsh/repl/screentest"
)

// characters are what a person sees as one, with the columns that it takes.
var characters = []struct {
	text  string
	width int
}{
	{"a", 1},
	{"世", 2},
	{"é", 1},
	{"e\u0301", 1},       // a letter and a combining mark
	{"o\u0302\u0323", 1}, // and two marks
	{"한", 2},
	{"\u1112\u1161\u11ab", 2}, // a syllable, whole and of its letters
	{"😀", 2},
	{"👩‍👩‍👧", 2}, // joined with ZWJ
	{"👍🏽", 2},    // a colour of skin
	{"🇩🇪", 2},
	{"❤️", 2}, // a flag; a sign shown as a picture
	{"ﾊ", 1},
	{"ﾞ", 1},  // a halfwidth kana and its mark, which has a column
	{"\t", 0}, // up to the next stop, see columnsOf
	{"z", 1},
}

// columnsOf is how many columns characters take behind the prompt "> ".
func columnsOf(n int) int {
	column := 2
	for _, c := range characters[:n] {
		if c.text == "\t" {
			column += 8 - column%8
			continue
		}
		column += c.width
	}
	return column
}

// Every key that moves goes over one character, whatever it is made of, and the
// cursor stands where the terminal shows its beginning. A key deletes all of it.
func TestEditorWideCharacters(t *testing.T) {
	d := sit(t, 60, 6, EditorOptions{})
	var text strings.Builder
	for _, c := range characters {
		text.WriteString(c.text)
	}
	at := func(n int, what string) {
		t.Helper()
		d.Wait(fmt.Sprintf("the cursor at column %d, %s", columnsOf(n), what), func(s Screen) bool {
			return strings.HasPrefix(s.Line(), "> a") && s.Column == columnsOf(n)
		})
	}
	d.Type(pasteBegin + text.String() + pasteEnd)
	at(len(characters), "behind all")
	for n := len(characters) - 1; n >= 0; n-- {
		d.Type("\x1b[D")
		at(n, fmt.Sprintf("to the left of %q", characters[n].text))
	}
	for n := range characters {
		d.Type("\x1b[C")
		at(n+1, fmt.Sprintf("to the right of %q", characters[n].text))
	}
	for n := len(characters) - 1; n > 0; n-- {
		d.Type("\x7f")
		at(n, fmt.Sprintf("%q deleted", characters[n].text))
	}
	d.Type("\r")
	d.want("a")
}

// The emulator of these tests agrees with what is written above: it takes its
// widths from a library that the editor uses too.
func TestScreentestWidths(t *testing.T) {
	for _, c := range characters {
		if c.text == "\t" {
			continue
		}
		if s := screentest.Show(20, 2, c.text); s.Column != c.width {
			t.Errorf("%q takes %d columns, want %d", c.text, s.Column, c.width)
		}
	}
}

// A text of several lines stays as it is when the terminal changes its width
// while the cursor stands within, and keys go on where it stood.
func TestEditorResizeLines(t *testing.T) {
	d := sit(t, 40, 12, EditorOptions{})
	d.Type("first line of text\x1b\rsecond 世界 line\x1b\rthe third\x1b[A\x1b[H\x1bf")
	d.WaitLine("… second| 世界 line")
	for _, columns := range []int{14, 60, 9, 25, 11, 40} {
		d.Resize(columns, 12)
		if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		v := view{prompt: "> ", more: "… ", text: "first line of text\nsecond 世界 line\nthe third", cursor: 25}
		f := v.lay(columns, 12, false)
		d.Wait(fmt.Sprintf("the lines %d columns wide", columns), func(s Screen) bool {
			top := s.Row - f.cursor
			if top < 0 || s.Column != f.column {
				return false
			}
			for i, r := range f.rows {
				if s.Rows[top+i] != strings.TrimRight(r.text, " ") {
					return false
				}
			}
			return strings.Count(strings.Join(s.Rows, ""), "third") == 1 && strings.Join(s.Rows[top+len(f.rows):], "") == ""
		})
	}
	d.Type("!\r")
	d.want("first line of text\nsecond! 世界 line\nthe third")
}

// On a narrow terminal the prompt, the line and what stands under it are as on
// a wide one, broken at its edge.
func TestEditorNarrow(t *testing.T) {
	for _, columns := range []int{20, 7, 5} {
		d := sit(t, columns, 12, EditorOptions{})
		d.Type("set user:1 世界 x")
		v := view{prompt: "> ", text: "set user:1 世界 x", cursor: 19}
		f := v.lay(columns, 12, false)
		d.Wait(fmt.Sprintf("the line at %d columns", columns), func(s Screen) bool {
			return s.Row >= f.cursor && s.Rows[s.Row-f.cursor] == strings.TrimRight(f.rows[0].text, " ") &&
				s.Line() == strings.TrimRight(f.rows[f.cursor].text, " ") && s.Column == f.column
		})
		d.Type("\x01\x1b[C\x1b[3~\x05y\r")
		d.want("st user:1 世界 xy")
	}
}

// A key in a line of 10 KB costs no more than what it changes of the screen,
// wherever it is typed.
func TestEditorLongLineCost(t *testing.T) {
	const columns, rows = 80, 24
	d := sit(t, columns, rows, EditorOptions{})
	text := strings.Repeat("0123456789", 1024) + "01234" // which end elsewhere than the prompt
	d.Type(pasteBegin + text + pasteEnd)
	// What a key costs, which it has done when the screen shows it.
	cost := func(name, keys string, most int, done func(Screen) bool) {
		t.Helper()
		before := len(d.settled())
		d.Type(keys)
		d.Wait("what "+name+" does", done)
		if n := len(d.settled()) - before - len(bell); n > most {
			t.Errorf("%s wrote %d bytes, want at most %d", name, n, most)
		}
	}
	column := func(want int) func(Screen) bool { return func(s Screen) bool { return s.Column == want } }
	end := (2 + len(text)) % columns
	d.Wait("the end of the paste", column(end))
	for i := range 10 {
		cost("a key at the end", "x", 120, column(end+1+i))
	}
	cost("Backspace", "\x7f", 120, column(end+9))
	cost("an arrow", "\x1b[D", 20, column(end+8))
	screenful := columns*rows + 20*rows
	cost("Home", "\x01", screenful, column(2))
	cost("a key at the start", "y", screenful, column(3))
	cost("an arrow there", "\x1b[C", 20, column(4))
	d.Type("\x03")
	d.want("^C")
}
