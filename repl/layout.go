package repl

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// tabStop is the distance of tab stops, in columns.
const tabStop = 8

// A row is what stands on one row of the screen.
type row struct {
	text  string // with the codes of its colours
	width int    // columns that it takes
}

// A canvas lays text out on rows of a width. It breaks rows itself, so that
// nothing depends on what terminals do at their edge.
type canvas struct {
	width  int // columns, at least 2
	colors bool

	rows   []row
	text   strings.Builder // of the row under way
	column int
	style  Style
}

// put adds a piece that is not broken and not wider than a row.
func (c *canvas) put(piece string, width int, style Style) {
	if c.column+width > c.width {
		c.end()
	}
	c.paint(style)
	c.text.WriteString(piece)
	c.column += width
}

// paint switches the style of what follows.
func (c *canvas) paint(style Style) {
	if !c.colors || style == c.style {
		return
	}
	if c.style != Plain {
		c.text.WriteString(plainCode)
	}
	c.text.WriteString(codes[style])
	c.style = style
}

// end ends the row.
func (c *canvas) end() {
	c.paint(Plain)
	c.rows = append(c.rows, row{c.text.String(), c.column})
	c.text.Reset()
	c.column = 0
}

// write adds text of one line, breaking rows where they are full.
func (c *canvas) write(text string, style Style) {
	for len(text) > 0 {
		p := cluster(text)
		text = text[len(p):]
		shown, width := c.shape(p)
		c.put(shown, width, style)
	}
}

// writeShort adds the beginning of a text that fits on the rest of the row, up
// to the first newline.
func (c *canvas) writeShort(text string, style Style) {
	text, more, _ := strings.Cut(text, "\n")
	room := c.width - 1 - c.column
	for len(text) > 0 {
		p := cluster(text)
		shown, width := c.shape(p)
		if width > room || len(text) > len(p) && width == room {
			break
		}
		c.put(shown, width, style)
		room -= width
		text = text[len(p):]
	}
	if (text != "" || more != "") && room > 0 {
		c.put("…", 1, style)
	}
}

// shape is how a cluster is shown and how many columns that takes. Whatever
// could move the cursor or change what stands beside it is shown as a code.
func (c *canvas) shape(p string) (shown string, width int) {
	b := p[0]
	switch {
	case b == '\t':
		width = min(tabStop-c.column%tabStop, max(c.width-c.column, 1))
		return "        "[:width], width
	case b < ' ' || b == 0x7f:
		return "^" + string(rune(b^0x40)), 2
	case len(p) == 1 && b < utf8.RuneSelf:
		return p, 1
	}
	r, size := utf8.DecodeRuneInString(p)
	switch {
	case r == utf8.RuneError && size == 1, r >= 0x80 && r < 0xa0:
		shown = fmt.Sprintf(`\x%02X`, b)
		for i := 1; i < len(p); i++ {
			shown += fmt.Sprintf(`\x%02X`, p[i])
		}
	default:
		if width := displaywidth.String(p); width > 0 {
			return p, width
		}
		for _, r := range p {
			shown += fmt.Sprintf(`\u{%X}`, r)
		}
	}
	if len(shown) > c.width {
		shown = "?"
	}
	return shown, len(shown)
}

// A view is what is to be seen of the line that is being edited.
type view struct {
	prompt string
	more   string // the prompt of further lines
	text   string
	styles styles // of the bytes of text; nil: none
	cursor int    // byte offset in text
	hint   string // what could follow
	below  []item // lines under the text
}

// An item is a line under the text that is cut where the row ends.
type item struct {
	parts  []string // two or more columns apart
	chosen bool
}

// A frame is a view as rows of a screen.
type frame struct {
	rows   []row
	cursor int // row of the cursor
	column int
	width  int // of the terminal
	height int
}

// lay lays a view out for a screen. At most height rows are kept: those around
// the cursor.
func (v *view) lay(width, height int, colors bool) frame {
	c := canvas{width: max(width, 2), colors: colors}
	f := frame{width: c.width, height: max(height, 1), cursor: -1}
	mark := func() {
		if f.cursor < 0 {
			f.cursor, f.column = len(c.rows), c.column
		}
	}
	c.write(v.prompt, Plain)
	p := "" // the last cluster
	for at := 0; at < len(v.text); {
		p = cluster(v.text[at:])
		if p == "\n" {
			if at >= v.cursor && f.cursor < 0 {
				c.full()
				mark()
			}
			c.end()
			c.write(v.more, Plain)
			at++
			continue
		}
		style := Plain
		if at < len(v.styles) {
			style = v.styles[at]
		}
		shown, width := c.shape(p)
		if c.column+width > c.width {
			c.end()
			shown, width = c.shape(p)
		}
		if at >= v.cursor {
			mark()
		}
		c.put(shown, width, style)
		at += len(p)
	}
	c.full()
	mark()
	if p == "" || cluster(p+v.hint) == p { // else they would become one character
		c.writeShort(v.hint, faint)
	}
	c.end()
	f.rows = c.rows
	return f.fit(v.below, colors)
}

// full begins a row if there is no room for a cursor on this one.
func (c *canvas) full() {
	if c.column >= c.width {
		c.end()
	}
}

// fit keeps what a screen has room for, and adds the lines under the text.
func (f frame) fit(below []item, colors bool) frame {
	below = below[:min(len(below), f.height-1)]
	if room := f.height - len(below); len(f.rows) > room {
		top := min(max(f.cursor-room/2, 0), len(f.rows)-room)
		f.rows = f.rows[top : top+room]
		f.cursor -= top
	}
	widths := columnWidths(below)
	for _, item := range below {
		c := canvas{width: f.width, colors: colors}
		style, lead := Plain, "  "
		if item.chosen {
			style, lead = chosen, "> "
		}
		c.writeShort(lead, style)
		for i, part := range item.parts {
			if i > 0 {
				c.writeShort(strings.Repeat(" ", max(widths[i-1]-displaywidth.String(item.parts[i-1]), 0)+2), Plain)
				style = faint
			}
			c.writeShort(part, style)
		}
		c.end()
		f.rows = append(f.rows, c.rows...)
	}
	return f
}

// columnWidths is how wide the parts of items are, each column by itself.
func columnWidths(items []item) []int {
	const widest = 40
	var widths []int
	for _, item := range items {
		for i, part := range item.parts {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = min(max(widths[i], displaywidth.String(part)), widest)
		}
	}
	return widths
}
