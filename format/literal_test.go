package format

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestQuote(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"plain", `"plain"`},
		{"two words", `"two words"`},
		{"a\tb\nc\rd", `"a\tb\nc\rd"`},
		{"\x00" + "1", `"\01"`},
		{`say "x\y"`, `"say \"x\\y\""`},
		{"\x1b[31m", `"\x1b[31m"`},
		{"\x7f", `"\x7f"`},
		{"\xff\xfe", `"\xff\xfe"`},
		{"ends in \xe2\x82", `"ends in \xe2\x82"`},
		{"naïve 日本 😀", `"naïve 日本 😀"`},
		{"\u0085", `"\u{85}"`},
		{"\u00a0", `"\u{a0}"`},
		{"abc\u202ecba", `"abc\u{202e}cba"`},
		{"\u200b\ufeff", `"\u{200b}\u{feff}"`},
		{"\u3164", `"\u{3164}"`},
		{"\U000e0041", `"\u{e0041}"`},
		{"\U0010ffff", `"\u{10ffff}"`},
		{"\ufffd", `"` + "\ufffd" + `"`},   // a replacement character that was put there is text
		{"\xed\xa0\x80", `"\xed\xa0\x80"`}, // a surrogate is not
	} {
		got := Quote([]byte(c.in))
		if got != c.want {
			t.Errorf("Quote(%q) = %s, want %s", c.in, got, c.want)
		}
		back, err := Unquote(got)
		if err != nil || string(back) != c.in {
			t.Errorf("Unquote(%s) = %q, %v, want %q", got, back, err, c.in)
		}
	}
}

func TestUnquote(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`"\u{1F600}\x4A\x4a"`, "😀JJ"},
		{"\"two\nlines\"", "two\nlines"},
		{`"\u{000041}"`, "A"},
	} {
		got, err := Unquote(c.in)
		if err != nil || string(got) != c.want {
			t.Errorf("Unquote(%s) = %q, %v, want %q", c.in, got, err, c.want)
		}
	}
}

func TestUnquoteRefuses(t *testing.T) {
	for _, c := range []struct {
		in     string
		offset int
		reason string
	}{
		{``, 0, "no opening quote"},
		{`x`, 0, "no opening quote"},
		{`"`, 1, "no closing quote"},
		{`"abc`, 4, "no closing quote"},
		{`"abc\`, 4, "no closing quote"},
		{`"abc\"`, 6, "no closing quote"},
		{`"a" `, 3, "text after the closing quote"},
		{`"a\q"`, 2, `no such escape \q`},
		{`"\x4"`, 1, `\x needs two hexadecimal digits`},
		{`"\xg0"`, 1, `\x needs two hexadecimal digits`},
		{`"\u41"`, 1, `\u needs braces, as in \u{1f600}`},
		{`"\u{}"`, 1, `\u{…} needs 1 to 6 hexadecimal digits`},
		{`"\u{0000041}"`, 1, `\u{…} needs 1 to 6 hexadecimal digits`},
		{`"\u{41"`, 1, `\u{…} needs 1 to 6 hexadecimal digits`},
		{`"\u{d800}"`, 1, `\u{…} is no Unicode character`},
		{`"\u{110000}"`, 1, `\u{…} is no Unicode character`},
	} {
		got, err := Unquote(c.in)
		var le *LiteralError
		if !errors.As(err, &le) || le.Offset != c.offset || le.Reason != c.reason {
			t.Errorf("Unquote(%s) = %q, %v, want %q at byte %d", c.in, got, err, c.reason, c.offset)
		}
	}
}

func TestWord(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"user:1", "user:1"},
		{"a/b.c-d_e@f%g+h,i=j", "a/b.c-d_e@f%g+h,i=j"},
		{"日本", "日本"},
		{"-n", `"-n"`},
		{"#x", `"#x"`},
		{"a b", `"a b"`},
		{"a;b", `"a;b"`},
		{"a|b", `"a|b"`},
		{"it's", `"it's"`},
		{`a\b`, `"a\\b"`},
		{"*", `"*"`},
		{"$x", `"$x"`},
		{"\xff", `"\xff"`},
		{"é\xff", `"é\xff"`},
		{"\u3164", `"\u{3164}"`},
	} {
		if got := Word([]byte(c.in)); got != c.want {
			t.Errorf("Word(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestSafe(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{`get "a\x00": key not found`, `get "a\x00": key not found`},
		{"é 日本", "é 日本"},
		{"a\x1b]0;title\a", `a\x1b]0;title\x07`},
		{"one\ntwo", `one\ntwo`},
		{"\u202e\xff", `\u{202e}\xff`},
	} {
		got := Safe(c.in)
		if got != c.want {
			t.Errorf("Safe(%q) = %q, want %q", c.in, got, c.want)
		}
		if again := Safe(got); again != got {
			t.Errorf("Safe(Safe(%q)) = %q, want %q", c.in, again, got)
		}
	}
}

// Any bytes, quoted, are one line that is safe and reads back equal.
func TestQuoteAnyBytes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		checkQuote(t, randomBytes(rnd, 40))
	}
}

func FuzzQuote(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add([]byte("\x00\x1b\xff\u202e\\\"😀"))
	f.Fuzz(checkQuote)
}

func checkQuote(t *testing.T, b []byte) {
	t.Helper()
	q := Quote(b)
	checkSafe(t, b, q)
	if strings.Contains(q, "\n") {
		t.Errorf("Quote(%q) = %q, want one line", b, q)
	}
	if back, err := Unquote(q); err != nil || !bytes.Equal(back, b) {
		t.Errorf("Unquote(Quote(%q)) = %q, %v", b, back, err)
	}
	if w := Word(b); w != q && w != string(b) {
		t.Errorf("Word(%q) = %q, want it bare or quoted", b, w)
	}
	checkSafe(t, b, Word(b))
	checkSafe(t, b, Safe(string(b)))
}

// FuzzUnquote holds that what parses is parsed to the same bytes after it was
// quoted again, and that nothing panics.
func FuzzUnquote(f *testing.F) {
	f.Add(`"a\n\x00\u{1f600}"`)
	f.Add(`"\u{`)
	f.Fuzz(func(t *testing.T, s string) {
		b, err := Unquote(s)
		if err != nil {
			return
		}
		if back, err := Unquote(Quote(b)); err != nil || !bytes.Equal(back, b) {
			t.Errorf("Unquote(Quote(%q)) = %q, %v", b, back, err)
		}
	})
}

// checkSafe fails if out, made from in, holds anything that a terminal would
// not show as itself. Line feeds are allowed.
func checkSafe(t *testing.T, in []byte, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("output for %q is not UTF-8: %q", in, out)
	}
	for _, r := range out {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b) {
			t.Errorf("output for %q holds %U: %q", in, r, out)
			return
		}
	}
}

// randomBytes returns up to limit bytes in which text, escapes, controls and
// broken UTF-8 all come often.
func randomBytes(rnd *rand.Rand, limit int) []byte {
	parts := []string{"a", "Z", "0", " ", "\\", "\"", "'", ",", "\n", "\r", "\r\n", "\t", "\x00", "\x1b[0m", "\x7f", "é", "日", "😀", "\u202e", "\u0301", "\u200d", "\xff", "\xe2\x82", "\u0085", "=", "{", "-"}
	n := rnd.IntN(limit + 1)
	b := make([]byte, 0, n+8)
	for len(b) < n {
		if rnd.IntN(4) == 0 {
			b = append(b, byte(rnd.Uint32()))
		} else {
			b = append(b, parts[rnd.IntN(len(parts))]...)
		}
	}
	return b[:n]
}
