//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

// A unit is what the figures of a row are in.
type unit struct {
	name string
	more bool // more is better
}

var (
	millis    = unit{name: "ms"}
	micros    = unit{name: "µs"}
	perSecond = unit{name: "/s", more: true}
	megabytes = unit{name: "MB/s", more: true}
	mebibytes = unit{name: "MiB"}
)

// A program is what one program came to in a row.
type program struct {
	name              string
	runs              int
	low, median, high float64 // tenths and median of the runs, in the unit of the row
	cpu               float64 // median, had only processor time counted; 0: not measured
	peak              int64   // of resident memory, in KiB; 0: not measured
	disk              int64   // bytes on disk; 0: not measured
}

// A budget is a line of the design that a row is held against: the figure of a
// program is at most, or at least where more is better, factor times that of
// another one; or the factor itself, if against is empty.
type budget struct {
	of, against string
	factor      float64
	peakMiB     int64 // instead: the most memory
}

// A result is a row that was measured.
type result struct {
	title    string
	unit     unit
	programs []program
	budgets  []budget
}

func (r *result) program(name string) *program {
	for i := range r.programs {
		if r.programs[i].name == name {
			return &r.programs[i]
		}
	}
	return nil
}

// judge says whether a budget is met: of which program it is, what it asks, what
// the figure is that it asks that of, and "yes", "**no**" or why nobody can say.
func (r *result) judge(g budget) (of, text, got, met string) {
	verdict := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "**no**"
	}
	sign := "≤"
	if r.unit.more {
		sign = "≥"
	}
	text = fmt.Sprintf("%s %s %s", sign, figure(g.factor), r.unit.name)
	switch {
	case g.peakMiB > 0:
		text = fmt.Sprintf("peak ≤ %d MiB", g.peakMiB)
	case g.against != "":
		text = fmt.Sprintf("%s %g × %s", sign, g.factor, g.against)
	}
	p := r.program(g.of)
	if p == nil {
		return g.of, text, "", "not measured"
	}
	if g.peakMiB > 0 {
		return g.of, text, figure(float64(p.peak) / 1024), verdict(p.peak <= g.peakMiB<<10)
	}
	x := p.median
	got = figure(x)
	if g.against != "" {
		other := r.program(g.against)
		if other == nil {
			return g.of, text, "", "the other was not measured"
		}
		x /= other.median
		got = figure(x)
		if other.cpu > 0 && p.cpu > 0 {
			got += fmt.Sprintf(" (%s by processor time)", figure(p.cpu/other.cpu))
		}
	}
	return g.of, text, got, verdict(x == g.factor || r.better(x, g.factor))
}

// verdict is the judgement in a line.
func (r *result) verdict(g budget) string {
	of, text, got, met := r.judge(g)
	switch met {
	case "yes":
		return fmt.Sprintf("%s: %s, is %s: met", of, text, got)
	case "**no**":
		return fmt.Sprintf("%s: %s, is %s: **MISSED**", of, text, got)
	}
	return fmt.Sprintf("%s: %s: %s", of, text, met)
}

// write writes the row as a table of Markdown. The ratio is to the first
// program of the row.
func (r *result) write(w io.Writer) {
	fmt.Fprintf(w, "\n### %s\n\n", r.title)
	if len(r.programs) == 0 {
		fmt.Fprintln(w, "Nothing could be measured.")
		return
	}
	cpu, memory, disk := false, false, false
	for _, p := range r.programs {
		cpu, memory, disk = cpu || p.cpu > 0, memory || p.peak > 0, disk || p.disk > 0
	}
	head := []string{"program", r.unit.name, "tenths", "ratio", "runs"}
	if cpu {
		head = append(head, "cpu "+r.unit.name, "cpu ratio")
	}
	if memory {
		head = append(head, "peak MiB")
	}
	if disk {
		head = append(head, "disk MiB")
	}
	rows := [][]string{head}
	for _, p := range r.programs {
		row := []string{
			p.name, figure(p.median), figure(p.low) + "–" + figure(p.high),
			fmt.Sprintf("%.2f", p.median/r.programs[0].median), fmt.Sprint(p.runs),
		}
		switch {
		case cpu && p.cpu > 0 && r.programs[0].cpu > 0:
			row = append(row, figure(p.cpu), fmt.Sprintf("%.2f", p.cpu/r.programs[0].cpu))
		case cpu:
			row = append(row, "", "")
		}
		if memory {
			row = append(row, fmt.Sprintf("%.1f", float64(p.peak)/1024))
		}
		if disk {
			row = append(row, fmt.Sprintf("%.1f", float64(p.disk)/(1<<20)))
		}
		rows = append(rows, row)
	}
	writeTable(w, rows)
	if len(r.budgets) > 0 {
		fmt.Fprintln(w)
	}
	for _, g := range r.budgets {
		fmt.Fprintf(w, "- %s\n", r.verdict(g))
	}
}

// writeTable writes rows of which the first is the head and the first column
// is text.
func writeTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			blanks := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				fmt.Fprintf(w, "| %s%s ", cell, blanks)
			} else {
				fmt.Fprintf(w, "| %s%s ", blanks, cell)
			}
		}
		fmt.Fprintln(w, "|")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			if i == 0 {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
			} else {
				fmt.Fprintf(w, "|%s:", strings.Repeat("-", width+1))
			}
		}
		fmt.Fprintln(w, "|")
	}
}

// figure is a number with three digits that count, or all before the point.
func figure(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}
