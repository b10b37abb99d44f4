package format

import "github.com/clipperhouse/displaywidth"

// prettyRows aligns columns under a header line, without borders. One column
// alone has no header. A row that fits the terminal is shown whole even where
// it is wider than the columns, which the first rows fixed; otherwise its bytes
// are shortened to them. Where the columns cannot fit, a row becomes a block of
// lines, each with the name of a column and its cell.
type prettyRows struct {
	grid
	color  bool
	cells  []shown // of the row at hand
	blocks bool    // a row is a block
	rows   int     // that were written as blocks
}

// The quiet colour of pretty: faint, for all that is not data.
const (
	faint  = "\x1b[2m"
	normal = "\x1b[0m"
)

func (e *prettyRows) begin(dst []byte, sample [][]cell) []byte {
	if len(e.cols) == 1 || len(sample) == 0 {
		return dst
	}
	if !e.fit(sample) {
		e.blocks, e.ages = true, false
		return dst
	}
	e.cells = e.cells[:0]
	for _, name := range e.names {
		e.cells = append(e.cells, shown{rest: name, width: displaywidth.String(name)})
	}
	return e.appendLine(dst)
}

func (e *prettyRows) row(dst []byte, cells []cell) ([]byte, error) {
	if e.blocks {
		return e.appendBlock(dst, cells), nil
	}
	e.cells = e.cells[:0]
	used := e.gap * (len(cells) - 1)
	for i := range cells {
		s := e.show(i, &cells[i], e.total)
		if cells[i].absent {
			s.text, s.rest = "", s.text
		}
		e.cells = append(e.cells, s)
		used += max(s.width, e.widths[i])
	}
	if e.total > 0 && used > e.total && len(cells) > 1 {
		for i := range cells {
			if cells[i].isBytes() && !cells[i].absent && e.cells[i].width > e.widths[i] {
				e.cells[i] = e.show(i, &cells[i], e.widths[i])
			}
		}
	}
	for i := range cells {
		e.cut = e.cut || !cells[i].absent && e.cells[i].rest != ""
	}
	return e.appendLine(dst), nil
}

// appendBlock appends a row as a block of lines.
func (e *prettyRows) appendBlock(dst []byte, cells []cell) []byte {
	if e.rows++; e.rows > 1 {
		dst = append(dst, '\n')
	}
	width := 0
	for _, name := range e.names {
		width = max(width, displaywidth.String(name))
	}
	for i := range cells {
		s := e.show(i, &cells[i], max(e.total-width-e.gap, minWidth))
		e.cut = e.cut || s.rest != ""
		dst = e.appendFaint(dst, e.names[i])
		dst = appendSpaces(dst, width-displaywidth.String(e.names[i])+e.gap)
		if cells[i].absent {
			s.text, s.rest = "", s.text
		}
		dst = append(dst, s.text...)
		dst = append(e.appendFaint(dst, s.rest), '\n')
	}
	return dst
}

// appendLine appends e.cells, padded to the widths of their columns.
func (e *prettyRows) appendLine(dst []byte) []byte {
	for i, s := range e.cells {
		pad := e.widths[i] - s.width
		if i > 0 {
			dst = appendSpaces(dst, e.gap)
		}
		if e.alignsRight(i) {
			dst = appendSpaces(dst, pad)
		}
		dst = append(dst, s.text...)
		dst = e.appendFaint(dst, s.rest)
		if !e.alignsRight(i) && i < len(e.cells)-1 {
			dst = appendSpaces(dst, pad)
		}
	}
	return append(dst, '\n')
}

func (e *prettyRows) appendFaint(dst []byte, s string) []byte {
	if s == "" || !e.color {
		return append(dst, s...)
	}
	return append(append(append(dst, faint...), s...), normal...)
}

func (e *prettyRows) end(dst []byte) []byte { return dst }
