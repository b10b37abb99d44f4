package format

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clipperhouse/displaywidth"
)

// sampleRows is how many rows are held to find the widths of the columns, and
// sampleBytes how many bytes of cells at most.
const (
	sampleRows  = 200
	sampleBytes = 1 << 20
)

// minShrunk is the least width a column is shrunk to, if it was wider: room
// for a few characters and the remark how much was left out.
const minShrunk = 16

// A cell as people see it. Bytes are kept as far as a line could show them;
// anything else is text already.
type cell struct {
	data   []byte
	size   int // of all the bytes
	text   string
	kind   Kind
	isText bool // text says it all
}

// people prints for people: aligned by the widths of a sample, or in a box.
type people struct {
	out    *output
	o      Options
	now    time.Time
	cols   []Column
	width  int
	sample [][]cell
	held   int
	widths []int // known once settled
	box    *box  // nil for Pretty
	boxed  bool
}

func newPeople(out *output, o Options, m Mode, cols []Column) *people {
	return &people{out: out, o: o, now: o.now(), cols: cols, width: o.width(), boxed: m == Table}
}

func (p *people) row(cells []any) error {
	row := make([]cell, len(cells))
	for i, c := range cells {
		var err error
		if row[i], err = p.cell(p.cols[i], c); err != nil {
			return err
		}
		p.held += len(row[i].data)
	}
	if p.widths != nil {
		return p.print(row)
	}
	p.sample = append(p.sample, row)
	if len(p.sample) >= sampleRows || p.held >= sampleBytes {
		return p.settle()
	}
	return nil
}

// cell makes a cell of what Row was given.
func (p *people) cell(col Column, c any) (cell, error) {
	if isAbsent(c) {
		return cell{text: "-", isText: true}, nil
	}
	switch col.Kind {
	case Bytes, Text:
		b, err := cellBytes(c)
		// No character takes more than a handful of bytes a column; the odd
		// pile of combining marks is cut short.
		return cell{data: append([]byte(nil), b[:min(len(b), 16*p.width)]...), size: len(b), kind: col.Kind}, err
	case Size:
		n, ok := sizeOf(c)
		if ok {
			return cell{text: SizeText(n), isText: true}, nil
		}
	case Age:
		if t, ok := c.(time.Time); ok {
			return cell{text: AgeText(p.now.Sub(t)), isText: true}, nil
		}
	case TTL:
		if d, ok := c.(time.Duration); ok {
			return cell{text: AgeText(d), isText: true}, nil
		}
	case Time:
		if t, ok := c.(time.Time); ok {
			return cell{text: t.In(p.now.Location()).Format("2006-01-02 15:04:05"), isText: true}, nil
		}
	}
	b, err := appendCell(nil, col.Kind, c)
	return cell{text: string(b), isText: true}, err
}

func sizeOf(c any) (uint64, bool) {
	switch c := c.(type) {
	case int:
		return uint64(c), c >= 0
	case int64:
		return uint64(c), c >= 0
	case uint64:
		return c, true
	}
	return 0, false
}

// settle fixes the widths by the sample and prints it.
func (p *people) settle() error {
	if p.widths != nil {
		return nil
	}
	widths := make([]int, len(p.cols))
	for i, c := range p.cols {
		widths[i] = displaywidth.String(Safe(c.Name))
		for _, row := range p.sample {
			widths[i] = max(widths[i], displaywidth.String(row[i].show(p.width)))
		}
	}
	gap, edge := 2, 0
	if p.boxed {
		gap, edge = 3, 4
	}
	p.shrink(widths, p.width-edge-gap*(len(p.cols)-1))
	p.widths = widths
	if p.boxed {
		if err := p.startBox(); err != nil {
			return err
		}
	} else {
		p.header()
	}
	for _, row := range p.sample {
		if err := p.print(row); err != nil {
			return err
		}
	}
	p.sample = nil
	return nil
}

// shrink takes width from the widest columns of bytes until all fit.
func (p *people) shrink(widths []int, room int) {
	sum := 0
	for _, w := range widths {
		sum += w
	}
	for sum > room {
		widest := -1
		for i, c := range p.cols {
			if (c.Kind == Bytes || c.Kind == Text) && widths[i] > minShrunk && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
		sum--
	}
	// What is free goes to the last column of bytes: later rows may be longer.
	if last := len(p.cols) - 1; !p.boxed && last >= 0 && p.cols[last].Kind == Bytes {
		widths[last] += room - sum
	}
}

// SGR codes of the quiet colours: dim, and back to normal.
const (
	dim    = "\x1b[2m"
	normal = "\x1b[0m"
)

func (p *people) header() {
	var b strings.Builder
	for i, c := range p.cols {
		p.pad(&b, i, strings.ToUpper(Safe(c.Name)))
	}
	line := strings.TrimRight(b.String(), " ")
	if p.o.Color {
		line = dim + line + normal
	}
	p.out.buf = append(append(p.out.buf, line...), '\n')
}

// pad writes a cell of a column with the blanks around it.
func (p *people) pad(b *strings.Builder, i int, s string) {
	if i > 0 {
		b.WriteString("  ")
	}
	fill := max(0, p.widths[i]-displaywidth.String(s))
	if p.cols[i].Kind.right() {
		b.WriteString(strings.Repeat(" ", fill))
		fill = 0
	}
	b.WriteString(s)
	if i < len(p.cols)-1 {
		b.WriteString(strings.Repeat(" ", fill))
	}
}

func (p *people) print(row []cell) error {
	if p.box != nil {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = c.show(p.widths[i])
		}
		return p.box.row(texts)
	}
	var b strings.Builder
	for i, c := range row {
		p.pad(&b, i, c.show(p.widths[i]))
	}
	p.out.buf = append(append(p.out.buf, b.String()...), '\n')
	return p.out.ended()
}

func (p *people) close() error {
	if err := p.settle(); err != nil {
		return err
	}
	if p.box != nil {
		return p.box.close()
	}
	return nil
}

// show returns the cell in at most width columns. Only bytes are shortened,
// never a number or a time.
func (c cell) show(width int) string {
	switch {
	case c.isText:
		return c.text
	case c.kind == Text && c.size == 0:
		return ""
	}
	quote := c.size == 0 || !isQuiet(c.data)
	if len(c.data) == c.size {
		s := string(c.data)
		if quote {
			s = Quote(c.data)
		}
		if displaywidth.String(s) <= width {
			return s
		}
	}
	return shorten(c.data, c.size, width, quote)
}

// isQuiet reports whether bytes may stand in a column for people without
// quotes: they print as they are, and cannot be taken for a quoted or an absent
// cell, or for one that was shortened.
func isQuiet(b []byte) bool {
	if len(b) == 0 || b[0] == '"' || b[0] == '\'' || b[0] == ' ' || b[len(b)-1] == ' ' || string(b) == "-" {
		return false
	}
	if cut := len(b) - utf8.UTFMax; cut > 0 && !utf8.Valid(b) && utf8.Valid(b[:lastRune(b)]) {
		b = b[:lastRune(b)] // the copy was cut within a character
	}
	return isPlainText(b) && !strings.Contains(string(b), "…+") && !strings.Contains(string(b), "  ")
}

// lastRune is where the last, perhaps unfinished, character of b begins.
func lastRune(b []byte) int {
	i := len(b) - 1
	for i > 0 && len(b)-i < utf8.UTFMax && !utf8.RuneStart(b[i]) {
		i--
	}
	return i
}

// shorten shows as much of the beginning of size bytes as fits, and how many
// are left out: abc…+1.2 KiB, or "a\n"…+1.2 KiB.
func shorten(b []byte, size, width int, quote bool) string {
	rest := func(n int) string { return "…+" + SizeText(uint64(size-n)) }
	best, used, taken := "", 0, 0
	shown := []byte(nil)
	frame := 0
	if quote {
		shown, frame = append(shown, '"'), 2
	}
	g := displaywidth.BytesGraphemes(b)
	for used <= width && g.Next() {
		piece := g.Value()
		if taken+len(piece) >= size {
			break
		}
		from := len(shown)
		shown = appendEscaped(shown, piece, quote)
		used += displaywidth.Bytes(shown[from:])
		taken += len(piece)
		tail := rest(taken)
		if used+frame+displaywidth.String(tail) <= width {
			best = string(shown)
			if quote {
				best += `"`
			}
			best += tail
		}
	}
	if best == "" {
		best = rest(0)
	}
	return best
}
