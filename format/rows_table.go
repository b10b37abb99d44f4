package format

import (
	"bytes"
	"strings"

	"github.com/clipperhouse/displaywidth"
	"github.com/olekukonko/tablewriter"
)

// tableRows draws a box. The library that draws it is given cells that are
// safe, fit and padded already, and told to leave them alone: it counts the
// columns of some emoji otherwise. Each row is a table of its own to it, so that
// rows come out as they go in. It does not say that writing failed, so it
// writes to memory.
//
// Release 0.0.5 of the library does all that is needed of it here, and of its
// releases it costs a start of the program the least: 1.1.5 compiles regular
// expressions and fills a cache of 0.6 MB before main begins, box or no box.
type tableRows struct {
	grid
	out   bytes.Buffer
	cells []string // of the row at hand
	rule  string   // as the library draws it: "┼" where lines meet
	empty bool     // no row was drawn in this box so far
}

// The sides of a box that the library draws.
var (
	boxSides  = tablewriter.Border{Left: true, Right: true}
	boxAndTop = tablewriter.Border{Left: true, Right: true, Top: true}
)

func (e *tableRows) begin(dst []byte, sample [][]cell) []byte {
	e.fit(sample)
	e.cells = make([]string, len(e.cols))
	return e.start(dst)
}

// start draws the top of a box with columns of e.widths.
func (e *tableRows) start(dst []byte) []byte {
	for i, name := range e.names {
		e.cells[i] = e.pad(i, name, displaywidth.String(name))
	}
	t := e.table(boxAndTop)
	t.SetHeader(e.cells)
	t.Render()
	top, rest, _ := strings.Cut(e.out.String(), "\n")
	names, _, _ := strings.Cut(rest, "\n")
	e.out.Reset()
	e.rule, e.empty = top, true
	dst = appendRule(dst, e.rule, "┌", "┬", "┐")
	return append(append(dst, names...), '\n')
}

// table returns a table of the library that draws to e.out.
func (e *tableRows) table(sides tablewriter.Border) *tablewriter.Table {
	t := tablewriter.NewWriter(&e.out)
	t.SetBorders(sides)
	t.SetColumnSeparator("│")
	t.SetRowSeparator("─")
	t.SetCenterSeparator("┼")
	t.SetAutoFormatHeaders(false)
	t.SetAutoWrapText(false)
	t.SetHeaderAlignment(tablewriter.ALIGN_LEFT)
	t.SetAlignment(tablewriter.ALIGN_LEFT)
	return t
}

// appendRule appends a rule with the signs of its place: the library knows
// but one for all places where lines meet.
func appendRule(dst []byte, rule, left, middle, right string) []byte {
	inner := strings.TrimSuffix(strings.TrimPrefix(rule, "┼"), "┼")
	dst = append(dst, left...)
	dst = append(dst, strings.ReplaceAll(inner, "┼", middle)...)
	return append(append(dst, right...), '\n')
}

// pad returns text that takes width columns of the terminal with blanks that
// fill column i.
func (e *tableRows) pad(i int, text string, width int) string {
	blanks := strings.Repeat(" ", max(e.widths[i]-width, 0))
	if e.alignsRight(i) {
		return blanks + text
	}
	return text + blanks
}

func (e *tableRows) row(dst []byte, cells []cell) ([]byte, error) {
	tooWide := false
	shown := make([]shown, len(cells))
	for i := range cells {
		shown[i] = e.show(i, &cells[i], e.widths[i])
		e.cut = e.cut || shown[i].rest != ""
		if w := shown[i].width; w > e.widths[i] {
			e.widths[i] = w
			tooWide = true
		}
	}
	if tooWide {
		dst = e.start(e.end(dst))
	}
	for i, s := range shown {
		e.cells[i] = e.pad(i, s.text+s.rest, s.width)
	}
	if e.empty {
		dst = appendRule(dst, e.rule, "├", "┼", "┤")
		e.empty = false
	}
	t := e.table(boxSides)
	t.Append(e.cells)
	t.Render()
	dst = append(dst, e.out.Bytes()...)
	e.out.Reset()
	return dst, nil
}

func (e *tableRows) end(dst []byte) []byte { return appendRule(dst, e.rule, "└", "┴", "┘") }
