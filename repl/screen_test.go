package repl

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"

	"kvsh/repl/screentest"
)

// texts is what lines on a screen are made of.
var texts = []string{
	"a", "get ", "user:42", "é", "e\u0301", "\u0301", "世", "👩‍👩‍👧", "\u200d", "🇩🇪", "\n", "\t", "\r", "\x1b[2J", "\xff", "\u009b", "\u202e", "한", strings.Repeat("x", 30),
}

// Whatever a frame follows, the screen is the same as if it had been drawn on
// an empty one: changing rows leaves nothing behind. Above it nothing changes.
func TestScreenLaw(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	some := func(n int) string {
		var b strings.Builder
		for range random.IntN(n) {
			b.WriteString(texts[random.IntN(len(texts))])
		}
		return b.String()
	}
	for range 200 {
		columns, height := 12+random.IntN(40), 4+random.IntN(8)
		var out strings.Builder
		s := screen{out: &out}
		begin(t, &s, columns)
		for range 8 {
			text := some(8)
			v := view{prompt: "世> ", more: "… ", text: text, hint: some(3)}
			b := buffer{text: text}
			v.cursor = b.edge(random.IntN(len(text) + 1))
			for range random.IntN(3) {
				v.below = append(v.below, item{parts: []string{some(3), some(3)}, chosen: random.IntN(2) == 0})
			}
			f := v.lay(columns, height, random.IntN(2) == 0)
			for i, r := range f.rows {
				if strings.ContainsAny(strip(r.text), "\x1b\u009b\u202e\t\r\n") {
					t.Fatalf("row %d of %q is %q, which does something to the terminal", i, text, r.text)
				}
				if w := displaywidth.String(strip(r.text)); w != r.width || w > columns {
					t.Fatalf("row %d of %q is %q, %d columns wide, said to be %d of %d", i, text, r.text, w, r.width, columns)
				}
			}
			if len(f.rows) > height || f.cursor < 0 || f.cursor >= len(f.rows) || f.column >= columns {
				t.Fatalf("frame of %q on %dx%d: %d rows, cursor at %d, %d", text, columns, height, len(f.rows), f.cursor, f.column)
			}
			if err := s.draw(f); err != nil {
				t.Fatal(err)
			}
			var fresh strings.Builder
			anew := screen{out: &fresh}
			begin(t, &anew, columns)
			if err := anew.draw(f); err != nil {
				t.Fatal(err)
			}
			got, want := screentest.Show(columns, height, out.String()), screentest.Show(columns, height, fresh.String())
			gotRows, wantRows := got.Rows[got.Row-f.cursor:], want.Rows[want.Row-f.cursor:]
			if n := len(f.rows); !slices.Equal(gotRows[:n], wantRows[:n]) || got.Column != want.Column || strings.Join(gotRows[n:], "") != "" {
				t.Fatalf("%q at %d on %dx%d shows\n%s\nwant\n%s", text, v.cursor, columns, height, got, want)
			}
		}
	}
}

func begin(t *testing.T, s *screen, columns int) {
	t.Helper()
	if err := s.begin(columns, false); err != nil {
		t.Fatal(err)
	}
}

// strip drops the codes of colours.
func strip(s string) string {
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		if !found {
			return s
		}
		_, after, _ := strings.Cut(rest, "m")
		s = before + after
	}
}

// A key costs the row that it changes, not the line.
func TestScreenCost(t *testing.T) {
	var out strings.Builder
	s := screen{out: &out}
	text := strings.Repeat("0123456789", 150) // 20 rows of 24
	begin(t, &s, 80)
	for i := range 200 {
		out.Reset()
		typed := text + strings.Repeat("x", i)
		v := view{prompt: "> ", text: typed, cursor: len(typed)}
		if err := s.draw(v.lay(80, 24, true)); err != nil {
			t.Fatal(err)
		}
		if i > 0 && out.Len() > 120 {
			t.Fatalf("key %d cost %d bytes: %q", i, out.Len(), out.String())
		}
	}
	out.Reset()
	typed := text + strings.Repeat("x", 199)
	v := view{prompt: "> ", text: typed, cursor: len(typed)}
	if err := s.draw(v.lay(80, 24, true)); err != nil || out.Len() != 0 {
		t.Errorf("drawing the same again wrote %q, %v", out.String(), err)
	}
}

func TestHighlight(t *testing.T) {
	classify := func(words []string) []Style {
		all := make([]Style, len(words))
		all[0] = CommandOK
		if words[0] == "bogus" {
			all[0] = Unknown
		}
		return all
	}
	names := map[Style]byte{
		Plain: '.', CommandOK: 'c', Unknown: 'u', Literal: 'l', Operator: 'o', Comment: '#', Wrong: 'w',
	}
	for _, c := range []struct{ text, want string }{
		{"get a", "ccc.."},
		{"get 'a b'; bogus # x", "ccc.lllllo.uuuuu.###"},
		{"get 'a", "ccc.ll"},
		{`get "\q" a`, "ccc.lwwwww"},
		{"list | wc -l", "cccc.o......"},
		{"list > 'f' ; get a", "cccc.o.lll.o.ccc.."},
		{"list >> f\nget a", "cccc.oo...ccc.."},
		{"list >", "cccc.w"},
		{"# a\n  get a", "###...ccc.."},
		{"", ""},
	} {
		var got strings.Builder
		for _, s := range highlight(c.text, classify) {
			got.WriteByte(names[s])
		}
		if got.String() != c.want {
			t.Errorf("highlight(%q)\n got %s\nwant %s", c.text, got.String(), c.want)
		}
	}
}
