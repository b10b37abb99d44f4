package repl

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"

	"kvsh/repl/screentest"
)

// editorTokens are what a person does at the editor: text, keys as terminals
// send them, and what happens from outside.
var editorTokens = []string{
	"a", "get ", "user:42", "'", "\"", "é", "e\u0301", "\u0301", "世", "👩‍👩‍👧", "🇩🇪", "ﾞ", "\xff", " ", "x", "0", "d", "w", "3", "c", "y", "p",
	"\r", "\n", "\x03", "\x04", "\t", "\x7f", "\x08", "\x01", "\x05", "\x02", "\x06", "\x0b", "\x15", "\x17", "\x19", "\x14", "\x1f", "\x0c", "\x10", "\x0e",
	"\x12", "\x13", "\x07", "\x1b", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b[5~", "\x1b[Z", "\x1b[1;5C", "\x1b[1;5D",
	"\x1by", "\x1bd", "\x1b\x7f", "\x1bt", "\x1bu", "\x1bc", "\x1b.", "\x1b/", "\x1b\r", "\x18\x15", "\x1b<", "\x1b>", "\x00", "\x1b[999~",
	pasteBegin + "p\tq\rr" + pasteEnd, pasteBegin, pasteEnd, tokenPrint, tokenResize, tokenResume,
	"/", "n", ".", "u", "f", ";", "~", "i", "A", "o", "$", "b", "j", "k", "G",
}

// The tokens that are no input.
const (
	tokenPrint  = "print"
	tokenResize = "resize"
	tokenResume = "resume"
)

// A typist gives tokens to an editor and looks at what comes of it.
type typist struct {
	t       *testing.T
	e       *lineEditor
	decoder decoder
	out     strings.Builder
	columns int
	height  int
	typed   []string
	model   model // of the line, as far as it is one that is explained
	modeled bool
}

// newTypist sits at an editor without a terminal.
func newTypist(t *testing.T, columns, height int, vi, colors bool) *typist {
	ty := &typist{t: t, columns: columns, height: height}
	in, err := newInput(0) // whose keys are not read
	if err != nil {
		t.Fatal(err)
	}
	e := &lineEditor{in: in, history: &history{entries: []string{"get 世", "set a 'x\ny'", "list"}}}
	e.EditorOptions = EditorOptions{
		Out: &ty.out, Colors: colors, Vi: vi,
		Classify: func(words []string) []Style { return make([]Style, len(words)) },
		Hint:     func(string) string { return "KEY [世]" },
		Complete: func(string) func(context.Context) Completion {
			return func(context.Context) Completion {
				return Completion{Candidates: []Candidate{{Text: "user:1", Note: "世"}, {Text: "user:2 x"}, {Text: "us", Partial: true}}}
			}
		},
	}
	e.vi.on = vi
	e.size = func() (int, int) { return ty.columns, ty.height }
	e.screen.out, e.buffer.goal = &ty.out, -1
	ty.e = e
	ty.start()
	t.Cleanup(func() {
		e.looking.stop()
		if err := in.release(); err != nil {
			t.Error(err)
		}
	})
	return ty
}

func (ty *typist) start() {
	if err := ty.e.start("世> ", false); err != nil {
		ty.t.Fatal(err)
	}
	ty.e.handle(keyIdle)
	ty.model, ty.modeled = model{}, true
}

// do does a token, up to the moment when the screen is drawn.
func (ty *typist) do(token string) {
	ty.typed = append(ty.typed, token)
	e := ty.e
	switch token {
	case tokenPrint:
		if err := e.printed.put(ty.t.Context(), "printed\n"); err != nil {
			ty.t.Fatal(err)
		}
		e.handle(keyWake)
	case tokenResize:
		ty.columns = 8 + (ty.columns*7+len(ty.typed))%50
		// What a terminal makes of rows that are wider is its own affair, and
		// tested elsewhere: here they are drawn anew.
		ty.out.Reset()
		e.restart()
		e.handle(keyWake)
	case tokenResume:
		e.restart()
		e.handle(keyWake)
	default:
		keys := ty.decoder.feed(nil, []byte(token))
		if ty.decoder.waits() {
			keys = ty.decoder.flush(keys)
		}
		for _, key := range keys {
			ty.key(key)
		}
	}
	if !e.done {
		e.handle(keyIdle)
		ty.model.flush()
	}
}

// key gives one key to the editor, and to the model if that has it.
func (ty *typist) key(key rune) {
	e := ty.e
	if e.done {
		ty.start()
	}
	plain := ty.modeled && !e.vi.on && !e.pasting && e.search == nil && e.menu == nil && e.hinted == ""
	if key == 0x1a || key == keyEditLine {
		return // other programs
	}
	e.handle(key)
	if e.looking.cancel != nil { // which a person waits for
		for !e.found.any() {
			runtime.Gosched()
		}
		e.handle(keyWake)
	}
	if e.done {
		return
	}
	if ty.modeled = plain && ty.model.key(key); !ty.modeled && !e.pasting {
		e.take()
		ty.model.typed = nil
		ty.model.rebuild(e.buffer.text, e.buffer.cursor)
		ty.modeled = e.search == nil && e.menu == nil
	}
}

// flush puts what was typed into the text.
func (m *model) flush() {
	if len(m.typed) > 0 {
		m.insert(string(m.typed))
		m.typed = nil
	}
}

// any reports whether something was found.
func (f *findings) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last != nil
}

// key does what a key is explained to do, if it is a simple one.
func (m *model) key(key rune) bool {
	if isText(key) {
		m.typed = appendText(m.typed, key)
		return true
	}
	m.flush()
	switch {
	case key == 0x02 || key == keyLeft:
		m.at = max(m.at-1, 0)
	case key == 0x06 || key == keyRight:
		m.at = min(m.at+1, len(m.clusters))
	case key == 0x01 || key == keyHome:
		m.at = m.lineStart()
	case key == 0x05 || key == keyEnd:
		m.at = m.lineEnd()
	case key == 0x7f || key == 0x08:
		m.remove(max(m.at-1, 0), m.at)
	case key == keyDelete:
		m.remove(m.at, min(m.at+1, len(m.clusters)))
	case key == 0x15:
		m.remove(m.lineStart(), m.at)
	default:
		return false
	}
	return true
}

// check compares the line with the model, and the screen with one on which the
// line is drawn for the first time.
func (ty *typist) check() {
	t, e := ty.t, ty.e
	t.Helper()
	b := &e.buffer
	if b.cursor < 0 || b.cursor > len(b.text) || b.edge(b.cursor) != b.cursor {
		t.Fatalf("after %q the cursor is at %d in %q", ty.typed, b.cursor, b.text)
	}
	if e.done || e.pasting {
		return
	}
	if ty.model.flush(); ty.modeled && (b.text != ty.model.text() || b.cursor != ty.model.offset()) {
		t.Fatalf("after %q the line is %q at %d, want %q at %d", ty.typed, b.text, b.cursor, ty.model.text(), ty.model.offset())
	}
	f := e.frame(true)
	var fresh strings.Builder
	anew := screen{out: &fresh}
	begin(t, &anew, ty.columns)
	if err := anew.draw(f); err != nil {
		t.Fatal(err)
	}
	got, want := screentest.Show(ty.columns, ty.height, ty.out.String()), screentest.Show(ty.columns, ty.height, fresh.String())
	gotTop, wantTop := got.Row-f.cursor, want.Row-f.cursor
	if got.Unknown != "" || gotTop < 0 || !slices.Equal(got.Rows[gotTop:][:len(f.rows)], want.Rows[wantTop:][:len(f.rows)]) ||
		got.Column != want.Column || strings.Join(got.Rows[gotTop+len(f.rows):], "") != "" {
		t.Fatalf("after %q on %dx%d the screen is\n%s%s\nwant\n%s", ty.typed, ty.columns, ty.height, got, got.Unknown, want)
	}
	for _, r := range f.rows {
		if w := displaywidth.String(strip(r.text)); w > ty.columns {
			t.Fatalf("after %q a row is %d columns wide: %q", ty.typed, w, r.text)
		}
	}
}

// typeAll does tokens, which bytes choose, and looks at what comes of them.
func typeAll(t *testing.T, choice []byte) {
	if len(choice) < 2 {
		return
	}
	ty := newTypist(t, 20+int(choice[0])%60, 4+int(choice[1])%10, choice[1]&16 != 0, choice[1]&32 != 0)
	for i, c := range choice[2:] {
		ty.do(editorTokens[int(c)%len(editorTokens)])
		if i%4 == 3 {
			ty.check()
		}
	}
	ty.check()
}

// FuzzEditor: whatever keys come, the editor does not panic, its screen is as if
// it had been drawn anew, and the line is what the keys make of it.
func FuzzEditor(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 0))
	for range 20 {
		b := make([]byte, 40)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, choice []byte) {
		if len(choice) > 200 {
			t.Skip("long")
		}
		typeAll(t, choice)
	})
}

// TestEditorRandom is FuzzEditor with other keys each time.
func TestEditorRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		choice := make([]byte, 2+random.IntN(60))
		for i := range choice {
			choice[i] = byte(random.Uint32())
		}
		typeAll(t, choice)
	}
}
