package format

import (
	"bytes"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

// tableRows draws a box. The library that draws it is given cells that are
// safe, padded and fit already, and told to leave them alone. It cannot say
// that writing failed, so it writes to memory.
type tableRows struct {
	grid
	out   bytes.Buffer
	table *tablewriter.Table
	cells []string // of the row at hand
	err   error    // of starting the table
}

func (e *tableRows) begin(dst []byte, sample [][]cell) []byte {
	e.fit(sample)
	e.cells = make([]string, len(e.cols))
	e.start()
	return e.drain(dst)
}

// start draws the top of a box with columns of e.widths.
func (e *tableRows) start() {
	widths := tw.NewMapper[int, int]()
	rows := make([]tw.Align, len(e.cols))
	names := make([]tw.Align, len(e.cols))
	for i, w := range e.widths {
		widths.Set(i, w+2) // with the blanks beside the cell
		rows[i], names[i] = tw.AlignLeft, tw.AlignLeft
		if e.alignsRight(i) {
			rows[i], names[i] = tw.AlignRight, tw.AlignRight
		}
	}
	e.table = tablewriter.NewTable(&e.out,
		tablewriter.WithStreaming(tw.StreamConfig{Enable: true}),
		tablewriter.WithColumnWidths(widths),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithTrimTab(tw.Off),
		tablewriter.WithTrimLine(tw.Off),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithRowAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: names}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: rows}),
	)
	if e.err = e.table.Start(); e.err == nil {
		e.table.Header(e.names)
	}
}

func (e *tableRows) row(dst []byte, cells []cell) ([]byte, error) {
	tooWide := false
	for i := range cells {
		s := e.show(i, &cells[i], e.widths[i])
		e.cells[i] = s.text + s.rest
		if s.width > e.widths[i] {
			e.widths[i] = s.width
			tooWide = true
		}
	}
	if tooWide && e.err == nil {
		dst = e.end(dst)
		e.start()
	}
	if e.err != nil {
		return dst, e.err
	}
	if err := e.table.Append(e.cells); err != nil {
		return dst, err
	}
	return e.drain(dst), nil
}

func (e *tableRows) end(dst []byte) []byte {
	// It fails only where the buffer would, which it cannot.
	_ = e.table.Close()
	return e.drain(dst)
}

// drain moves what was drawn to dst.
func (e *tableRows) drain(dst []byte) []byte {
	dst = append(dst, e.out.Bytes()...)
	e.out.Reset()
	return dst
}
