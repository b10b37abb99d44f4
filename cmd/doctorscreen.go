package cmd

import (
	"fmt"
	"slices"
	"strings"

	"kvsh/format"
)

// The screen of the doctor. A terminal of this size shows all of it.
const (
	doctorWidth  = 80
	doctorHeight = 24
)

// findings writes rows for programs, a screen for people.
func (s *Session) findings(found []finding) error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	if m == format.Pretty || m == format.Auto && s.OutTerminal && !s.redirected {
		for _, line := range screen(found, format.Word([]byte(s.path()))) {
			if _, err := fmt.Fprintln(s.out, line); err != nil {
				return err
			}
		}
		return nil
	}
	rows, err := s.rows(
		format.Column{Name: "state", Kind: format.Text}, format.Column{Name: "what", Kind: format.Text},
		format.Column{Name: "text", Kind: format.Text}, format.Column{Name: "command", Kind: format.Text})
	if err != nil {
		return err
	}
	for _, f := range found {
		var command any
		if f.command != "" {
			command = f.command
		}
		// The first error stays with rows, and Close returns it.
		_ = rows.Row(string(f.state), f.what, f.text, command)
	}
	return rows.Close()
}

// screen is the findings in lines that fit a terminal. Where there are too many
// lines, what is well gives way to what is not. db is how the database is typed.
func screen(found []finding, db string) []string {
	type entry struct {
		state healthState
		lines []string
	}
	var entries []entry
	counts := make(map[healthState]int)
	total := 1 // the last line
	for _, f := range found {
		e := entry{f.state, f.lines(db)}
		entries = append(entries, e)
		counts[f.state]++
		total += len(e.lines)
	}
	hidden := 0
	for i := len(entries) - 1; i >= 0 && total > doctorHeight-1; i-- { // and a line for the prompt
		if entries[i].state == healthy {
			total -= len(entries[i].lines)
			entries = slices.Delete(entries, i, i+1)
			hidden++
		}
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.lines...)
	}
	last := fmt.Sprintf("%d ok", counts[healthy])
	if hidden > 0 {
		last += fmt.Sprintf(" (%d not shown)", hidden)
	}
	return append(lines, fmt.Sprintf("%s, %d to look at, %d bad", last, counts[attention], counts[broken]))
}

// lines is a finding for people: state, what, text, and the command behind an
// arrow, on a line of its own where there is no room. The path of the database
// gives way to dots where there is none even then: it stands in the first line.
func (f *finding) lines(db string) []string {
	const indent = 17
	text := []rune(format.Safe(f.text))
	if most := doctorWidth - indent; len(text) > most {
		text = append(text[:most-1], '…')
	}
	line := fmt.Sprintf("%-4s  %-10s %s", f.state, f.what, string(text))
	if f.command == "" {
		return []string{line}
	}
	arrow := "→ " + format.Safe(f.command)
	if len([]rune(line))+2+len([]rune(arrow)) <= doctorWidth {
		return []string{line + "  " + arrow}
	}
	if indent+len([]rune(arrow)) > doctorWidth {
		arrow = strings.Replace(arrow, " "+db, " …", 1)
	}
	return []string{line, fmt.Sprintf("%*s%s", indent, "", arrow)}
}
