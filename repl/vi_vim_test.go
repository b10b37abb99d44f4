package repl

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// headless is an editor without a terminal: keys are given to handle.
func headless(text string, cursor int) *lineEditor {
	e := &lineEditor{EditorOptions: EditorOptions{Out: io.Discard}, history: &history{}}
	e.size, e.screen.out = func() (int, int) { return 80, 24 }, io.Discard
	e.vi.on = true
	e.vi.begin()
	e.buffer.goal = -1
	e.buffer.set(text)
	e.buffer.undone = nil
	e.buffer.move(cursor)
	return e
}

// press gives keys to an editor, with Escape as the byte that terminals send.
func (e *lineEditor) press(keys string) {
	for _, key := range keys {
		if key == '\x1b' {
			key = keyEscape
		}
		e.handle(key)
	}
	e.take()
}

// What the keys of vi do is what Vim does, on one line and on several.
func TestViIsVim(t *testing.T) {
	vim, err := exec.LookPath("vim")
	if err != nil {
		t.Skip("no vim")
	}
	// The same cases each time: among very many Vim has some surprises left.
	random := rand.New(rand.NewPCG(7, 0))
	words := []string{"get", "user:42", "a", " ", "  ", "世界", "x_1", "--", "'q q'", ".", "é", "f(x)", `"a b"`, `"\"`, "[{", "}]", "(a (b) c)", "<t>"}
	motions := []string{"h", "l", "w", "b", "e", "W", "B", "E", "0", "^", "$", "fx", "Fe", "t ", "T:", ";", ",", "fe", "f世"}
	commands := []string{
		"x", "X", "rZ", "~", "p", "P", "u", "D", "iab\x1b", "Iab\x1b", "aab\x1b", "Aab\x1b", "Cab\x1b", "sab\x1b", ".", ".",
	}
	lineCommands := []string{"dd", "yy", "cc1\x1b", "oab\x1b", "Oab\x1b", "dj", "dk", "j", "k", "G", "gg", "dG", "Sab\x1b", "p", "P", "u", "2u", "u\x12"}
	count := func() string {
		if random.IntN(4) > 0 {
			return ""
		}
		return fmt.Sprint(1 + random.IntN(3))
	}
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	type vimCase struct {
		text   string
		cursor int
		keys   []string
		undone bool // the last one goes back
	}
	var cases []vimCase
	for i := range 4000 {
		several := i%2 == 1
		var text strings.Builder
		for range 1 + random.IntN(7) {
			if several && random.IntN(4) == 0 {
				text.WriteString("\n")
			}
			text.WriteString(pick(words))
		}
		c := vimCase{text: text.String()}
		b := buffer{text: c.text}
		c.cursor = b.edge(random.IntN(len(c.text)))
		if c.cursor == b.lineEnd(c.cursor) && c.cursor > b.lineStart(c.cursor) {
			c.cursor = b.prev(c.cursor)
		}
		for range 1 + random.IntN(5) {
			switch n := random.IntN(8); {
			case n < 2:
				c.keys = append(c.keys, pick(motions))
			case n < 4:
				operator := pick([]string{"d", "d", "y", "c"})
				motion := pick(motions)
				if several && strings.Contains("wWbBeE", motion) {
					motion = "l" // over the ends of lines Vim has rules of its own for words
				}
				if motion != "0" && motion != "$" {
					motion = count() + motion
				}
				keys := operator + motion
				if motion != "$" {
					keys = count() + keys
				}
				if !several && random.IntN(3) == 0 {
					keys = operator + pick([]string{"i", "a"}) + pick([]string{"w", "W", "\"", "'", "`", "(", ")", "b", "[", "{", "B", "<", ">"})
				}
				if operator == "c" {
					keys += "ab\x1b"
				}
				c.keys = append(c.keys, keys)
			case n < 6 && several:
				c.keys = append(c.keys, pick(lineCommands))
			default:
				c.keys = append(c.keys, pick(commands))
			}
		}
		// Behind undo Vim has its cursor elsewhere.
		if i := slices.IndexFunc(c.keys, func(keys string) bool { return strings.Contains(keys, "u") }); i >= 0 {
			c.keys, c.undone = c.keys[:i+1], true
		}
		cases = append(cases, c)
	}
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x1b", `\<Esc>`, "\x12", `\<C-R>`, "\n", `\n`).Replace(s) + `"`
	}
	var script strings.Builder
	dir := t.TempDir()
	result := filepath.Join(dir, "result")
	script.WriteString("set encoding=utf-8 startofline cpoptions=aABceFs whichwrap= backspace=indent,eol,start noautoindent\nlet g:out = []\n")
	for _, c := range cases {
		script.WriteString("enew!\nlet &ul = -1\ncall setline(1, 'q')\nnormal! x\nlet @\" = 'Q'\ncall setcharsearch({'char': 'x', 'forward': 1, 'until': 0})\n")
		fmt.Fprintf(&script, "call setline(1, split(%s, \"\\n\", 1))\nlet &ul = 1000\n", quote(c.text))
		before := c.text[:c.cursor]
		line := strings.Count(before, "\n")
		fmt.Fprintf(&script, "call cursor(%d, %d)\n", line+1, len(before)-strings.LastIndexByte(before, '\n'))
		for _, keys := range c.keys {
			fmt.Fprintf(&script, "let &ul = &ul\nsilent! exe \"normal! \" . %s\n", quote(keys))
		}
		script.WriteString("call add(g:out, json_encode([join(getline(1, '$'), \"\\n\"), line('.'), col('.')]))\n")
	}
	fmt.Fprintf(&script, "call writefile(g:out, %s)\nqall!\n", quote(result))
	file := filepath.Join(dir, "script.vim")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := exec.Command(vim, "-es", "-u", "NONE", "-i", "NONE", "-N", "-S", file)
	p.Dir = dir // for its swap files
	p.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+dir)
	if out, err := p.CombinedOutput(); err != nil {
		t.Fatalf("vim: %v\n%s", err, out)
	}
	got, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
	if len(answers) != len(cases) {
		t.Fatalf("vim answered %d of %d cases", len(answers), len(cases))
	}
	bad := 0
	for i, c := range cases {
		want := vimAnswer(t, answers[i])
		e := headless(c.text, c.cursor)
		e.press("\x1b")
		e.buffer.move(c.cursor)
		e.buffer.kills = []string{"Q"}
		e.vi.last, e.vi.found = []rune{'x'}, viFind{'f', "x"}
		alone := false // on purpose it differs: what is cut of the only line is no line, else p would make two
		for _, keys := range c.keys {
			alone = alone || !strings.Contains(e.buffer.text, "\n") && slices.Contains(lineCommands, keys)
			before, kept := e.buffer.text, len(e.buffer.kills)
			e.press(keys)
			// Vim counts a change of nothing for . and u, where it is none here.
			nothing := e.buffer.text == before && strings.ContainsAny(keys, "dcxXsSDCpP~ru.")
			nothing = nothing || strings.ContainsAny(keys, "ycCsS") && len(e.buffer.kills) == kept
			// And for . it looks further than before behind t.
			till := keys == "." && strings.ContainsAny(string(e.vi.last), "tT;,")
			alone = alone || nothing || till
			if e.vi.command != (viCommand{}) {
				e.press("\x1b")
			}
		}
		got := marked(&e.buffer)
		if c.undone {
			got, want = strings.Replace(got, "|", "", 1), strings.Replace(want, "|", "", 1)
		}
		if got != want && !alone {
			if bad++; bad <= 12 {
				t.Errorf("%q on %q leads to %q, in vim to %q", c.keys, marked(&buffer{text: c.text, cursor: c.cursor}), got, want)
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d cases differ", bad, len(cases))
	}
}

// marked is the text with the cursor as a bar.
func marked(b *buffer) string { return b.text[:b.cursor] + "|" + b.text[b.cursor:] }

// vimAnswer is marked for what Vim says: the text, and the line and the byte of
// the cursor, from 1.
func vimAnswer(t *testing.T, answer string) string {
	t.Helper()
	var parts []any
	if err := json.Unmarshal([]byte(answer), &parts); err != nil || len(parts) != 3 {
		t.Fatalf("vim answered %q, %v", answer, err)
	}
	text, line, column := parts[0].(string), int(parts[1].(float64)), int(parts[2].(float64))
	at := 0
	for ; line > 1; line-- {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	return marked(&buffer{text: text, cursor: at + column - 1})
}
