package repl

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// A model is a buffer as it is explained: a list of clusters with a place in it.
type model struct {
	clusters []string
	at       int
	typed    []byte // text that comes before the next key
}

// split is the clusters of a text. A newline, a carriage return and a byte that
// is no UTF-8 are each one.
func split(text string) []string {
	var all []string
	from := 0
	valid := func(to int) {
		g := displaywidth.StringGraphemes(text[from:to])
		for g.Next() {
			c := g.Value()
			for i := 1; i < len(c); i++ { // marks of halfwidth kana stand by themselves
				if strings.HasPrefix(c[i:], "\uff9e") || strings.HasPrefix(c[i:], "\uff9f") {
					all, c, i = append(all, c[:i]), c[i:], 0
				}
			}
			all = append(all, c)
		}
	}
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == '\n' || r == '\r' || r == utf8.RuneError && size == 1 {
			valid(i)
			all = append(all, text[i:i+1])
			from = i + 1
		}
	}
	valid(len(text))
	return all
}

func (m *model) text() string { return strings.Join(m.clusters, "") }

func (m *model) offset() int { return len(strings.Join(m.clusters[:m.at], "")) }

// rebuild cuts a text into clusters anew: those at the seam may have joined.
// The place is behind the offset.
func (m *model) rebuild(text string, offset int) {
	m.clusters, m.at = split(text), 0
	for n := 0; n < offset; m.at++ {
		n += len(m.clusters[m.at])
	}
}

func (m *model) insert(text string) {
	at := m.offset()
	whole := m.text()
	m.rebuild(whole[:at]+text+whole[at:], at+len(text))
}

func (m *model) remove(from, to int) {
	before := strings.Join(m.clusters[:from], "")
	m.rebuild(before+strings.Join(m.clusters[to:], ""), len(before))
}

func (m *model) lineStart() int {
	at := m.at
	for at > 0 && m.clusters[at-1] != "\n" {
		at--
	}
	return at
}

func (m *model) lineEnd() int {
	at := m.at
	for at < len(m.clusters) && m.clusters[at] != "\n" {
		at++
	}
	return at
}

// The buffer does what the list of clusters does, and undo leads back through
// all of it.
func TestBufferModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	texts := []string{
		"a", "b ", "user:42", "é", "e\u0301", "\u0301", "世", "👩‍👩‍👧", "\u200d", "🇩", "🇪", "\n", "\t", "\r", "\xff", "\xe4\xb8", "한", "ᄒ", "ᅡ",
	}
	for range 300 {
		b := buffer{goal: -1}
		var m model
		for step := range 60 {
			op := random.IntN(9)
			text := texts[random.IntN(len(texts))]
			before := state{b.text, b.cursor}
			switch op {
			case 0, 1, 2:
				b.insert(text)
				b.settle() // each by itself, so that undo takes back one
				m.insert(text)
			case 3:
				b.move(b.prev(b.cursor))
				m.at = max(m.at-1, 0)
			case 4:
				b.move(b.next(b.cursor))
				m.at = min(m.at+1, len(m.clusters))
			case 5:
				b.remove(b.prev(b.cursor), b.cursor)
				m.remove(max(m.at-1, 0), m.at)
			case 6:
				b.kill(b.cursor, b.lineEnd(b.cursor))
				m.remove(m.at, m.lineEnd())
			case 7:
				b.move(b.lineStart(b.cursor))
				m.at = m.lineStart()
			case 8:
				from := m.at
				for from > 0 && isBlankCluster(m.clusters[from-1]) {
					from--
				}
				for from > 0 && !isBlankCluster(m.clusters[from-1]) {
					from--
				}
				b.kill(b.blankLeft(), b.cursor)
				m.remove(from, m.at)
			}
			if b.text != m.text() || b.cursor != m.offset() {
				t.Fatalf("step %d, op %d with %q on %q at %d: buffer %q at %d, want %q at %d",
					step, op, text, before.text, before.cursor, b.text, b.cursor, m.text(), m.offset())
			}
			if b.text != before.text && step%7 == 0 {
				after := state{b.text, b.cursor}
				if !b.undo() || b.text != before.text {
					t.Fatalf("undo of op %d on %q = %q", op, before.text, b.text)
				}
				b.set(after.text)
				b.move(after.cursor)
			}
		}
		for b.undo() {
			if len(b.undone) > 1000 {
				t.Fatal("undo has no end")
			}
		}
		if b.text != "" {
			t.Fatalf("undo of everything leaves %q", b.text)
		}
	}
}

// isBlankCluster looks at the first byte: a mark may stand on a space.
func isBlankCluster(c string) bool { return c[0] == ' ' || c[0] == '\t' || c[0] == '\n' }

func TestBufferKeys(t *testing.T) {
	for _, c := range []struct {
		name       string
		text       string // | is the cursor
		do         func(b *buffer)
		want       string
		wantedKill string
	}{
		{"word left", "get user:42 |", func(b *buffer) { b.move(b.wordLeft()) }, "get user:|42 ", ""},
		{"word right", "|get user:42", func(b *buffer) { b.move(b.wordRight()) }, "get| user:42", ""},
		{"word right over the end of a line", "get|\n  user", func(b *buffer) { b.move(b.wordRight()) }, "get\n  user|", ""},
		{"kill word", "get user:42|", func(b *buffer) { b.kill(b.wordLeft(), b.cursor) }, "get user:|", "42"},
		{"kill to blank", "get user:42|", func(b *buffer) { b.kill(b.blankLeft(), b.cursor) }, "get |", "user:42"},
		{"kill twice", "a b c|", func(b *buffer) {
			b.kill(b.blankLeft(), b.cursor)
			b.kill(b.blankLeft(), b.cursor)
		}, "a |", "b c"},
		{"kill both ways", "a |b c", func(b *buffer) {
			b.kill(b.cursor, b.wordRight())
			b.kill(b.blankLeft(), b.cursor)
		}, "| c", "a b"},
		{"kill line", "a|b\nc", func(b *buffer) { b.killLine() }, "a|\nc", "b"},
		{"kill newline", "a|\nc", func(b *buffer) { b.killLine() }, "a|c", "\n"},
		{"yank", "ab| c", func(b *buffer) {
			b.kill(0, 2)
			b.move(2)
			b.yank()
		}, " cab|", "ab"},
		{"yank before", "a b|", func(b *buffer) {
			b.kill(2, 3)
			b.move(1)
			b.kill(0, 1)
			b.yank()
			b.yankBefore()
		}, "b| ", "a"},
		{"transpose", "ab|c", func(b *buffer) { b.transpose() }, "acb|", ""},
		{"transpose at the end", "a世|", func(b *buffer) { b.transpose() }, "世a|", ""},
		{"up", "a世b\nxyz|", func(b *buffer) { b.vertical(false) }, "a世|b\nxyz", ""},
		{"down past a short line", "abc|\nx\nyzw", func(b *buffer) {
			b.vertical(true)
			b.vertical(true)
		}, "abc\nx\nyzw|", ""},
		{"typed text is one change", "|", func(b *buffer) {
			b.insert("a")
			b.insert("b")
			b.undo()
		}, "|", ""},
		{"a word is one change", "|", func(b *buffer) {
			b.insert("a")
			b.insert("b ")
			b.insert("c")
			b.undo()
		}, "ab |", ""},
	} {
		b := buffer{goal: -1}
		b.set(strings.Replace(c.text, "|", "", 1))
		b.move(strings.Index(c.text, "|"))
		b.undone = nil
		c.do(&b)
		got := b.text[:b.cursor] + "|" + b.text[b.cursor:]
		if got != c.want {
			t.Errorf("%s on %q = %q, want %q", c.name, c.text, got, c.want)
		}
		if c.wantedKill != "" && !slices.Contains(b.kills, c.wantedKill) {
			t.Errorf("%s on %q cut %q, want %q", c.name, c.text, b.kills, c.wantedKill)
		}
	}
}
