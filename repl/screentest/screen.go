package screentest

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// A Screen is what a terminal shows.
type Screen struct {
	Rows   []string // without the blanks at their ends
	Cells  [][]Cell // the same, column by column
	Row    int      // of the cursor, from 0
	Column int

	// Unknown is the first sequence that no terminal is asked for here.
	Unknown string
}

// A Cell is one column of a row.
type Cell struct {
	Text  string // a character with what combines with it; "" behind a wide one
	Style string // parameters of the SGR sequence in force, such as "1;32"; "" plain
}

// String is the screen for a message, with the cursor as a bar.
func (s Screen) String() string {
	var b strings.Builder
	for i, r := range s.Rows {
		if i == s.Row {
			r = fmt.Sprintf("%s   <- cursor at column %d", r, s.Column)
		}
		if r != "" {
			fmt.Fprintf(&b, "%2d %s\n", i, r)
		}
	}
	return b.String()
}

// Line is the row of the cursor.
func (s Screen) Line() string { return s.Rows[s.Row] }

// Show is what a terminal of a size shows of output.
func Show(columns, rows int, out string) Screen {
	e := newEmulator(columns, rows)
	e.write(out)
	return e.screen()
}

// An emulator is a terminal that knows the codes which a line editor needs. As
// terminals do today it breaks rows anew when it becomes narrower.
type emulator struct {
	columns, height int
	rows            [][]Cell
	style           string // of what is written next
	row, column     int
	full            bool // the last column was written, the next character begins a row
	unknown         string
}

func newEmulator(columns, height int) *emulator {
	e := &emulator{columns: columns, height: height}
	for range height {
		e.rows = append(e.rows, nil)
	}
	return e
}

// screen is what the emulator shows now.
func (e *emulator) screen() Screen {
	s := Screen{Cells: e.rows, Row: e.row, Column: e.column, Unknown: e.unknown}
	for _, cells := range e.rows {
		var text strings.Builder
		for _, c := range cells {
			text.WriteString(c.Text)
		}
		s.Rows = append(s.Rows, strings.TrimRight(text.String(), " "))
	}
	return s
}

// write shows output. It returns how much of it was whole.
func (e *emulator) write(out string) {
	for out != "" {
		switch c := out[0]; {
		case c == '\x1b':
			out = out[e.escape(out):]
		case c == '\r':
			e.column, e.full, out = 0, false, out[1:]
		case c == '\n':
			e.down()
			out = out[1:]
		case c == '\b':
			e.column, e.full, out = max(e.column-1, 0), false, out[1:]
		case c == '\t':
			e.column, out = min((e.column/8+1)*8, e.columns-1), out[1:]
		case c < ' ':
			out = out[1:]
		default:
			n := strings.IndexFunc(out, func(r rune) bool { return r < ' ' })
			if n < 0 {
				n = len(out)
			}
			e.print(out[:n])
			out = out[n:]
		}
	}
}

func (e *emulator) print(text string) {
	g := displaywidth.StringGraphemes(text)
	for g.Next() {
		w := g.Width()
		// Marks of halfwidth kana have columns of their own.
		_, first := utf8.DecodeRuneInString(g.Value())
		i := strings.IndexAny(g.Value()[first:], "\uff9e\uff9f")
		switch {
		case w == 0:
			continue
		case i >= 0:
			e.print(g.Value()[:first+i])
			e.print(g.Value()[first+i:])
			continue
		}
		if e.full || e.column+w > e.columns {
			e.column = 0
			e.down()
		}
		e.cell(e.column, g.Value())
		if w == 2 {
			e.cell(e.column+1, "")
		}
		e.column += w
		if e.full = e.column == e.columns; e.full {
			e.column--
		}
	}
}

func (e *emulator) cell(column int, text string) {
	r := e.rows[e.row]
	for len(r) <= column {
		r = append(r, Cell{Text: " "})
	}
	r[column] = Cell{text, e.style}
	e.rows[e.row] = r
}

func (e *emulator) down() {
	e.full = false
	if e.row++; e.row == e.height {
		e.row--
		e.rows = append(e.rows[1:], nil)
	}
}

// escape does what the sequence at the beginning of out says and returns its
// length.
func (e *emulator) escape(out string) int {
	if len(out) > 1 && (out[1] == '=' || out[1] == '>') {
		return 2 // how the keypad is to work
	}
	end := 2
	for end < len(out) && (out[end] < 0x40 || out[end] > 0x7e) {
		end++
	}
	if end >= len(out) || out[1] != '[' {
		e.strange(out[:min(end, len(out))])
		return len(out)
	}
	parameter, final := out[2:end], out[end]
	n, _ := strconv.Atoi(parameter)
	switch final {
	case 'A':
		e.row, e.full = max(e.row-max(n, 1), 0), false
	case 'B':
		e.row, e.full = min(e.row+max(n, 1), e.height-1), false
	case 'C':
		e.column, e.full = min(e.column+max(n, 1), e.columns-1), false
	case 'H':
		e.row, e.column, e.full = 0, 0, false
	case 'J':
		e.erase(e.row, e.column)
		from := e.row + 1
		if n == 2 {
			from = 0
		}
		for i := from; i < e.height; i++ {
			e.erase(i, 0)
		}
	case 'K':
		e.erase(e.row, e.column)
	case 'm':
		e.style = strings.TrimPrefix(parameter, "0")
	case 'h', 'l', 'q':
	default:
		e.strange(out[:end+1])
	}
	return end + 1
}

func (e *emulator) erase(row, column int) {
	e.rows[row] = e.rows[row][:min(column, len(e.rows[row]))]
}

func (e *emulator) strange(sequence string) {
	if e.unknown == "" {
		e.unknown = sequence
	}
}

// resize breaks the rows that are too wide now and scrolls so that the cursor
// stays on the screen.
func (e *emulator) resize(columns, height int) {
	var rows [][]Cell
	row, column := 0, e.column
	for i, cells := range e.rows {
		if i == e.row {
			row = len(rows) + e.column/columns
			column = e.column % columns
		}
		for len(cells) > columns {
			rows = append(rows, cells[:columns:columns])
			cells = cells[columns:]
		}
		rows = append(rows, cells)
	}
	for len(rows) > height && row >= height {
		rows, row = rows[1:], row-1
	}
	rows = rows[:min(len(rows), height)]
	for len(rows) < height {
		rows = append(rows, nil)
	}
	*e = emulator{columns: columns, height: height, rows: rows, row: row, column: column, style: e.style, unknown: e.unknown}
}

// whole is how much of output can be shown: the last character, sequence or
// cluster may still be on its way.
func whole(out string) int {
	if i := strings.LastIndexByte(out, '\x1b'); i >= 0 && len(out)-i < 16 {
		rest := out[i+1:]
		if rest == "" || rest[0] == '[' && strings.IndexFunc(rest[1:], func(r rune) bool { return r >= 0x40 && r <= 0x7e }) < 0 {
			return i
		}
	}
	for i := len(out) - 1; i >= max(len(out)-3, 0); i-- {
		if utf8.RuneStart(out[i]) {
			if !utf8.FullRuneInString(out[i:]) {
				return i
			}
			break
		}
	}
	return len(out)
}
