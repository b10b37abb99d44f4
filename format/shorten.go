package format

import (
	"github.com/clipperhouse/displaywidth"
)

// keepForWidth is how many bytes of a cell are worth keeping to fill a number
// of terminal columns. Runes have at most four bytes; marks that take no column
// of their own may be cut, which shortens a cell but makes nothing wrong.
func keepForWidth(width int) int {
	if width <= 0 {
		return maxInt
	}
	return 16*width + 64
}

// A shown is a cell as people see it.
type shown struct {
	text  string
	rest  string // says what was left out, "…+1.2 KiB"; empty if nothing was
	width int    // terminal columns of both
}

// show returns a cell in at most width columns; width 0 has no limit. A width
// below minWidth is taken as minWidth, so that there is room to say what was
// left out.
func (g *grid) show(i int, c *cell, width int) shown {
	if !c.isBytes() || c.absent {
		text := c.human(g.now)
		if g.ages && c.kind == Time && !c.absent {
			text = HumanAge(g.now, c.t)
		}
		return shown{text: text, width: displaywidth.String(text)}
	}
	if g.cols[i].Whole {
		width = 0
	}
	style := g.style(i, c.b)
	keep := len(c.b)
	if width > 0 {
		keep = min(keep, keepForWidth(width))
	}
	if keep == c.size {
		text := style.apply(c.b)
		if w := displaywidth.String(text); width == 0 || w <= width {
			return shown{text: text, width: w}
		}
	}
	return shorten(c.b[:keep], c.size, style, max(width, minWidth))
}

// minWidth is the least width to which a cell is shortened: a little of its
// own, before the longest remark, "…+1023.9 KiB".
const minWidth = maxRemark + 4

// maxRemark is how many columns a remark takes at most.
const maxRemark = 12

// A style is how bytes are shown.
type style uint8

const (
	bare   style = iota // as they are
	quoted              // as a literal
	safe                // escaped, without quotes
)

func (s style) apply(b []byte) string {
	switch s {
	case bare:
		return string(b)
	case quoted:
		return Quote(b)
	}
	return Safe(string(b))
}

// style says how to show bytes of column i. A key is shown as it would be
// typed. Other bytes are bare if that is safe and cannot be mistaken for a
// literal, an absent cell or padding. Text is never quoted.
func (g *grid) style(i int, b []byte) style {
	switch {
	case g.cols[i].Kind == Text:
		return safe
	case g.cols[i].Name == "key":
		if isBare(b) {
			return bare
		}
		return quoted
	}
	if len(b) == 0 || b[0] == '"' || b[0] == ' ' || b[len(b)-1] == ' ' || len(b) == 1 && b[0] == '-' || !isPlain(b) {
		return quoted
	}
	return bare
}

// shorten returns the beginning of b, cut between characters so that it and the
// remark about the rest, of size bytes in all, take at most width columns.
func shorten(b []byte, size int, st style, width int) shown {
	quotes := 0
	if st == quoted {
		quotes = 2
	}
	used, at, end := quotes, 0, 0 // columns and bytes so far; the last cut that fits
	for g := displaywidth.BytesGraphemes(b); used <= width && g.Next(); {
		char := g.Value()
		if len(char) == 1 && isBare(char) {
			used++
		} else {
			used += displaywidth.String(st.apply(char)) - quotes
		}
		at += len(char)
		if used+maxRemark <= width || used+displaywidth.String(remark(size-at)) <= width {
			end = at
		}
	}
	s := shown{text: st.apply(b[:end]), rest: remark(size - end)}
	s.width = displaywidth.String(s.text) + displaywidth.String(s.rest)
	return s
}

// remark says that n more bytes follow.
func remark(n int) string { return "…+" + humanSize(uint64(n)) }

// Short returns bytes as mode Pretty shows a value, in at most width terminal
// columns: it says how much it left out. A width below 16 is taken as 16; 0 has
// no limit.
func Short(b []byte, width int) string {
	text, _ := Brief(Column{Name: "value", Kind: Bytes}, b, width)
	return text
}

// Brief returns b as Pretty shows a cell of a column, in at most width columns
// of a terminal, or a little more where it has to say what was left out, and
// how many it takes. A width of 0 has no limit.
func Brief(c Column, b []byte, width int) (text string, columns int) {
	g := grid{cols: []Column{c}}
	s := g.show(0, &cell{kind: c.Kind, b: b, size: len(b)}, width)
	return s.text + s.rest, s.width
}
