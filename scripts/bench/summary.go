//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// floors are the contenders below which nothing can come.
var floors = []string{"bare Go", handSet, handAppend}

const (
	handSet    = "open, flock, append, fsync by hand"
	handAppend = "append and fsync by hand"
)

// isOurs reports whether a program is kvsh.
func (p *program) isOurs() bool { return strings.HasPrefix(p.name, "kvsh") }

// better reports whether x is a better figure of the row than y.
func (r *result) better(x, y float64) bool { return x < y != r.unit.more }

// best returns the best of the programs that ok takes, or nil.
func (r *result) best(ok func(*program) bool) (best *program) {
	for i := range r.programs {
		if p := &r.programs[i]; ok(p) && (best == nil || r.better(p.median, best.median)) {
			best = p
		}
	}
	return best
}

// lines are what stands of a row in the table of all: a line for each program
// that is kvsh, with the first budget of it, and one for each further budget.
func (r *result) lines() [][]string {
	isFloor := func(p *program) bool { return slices.Contains(floors, p.name) }
	floor := r.best(isFloor)
	peer := r.best(func(p *program) bool { return !p.isOurs() && !isFloor(p) })
	cell := func(p *program, named bool) string {
		switch {
		case p == nil:
			return ""
		case named:
			return p.name + " " + figure(p.median)
		}
		return figure(p.median)
	}
	ours := 0
	for i := range r.programs {
		if r.programs[i].isOurs() {
			ours++
		}
	}
	var all [][]string
	for i := range r.programs {
		p := &r.programs[i]
		if !p.isOurs() {
			continue
		}
		title := r.title
		if ours > 1 {
			title += ": " + strings.TrimLeft(strings.TrimPrefix(p.name, "kvsh"), ", ")
		}
		ratio := ""
		if peer != nil {
			ratio = fmt.Sprintf("%.2f", p.median/peer.median)
		}
		line := []string{title, figure(p.median) + " " + r.unit.name, cell(peer, true), cell(floor, false), ratio, "", ""}
		first := true
		for _, g := range r.budgets {
			if g.of != p.name {
				continue
			}
			if !first {
				line = []string{"", "", "", "", "", "", ""}
			}
			_, text, got, met := r.judge(g)
			line[5], line[6] = text, met
			if got != "" {
				line[6] += ", " + got
			}
			all = append(all, line)
			first = false
		}
		if first {
			all = append(all, line)
		}
	}
	return all
}

// report writes all that was measured: first a table with every row, then what
// each rests on.
func (b *bench) report(w io.Writer, head string, begin time.Time) {
	fmt.Fprint(w, head)
	fmt.Fprintf(w, "\n## All rows\n\nRatios are to the best peer; a budget may be against another one. "+
		"The floor is what the system takes by itself, in the unit of the row.\n\n")
	rows := [][]string{{"row", "kvsh", "best peer", "floor", "ratio", "budget", "met"}}
	met, missed := 0, 0
	for i := range b.results {
		r := &b.results[i]
		rows = append(rows, r.lines()...)
		for _, g := range r.budgets {
			switch _, _, _, verdict := r.judge(g); verdict {
			case "yes":
				met++
			case "**no**":
				missed++
			}
		}
	}
	writeTable(w, rows)
	fmt.Fprintf(w, "\n%d budgets met, %d missed. All of it took %v.\n", met, missed, time.Since(begin).Round(time.Second))
	if len(b.notes) > 0 {
		fmt.Fprintf(w, "\n## Not measured\n\n")
		for _, n := range b.notes {
			fmt.Fprintf(w, "- %s\n", strings.TrimSpace(strings.ReplaceAll(n, "\n", " ")))
		}
	}
	fmt.Fprintf(w, "\n## Each row\n")
	for i := range b.results {
		b.results[i].write(w)
	}
}
