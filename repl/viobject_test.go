package repl

import "testing"

// Objects of vi, without Vim to ask.
func TestViObjects(t *testing.T) {
	for _, c := range []struct {
		text   string
		cursor int
		keys   string
		want   string
	}{
		{"get user:1 x", 5, "ciwnew\x1b", "get ne|w:1 x"},
		{"get user:1 x", 5, "ciWnew\x1b", "get ne|w x"},
		{"get user:1 x", 5, "daW", "get |x"},
		{"get  user:1", 7, "daW", "ge|t"},
		{"  user", 3, "daw", " | "}, // what begins the line stays
		{"get  user", 4, "diw", "get|user"},
		{"get  user:1", 4, "daw", "get|:1"},
		{`set k "two words" x`, 9, `di"`, `set k "|" x`},
		{`set k "two words" x`, 9, `da"`, `set k |x`},
		{`set k "two words" x`, 0, `ci"one` + "\x1b", `set k "on|e" x`},
		{`set k "two \" words"`, 8, `di"`, `set k "|"`},
		{`set k 'two'`, 8, `yi'P`, `set k 'tw|otwo'`},
		{`call f(a, (b), c)`, 8, "ci(x\x1b", "call f(|x)"},
		{`call f(a, (b), c)`, 11, "da)", "call f(a, |, c)"},
		{`{"a": [1, 2]}`, 8, "di[", `{"a": [|]}`},
		{`{"a": [1, 2]}`, 2, "diB", `{|}`},
		{"get user", 1, "di(", "g|et user"},
		{"get user", 1, "dix", "g|et user"},
		{"a b c", 0, "daww.", "|b"},
	} {
		e := headless(c.text, c.cursor)
		e.press("\x1b")
		e.buffer.move(c.cursor)
		e.press(c.keys)
		if got := marked(&e.buffer); got != c.want {
			t.Errorf("%q on %q leads to %q, want %q", c.keys, marked(&buffer{text: c.text, cursor: c.cursor}), got, c.want)
		}
	}
}

// Every object lies within the text, and what is in it within what is around it.
func TestViObjectSpans(t *testing.T) {
	const alphabet = "\"( )a\\\n"
	found := 0
	for n := 0; n < len(alphabet)*len(alphabet)*len(alphabet)*len(alphabet)*len(alphabet); n++ {
		var text []byte
		for rest := n; len(text) < 5; rest /= len(alphabet) {
			text = append(text, alphabet[rest%len(alphabet)])
		}
		for cursor := range len(text) + 1 {
			b := buffer{text: string(text), cursor: cursor}
			for _, key := range `wW"(` {
				from, to, ok := b.object(key, false)
				outerFrom, outerTo, outer := b.object(key, true)
				switch {
				case ok && !(0 <= from && from <= to && to <= len(text)), outer && !(0 <= outerFrom && outerFrom <= outerTo && outerTo <= len(text)):
					t.Fatalf("object %c of %q at %d is %d to %d, around it %d to %d", key, text, cursor, from, to, outerFrom, outerTo)
				case outer && !ok, ok && outer && (from < outerFrom || outerTo < to):
					t.Fatalf("object %c of %q at %d is %d to %d, not within %d to %d", key, text, cursor, from, to, outerFrom, outerTo)
				case ok:
					found++
				}
			}
		}
	}
	if found < 10_000 {
		t.Errorf("only %d objects were found", found)
	}
}
