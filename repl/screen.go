package repl

import (
	"bytes"
	"io"
	"strconv"
)

// A screen is the part of a terminal that a line is edited on. It knows what
// stands there and writes what differs, in one write.
type screen struct {
	out    io.Writer
	rows   []row // what is shown
	cursor int   // the row it stands on
	column int
	width  int    // of the terminal when that was drawn
	before []byte // what goes out with the next write
	shape  string // the code that chose the shape of the cursor; empty: it is as usual
}

// choose makes the cursor another shape with the next write.
func (s *screen) choose(shape string) {
	if s.shape == shape {
		return
	}
	s.shape = shape
	if shape == "" {
		shape = cursorUsual
	}
	s.before = append(s.before, shape...)
}

// write writes what waits and b, in one piece.
func (s *screen) write(b []byte) error {
	if len(s.before) > 0 {
		b = append(s.before, b...)
		s.before = nil
	}
	if len(b) == 0 {
		return nil
	}
	_, err := s.out.Write(b)
	return err
}

// above puts whole lines of text above what is shown. They are to be seen with
// the next drawing, which makes all of what is shown anew.
func (s *screen) above(text []byte, width int) {
	s.before = s.forget(s.before, width)
	s.before = append(s.before, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...)
}

// The codes that the screen uses. Terminals since the VT100 know them, but for
// the paste, which others ignore.
const (
	eraseRow    = "\x1b[K" // from the cursor on
	eraseBelow  = "\x1b[J" // from the cursor on
	eraseScreen = "\x1b[H\x1b[2J"
	pastesOn    = "\x1b[?2004h"
	pastesOff   = "\x1b[?2004l"
	bell        = "\a"
)

// move appends what moves the cursor by rows: up if negative.
func move(b []byte, rows int) []byte {
	switch {
	case rows < 0:
		return append(strconv.AppendInt(append(b, "\x1b["...), int64(-rows), 10), 'A')
	case rows > 0:
		return append(strconv.AppendInt(append(b, "\x1b["...), int64(rows), 10), 'B')
	}
	return b
}

// begin makes the terminal ready for a line that begins on a row of its own: a
// program may have left its cursor somewhere. A mark shows where its output
// ended without a newline.
func (s *screen) begin(width int, colors bool) error {
	b := []byte(pastesOn)
	mark := "%"
	if colors {
		mark = codes[chosen] + "%" + plainCode
	}
	// At the start of a row the blanks end at its edge, else on the next row.
	b = append(b, mark...)
	for range width - 1 {
		b = append(b, ' ')
	}
	b = append(b, '\r')
	b = append(b, eraseBelow...)
	s.rows, s.cursor, s.column = nil, 0, 0
	return s.write(b)
}

// draw brings a frame onto the screen.
func (s *screen) draw(f frame) error {
	var b []byte
	at := s.cursor // where the cursor is meanwhile
	goTo := func(to int) {
		if last := max(len(s.rows)-1, 0); to > last {
			b = move(b, last-at)
			b = append(b, "\r\n"...)
			s.rows = append(s.rows, row{})
		} else {
			b = append(move(b, to-at), '\r')
		}
		at = to
	}
	switch {
	case len(s.rows) > f.height: // the beginning is gone: the terminal became lower
		b = append(b, eraseScreen...)
		s.rows, at = nil, 0
	case s.width != f.width && s.rows != nil:
		b = s.forget(b, f.width)
		at = 0
	}
	if s.rows == nil {
		s.rows = []row{{}}
		b = append(b, '\r')
	}
	for i, r := range f.rows {
		if i < len(s.rows) && s.rows[i] == r {
			continue
		}
		goTo(i)
		b = append(b, r.text...)
		if r.width < f.width {
			b = append(b, eraseRow...)
		}
		s.rows[i] = r
	}
	if len(s.rows) > len(f.rows) {
		goTo(len(f.rows))
		b = append(b, eraseBelow...)
		s.rows = s.rows[:len(f.rows)]
	}
	if len(b) > 0 || at != f.cursor || s.column != f.column {
		b = append(move(b, f.cursor-at), '\r')
		if f.column > 0 {
			b = append(strconv.AppendInt(append(b, "\x1b["...), int64(f.column), 10), 'C')
		}
	}
	s.cursor, s.column, s.width = f.cursor, f.column, f.width
	return s.write(b)
}

// forget erases what is shown after the terminal became another width: it has
// broken the rows that are wider now, so they take more of them.
func (s *screen) forget(b []byte, width int) []byte {
	up := s.column / width
	for _, r := range s.rows[:s.cursor] {
		up += max(r.width-1, 0)/width + 1
	}
	s.rows, s.cursor, s.column = nil, 0, 0
	return append(append(move(b, -up), '\r'), eraseBelow...)
}

// end leaves the line as it stands, with the cursor on a new row.
func (s *screen) end(note string) error {
	s.choose("")
	b := move(nil, len(s.rows)-1-s.cursor)
	b = append(b, note...)
	b = append(b, "\r\n"+pastesOff...)
	s.rows, s.cursor, s.column = nil, 0, 0
	return s.write(b)
}

// clear erases the whole terminal.
func (s *screen) clear() error {
	s.rows, s.cursor, s.column = nil, 0, 0
	return s.write([]byte(eraseScreen))
}
