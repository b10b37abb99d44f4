package repl

import (
	"strings"
	"testing"
)

// What keys of vi make of a line. TestViIsVim has more of them, where Vim is.
func TestViKeys(t *testing.T) {
	for _, c := range []struct{ text, keys, want string }{ // | is the cursor
		{"get user|:1", "0", "|get user:1"},
		{"|get user:1", "$", "get user:|1"},
		{"|get user:1", "2w", "get user|:1"},
		{"|get user:1", "W", "get |user:1"},
		{"get user:|1", "bb", "get |user:1"},
		{"|get user:1", "ee", "get use|r:1"},
		{"|get user:1", "fe;", "get us|er:1"},
		{"|a.b.c", "f.;", "a.b|.c"},
		{"|a.b.c", "f.;,", "a|.b.c"},
		{"|a.b.c", "t.;", "a.|b.c"},
		{"a.b.|c", "F.", "a.b|.c"},
		{"a.b.|c", "2T.", "a.|b.c"},
		{"|set a 1", "dw", "|a 1"},
		{"|set a 1", "d2w", "|1"},
		{"|set a 1", "2dw", "|1"},
		{"set |abc 1", "cwx\x1b", "set |x 1"},
		{"set |a 1", "D", "set| "},
		{"set |a 1", "Cb 2\x1b", "set b |2"},
		{"set a |1", "d0", "|1"},
		{"set a |1", "x", "set a| "},
		{"set a |1", "X", "set a|1"},
		{"set |abc", "2rz", "set z|zc"},
		{"set |abc", "~~", "set AB|c"},
		{"|ab", "xp", "b|a"},
		{"|ab", "xP", "|ab"},
		{"|ab", "yl3p", "aaa|ab"},
		{"|ab", "ia\x1b", "|aab"},
		{"|ab", "ac\x1b", "a|cb"},
		{"a|b", "Ic\x1b", "|cab"},
		{"|ab", "Ac\x1b", "ab|c"},
		{"|ab", "oc\x1b", "ab\n|c"},
		{"|ab", "Oc\x1b", "|c\nab"},
		{"a\n|b", "dd", "|a"},
		{"|a\nb", "ddp", "b\n|a"},
		{"|ab", "ddp", "a|b"}, // of the only line
		{"|a\nb\nc", "dj", "|c"},
		{"a\nb|c", "k", "|a\nbc"},
		{"|abc", "xxu", "|bc"},
		{"|abc", "xx2u", "|abc"},
		{"|abc", "xxuu\x12", "|bc"},
		{"|abc", "ix y z\x1bu", "|abc"}, // an insertion is one change
		{"|abc", "cwx y\x1bu", "|abc"},
		{"|abc def", "cwx\x1bw.", "x |x"},
		{"|abc", "x.", "|c"},
		{"|世界x", "x", "|界x"},
		{"|👩‍👩‍👧x", "l", "👩‍👩‍👧|x"},
		{"|e\u0301x", "x", "|x"},
		{"|a世b", "f世x", "a|b"},
		{"|abc", "r世", "|世bc"},
		{"|abc", "d\x1bx", "|bc"}, // Escape gives the operator up
		{"|abc", "3\x1bx", "|bc"},
		{"|abc", "dzx", "|bc"}, // what is no motion too
		{"|a", "99999999999999999999x", "|"},
	} {
		e := headless(strings.Replace(c.text, "|", "", 1), strings.Index(c.text, "|"))
		e.press("\x1b")
		e.buffer.move(strings.Index(c.text, "|"))
		e.press(c.keys)
		if got := marked(&e.buffer); got != c.want {
			t.Errorf("%q on %q leads to %q, want %q", c.keys, c.text, got, c.want)
		}
	}
}

// At a terminal: insert mode is as without vi, the cursor shows the mode, and
// Escape needs no pause behind it.
func TestEditorVi(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{Vi: true})
	d.WaitOutput("\x1b[6 q")         // a bar
	d.Type("get usr:1\x01x\x7f\x05") // the keys of emacs
	d.WaitLine("> get usr:1|")
	d.Type("\x1b")
	d.WaitOutput("\x1b[2 q") // a block
	d.WaitLine("> get usr:|1")
	d.Type("Fuae\x1bx")
	d.WaitLine("> get u|sr:1")
	d.Type("0wis\x1bh2l\x1b[C\x1b[D") // arrows go on
	d.WaitLine("> get s|usr:1")
	d.Type("ddisecond\r")
	d.want("second")
	d.WaitLine("> |")
	d.Type("third\r")
	d.want("third")
	d.WaitLine("> |")
	for _, step := range []struct{ keys, want string }{
		{"draft\x1bk", "> draf|t"}, // none begins so
		{"ddk", "> thir|d"},
		{"k", "> secon|d"},
		{"j", "> thir|d"},
		{"/eco", "(search) eco: s|econd"},
		{"\r", "> s|econd"}, // and does not run
		{"/nd\x1b", "> s|econd"},
		{"/d\rn", "> secon|d"},
		{"N", "> thir|d"},
		{"i\x1b[200~x\ry\x1b[201~", "… y|d"},
		{"\x1bu", "> thir|d"},
	} {
		d.Type(step.keys)
		d.WaitLine(step.want)
	}
	d.Type("\r")
	d.want("third")
	d.Type("a\x1b\x03")
	d.want("^C")
	d.WaitLine("> |")
	if n := strings.Count(d.Output(), "\x1b[0 q"); n < 3 {
		t.Error("the cursor is not given back as it was")
	}
	d.Type("b\r") // a line begins in insert mode
	d.want("b")
	d.WaitLine("> |")
	d.Type("\x1b\x04")
	d.want("EOF")
}

// Without vi nothing of it is there.
func TestEditorWithoutVi(t *testing.T) {
	d := sit(t, 40, 10, EditorOptions{})
	d.Type("ab\x1b\x1bb")
	d.WaitLine("> |ab")
	if strings.Contains(d.Output(), " q") {
		t.Error("the keys of emacs change the cursor")
	}
}
