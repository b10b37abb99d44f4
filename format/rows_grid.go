package format

import (
	"time"

	"github.com/clipperhouse/displaywidth"
)

// A grid is what pretty and table have in common: columns with a width in
// columns of the terminal.
type grid struct {
	cols   []Column
	names  []string // of the columns, safe for a terminal
	widths []int    // of each column; 0 until fit
	total  int      // columns of the terminal; 0: no limit
	gap    int      // between two columns
	edges  int      // before the first and after the last column together
	now    time.Time
	ages   bool // times are shown as ages, which are shorter
	cut    bool // a cell was shortened
}

// wasCut reports whether a cell was shortened so far.
func (g *grid) wasCut() bool { return g.cut }

// used is the columns of the terminal that a row takes.
func (g *grid) used() int {
	n := g.edges + g.gap*(len(g.cols)-1)
	for _, w := range g.widths {
		n += w
	}
	return n
}

func newGrid(o Options, cols []Column, gap, edges int) grid {
	g := grid{cols: cols, total: max(o.Width, 0), gap: gap, edges: edges, now: o.Now}
	g.names = make([]string, len(cols))
	for i, c := range cols {
		g.names[i] = Safe(c.Name)
	}
	g.widths = make([]int, len(cols))
	return g
}

// alignsRight reports whether column i holds numbers, whose ends line up.
func (g *grid) alignsRight(i int) bool {
	switch g.cols[i].Kind {
	case Int, Size, Age, TTL:
		return true
	case Time:
		return g.ages
	}
	return false
}

// fit gives each column the width of its widest cell in the sample. If that is
// more than the terminal has, columns of bytes and text share what the others
// leave: the narrow ones get what they need, the wide ones equal parts. Where
// that is not enough, times become ages. It reports whether a row then fits.
func (g *grid) fit(sample [][]cell) bool {
	g.measure(sample)
	if g.total > 0 && g.used() > g.total {
		g.ages = true
		g.measure(sample)
	}
	return g.total == 0 || g.used() <= g.total
}

// measure gives each column its width, as fit says.
func (g *grid) measure(sample [][]cell) {
	fixed := g.edges + g.gap*(len(g.cols)-1)
	var flexible []int
	for i := range g.cols {
		w := displaywidth.String(g.names[i])
		for _, row := range sample {
			w = max(w, g.show(i, &row[i], g.total).width)
		}
		g.widths[i] = w
		if g.cols[i].Kind <= Text && !g.cols[i].Whole {
			flexible = append(flexible, i)
		} else {
			fixed += w
		}
	}
	if g.total == 0 {
		return
	}
	g.share(flexible, g.total-fixed)
}

// share narrows the given columns so that together they take at most room, but
// none to less than minWidth.
func (g *grid) share(flexible []int, room int) {
	for len(flexible) > 0 {
		part := max(room/len(flexible), minWidth)
		var wide []int
		for _, i := range flexible {
			if g.widths[i] <= part {
				room -= g.widths[i]
			} else {
				wide = append(wide, i)
			}
		}
		if len(wide) < len(flexible) {
			flexible = wide // and share again what the narrow ones left
			continue
		}
		for _, i := range wide {
			g.widths[i] = part
			room -= part
		}
		if last := wide[len(wide)-1]; room > 0 {
			g.widths[last] += room // what division left over
		}
		return
	}
}

// appendSpaces appends n blanks.
func appendSpaces(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, ' ')
	}
	return dst
}
