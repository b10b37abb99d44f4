package repl

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chzyer/readline"
)

// decode is the keys of bytes that come in pieces, and what is left.
func decode(pieces ...[]byte) ([]rune, string) {
	var d decoder
	var keys []rune
	for _, p := range pieces {
		keys = d.feed(keys, p)
	}
	return keys, string(d.pending)
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []rune
	}{
		{"aé世😀", []rune("aé世😀")},
		{"\x01\x03\t\r", []rune{1, 3, 9, 13}},
		// Home, End and Delete of xterm, of tmux and the Linux console, of
		// rxvt, and of the application mode.
		{"\x1b[H\x1b[1~\x1b[7~\x1bOH", []rune{keyHome, keyHome, keyHome, keyHome}},
		{"\x1b[F\x1b[4~\x1b[8~\x1bOF", []rune{keyEnd, keyEnd, keyEnd, keyEnd}},
		{"\x1b[3~\x1b[3;5~", []rune{keyDelete, keyDeleteWord}},
		{"\x1b[A\x1bOB\x1b[C\x1bOD", []rune{keyUp, keyDown, keyRight, keyLeft}},
		{"\x1b[1;5C\x1b[1;3D\x1bOc\x1b\x1b[D", []rune{keyWordRight, keyWordLeft, keyWordRight, keyWordLeft}},
		{"\x1b[1;2C", []rune{keyRight}}, // Shift means nothing
		{"\x1b[1;5H\x1b[8^", []rune{keyTextStart, keyTextEnd}},
		{"\x1b[Z", []rune{keyShiftTab}},
		{"\x1bb\x1bF\x1b\x7f", []rune{keyAlt + 'b', keyAlt + 'F', keyAlt + readline.CharBackspace}},
		{"\x1b\x1bx", []rune{keyEscape, keyAlt + 'x'}},
		{"\x1b[[Ax", []rune{'x'}},                      // F1 of the Linux console
		{"\x1b[15~\x1b[?1;2cx", []rune{'x'}},           // F5, an answer to no question
		{"\x1b[1\x03", []rune{readline.CharInterrupt}}, // a cut sequence swallows no key
		{"\x18\x05\x18u\x18\x15\x05", []rune{keyEditLine, keyNone, keyUndo, readline.CharLineEnd}},
		{"\x00", []rune{keyNone}},
		{"a\xffb", []rune{'a', keyByte + 0xff, 'b'}},
		{"\U0010FE41", []rune{keyByte + 0xf4, keyByte + 0x8f, keyByte + 0xb9, keyByte + 0x81}},
		{
			"\x1b[200~a\t\r\n\x03\x1b[A\r\x1b[201~b",
			slices.Concat([]rune{keyPaste}, appendBytes(nil, []byte("a\t\n\x03\x1b[A\n")), []rune{keyPasteEnd, 'b'}),
		},
	} {
		if got, rest := decode([]byte(c.in)); !slices.Equal(got, c.want) || rest != "" {
			t.Errorf("keys of %q = %U, rest %q, want %U", c.in, got, rest, c.want)
		}
	}
}

// An Escape that nothing follows is the key of that name; a sequence that was
// cut is it too, without the letters that were left.
func TestKeysFlush(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []rune
	}{
		{"\x1b", []rune{keyEscape}},
		{"\x1b\x1b", []rune{keyEscape, keyEscape}},
		{"\x1b[1;", []rune{keyEscape}},
		{"\xe4\xb8", []rune{keyByte + 0xe4, keyByte + 0xb8}},
	} {
		var d decoder
		keys := d.feed(nil, []byte(c.in))
		if !d.waits() {
			t.Errorf("after %q the decoder waits for nothing", c.in)
		}
		if keys = d.flush(keys); !slices.Equal(keys, c.want) || d.waits() {
			t.Errorf("keys of %q alone = %U, want %U", c.in, keys, c.want)
		}
	}
	var d decoder
	d.feed(nil, []byte(pasteBegin+"a\x1b[2"))
	if d.waits() {
		t.Error("the end of a paste has a time limit")
	}
}

// checkSplits reports bytes whose keys depend on how they are cut.
func checkSplits(t *testing.T, in []byte) {
	t.Helper()
	want, wantRest := decode(in)
	var single [][]byte
	for i := range in {
		single = append(single, in[i:i+1])
		if got, rest := decode(in[:i], in[i:]); !slices.Equal(got, want) || rest != wantRest {
			t.Fatalf("keys of %q cut at %d = %U, rest %q, want %U, rest %q", in, i, got, rest, want, wantRest)
		}
	}
	if got, rest := decode(single...); !slices.Equal(got, want) || rest != wantRest {
		t.Fatalf("keys of %q byte by byte = %U, rest %q, want %U, rest %q", in, got, rest, want, wantRest)
	}
	for _, key := range want {
		if key == 0 || key == readline.CharEsc || key >= keyNone+1 && key < keyAlt {
			t.Fatalf("keys of %q have %U, which is none", in, key)
		}
	}
}

// pieces is what the input of a terminal is made of.
var pieces = []string{
	"a", "é", "世", "😀", "e\u0301", "\xff", "\xe4", "\x1b", "\x1b[", "\x1bO", "\x1b[A", "\x1b[1;5C", "\x1b[3~", "\x1b[[B", "\x1b[200~", "\x1b[201~",
	"\r", "\n", "\t", "\x03", "\x18", "\x05", "\x00", "~", ";", "5", "[", "O", "\U0010FFFD",
}

// However the bytes of a terminal are cut, the keys are the same.
func TestKeysSplit(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		var in []byte
		for range 1 + random.IntN(12) {
			in = append(in, pieces[random.IntN(len(pieces))]...)
		}
		checkSplits(t, in)
	}
}

func FuzzKeysSplit(f *testing.F) {
	for _, p := range pieces {
		f.Add([]byte(p + "x"))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 512 {
			t.Skip("long")
		}
		checkSplits(t, in)
	})
}

// Text comes out as it was typed, whatever bytes it has.
func FuzzKeysText(f *testing.F) {
	f.Add("a\xff世\U0010FE00\u009f")
	f.Fuzz(func(t *testing.T, in string) {
		keys, rest := decode([]byte(pasteBegin), []byte(in))
		var got []byte
		for _, key := range keys[1:] {
			if key == keyPasteEnd {
				return
			}
			got = appendText(got, key)
		}
		want := []byte(in[:len(in)-len(rest)])
		for i, c := range want { // compare without the ends of lines
			if c == '\r' {
				want[i] = '\n'
			}
		}
		want = collapse(want, in)
		if string(got) != string(want) {
			t.Errorf("pasted %q, got %q, want %q", in, got, want)
		}
	})
}

// collapse drops the newlines of b that follow a carriage return in the source.
func collapse(b []byte, source string) []byte {
	var out []byte
	for i, c := range b {
		if i > 0 && source[i] == '\n' && source[i-1] == '\r' {
			continue
		}
		out = append(out, c)
	}
	return out
}
