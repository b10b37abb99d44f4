package format

import (
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

// A box draws a table with lines around its cells. The cells come escaped and
// fitted: all the cleverness of the library is off, since it changes data.
type box struct {
	table *tablewriter.Table
}

// startBox draws the head of the box.
func (p *people) startBox() error {
	widths := tw.NewMapper[int, int]()
	aligns := make([]tw.Align, len(p.cols))
	header := make([]string, len(p.cols))
	for i, c := range p.cols {
		// A number is never cut, so the column of a stream has room to grow.
		if c.Kind == Int && len(p.sample) >= sampleRows {
			p.widths[i] += 3
		}
		widths.Set(i, p.widths[i]+2)
		header[i] = Safe(c.Name)
		aligns[i] = tw.AlignLeft
		if c.Kind.right() {
			aligns[i] = tw.AlignRight
		}
	}
	t := tablewriter.NewTable(
		boxWriter{p.out},
		tablewriter.WithStreaming(tw.StreamConfig{Enable: true}),
		tablewriter.WithColumnWidths(widths),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithRowAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithTrimLine(tw.Off),
		tablewriter.WithTrimTab(tw.Off),
		tablewriter.WithAutoHide(tw.Off),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{Global: tw.AlignLeft, PerColumn: aligns}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{Global: tw.AlignLeft, PerColumn: aligns}),
	)
	if err := t.Start(); err != nil {
		return err
	}
	t.Header(header)
	p.box = &box{table: t}
	return nil
}

func (b *box) row(texts []string) error { return b.table.Append(texts) }

func (b *box) close() error { return b.table.Close() }

// A boxWriter gathers the many small writes of the library.
type boxWriter struct{ out *output }

func (w boxWriter) Write(b []byte) (int, error) {
	w.out.buf = append(w.out.buf, b...)
	return len(b), w.out.ended()
}
