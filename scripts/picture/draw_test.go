package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"kvsh/repl/screentest"
)

// Sizes in pixels. A cell is as wide as a character of most fixed fonts is at
// this size; textLength makes it so for the others.
const (
	cellWidth  = 8.4
	lineHeight = 18
	margin     = 14
	fontSize   = 14
)

// Colours of the picture, which looks the same on a white page and a black one.
const (
	background = "#1b1f24"
	plain      = "#d6dce4"
)

// looks are the attributes of a text by the parameters of the SGR sequence that
// the program sends for it.
var looks = map[string]string{
	"":   "",
	"1":  ` font-weight="bold" fill="#ffffff"`,
	"2":  ` fill="#8b949e"`,
	"31": ` fill="#ff7b72"`,
	"32": ` fill="#7ee787"`,
	"33": ` fill="#e3b341"`,
	"35": ` fill="#d2a8ff"`,
	"36": ` fill="#79c0ff"`,
	"90": ` fill="#6e7681"`,
}

// draw is a screen as SVG: a rectangle, a line of text for each run of cells
// that look alike, and the cursor.
func draw(s screentest.Screen, columns int) []byte {
	width := 2*margin + int(cellWidth*float64(columns))
	height := 2*margin + lineHeight*len(s.Cells)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n", width, height, width, height)
	b.WriteString("<title>A session of kvsh</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="%s"/>`+"\n", width, height, background)
	fmt.Fprintf(&b, `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%d" fill="%s" xml:space="preserve">`+"\n", fontSize, plain)
	for row, cells := range s.Cells {
		for from := 0; from < len(cells); {
			to := from + 1
			for to < len(cells) && cells[to].Style == cells[from].Style {
				to++
			}
			drawRun(&b, cells[from:to], row, from)
			from = to
		}
	}
	fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="2" height="%d" fill="%s"/>`+"\n",
		x(s.Column), margin+lineHeight*s.Row+2, lineHeight-3, plain)
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

func x(column int) float64 { return margin + cellWidth*float64(column) }

// drawRun draws cells of one style. Blanks at the ends are left out: they show
// nothing.
func drawRun(b *bytes.Buffer, cells []screentest.Cell, row, column int) {
	var text strings.Builder
	for _, c := range cells {
		text.WriteString(c.Text)
	}
	shown := strings.TrimLeft(text.String(), " ")
	column += text.Len() - len(shown)
	if shown = strings.TrimRight(shown, " "); shown == "" {
		return
	}
	look, known := looks[cells[0].Style]
	if !known {
		look = ` fill="#ff00ff"` // to be seen, and put into looks
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f"%s>`,
		x(column), margin+lineHeight*row+fontSize, cellWidth*float64(screentest.Width(shown)), look)
	_ = xml.EscapeText(b, []byte(shown)) // to memory
	b.WriteString("</text>\n")
}
