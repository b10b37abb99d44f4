package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/format"
)

// This file is where the settings of a line become options of package format.

// modeNames are the output modes, as help lists them.
var modeNames = []string{"auto", "raw", "pretty", "quoted", "table", "jsonl", "json", "csv", "tsv", "nul", "hex", "kvsh", "env"}

// mode is the output mode of the line; format.Auto if none was chosen.
func (s *Session) mode() (format.Mode, error) {
	switch {
	case s.set.JSON:
		return format.JSONL, nil
	case s.set.NUL:
		return format.NUL, nil
	case s.set.Mode == "auto":
		return format.Auto, nil
	}
	m, err := format.ParseMode(s.set.Mode)
	if err != nil {
		return 0, &usageError{
			reason: fmt.Sprintf("--mode: unknown mode %s", quoted(s.set.Mode)),
			hint:   "modes are " + strings.Join(modeNames, " "),
		}
	}
	return m, nil
}

// options is how the data of the line is written.
func (s *Session) options() (format.Options, error) {
	m, err := s.mode()
	if err != nil {
		return format.Options{}, err
	}
	o := format.Options{Mode: m, Now: time.Now(), Newline: s.endsValues()}
	if s.OutTerminal && !s.redirected {
		o.Terminal = true
		o.Width = s.Width()
		o.Color = s.colors() && s.Getenv("TERM") != "" // else nobody said what it can show
		o.Cut = func() { s.remark("shortened to the width; -m quoted shows the whole") }
	} else if s.Getenv("CLICOLOR_FORCE") != "" && s.Getenv("CLICOLOR_FORCE") != "0" {
		o.Color = s.colors()
	}
	return o, nil
}

// colors reports whether nothing speaks against colour.
func (s *Session) colors() bool {
	return !s.set.NoColor && s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb"
}

// endsValues reports whether a value is followed by a newline: where a person
// or a line of a script asked for it. In a file or pipe it is its own bytes.
func (s *Session) endsValues() bool {
	switch {
	case s.set.Newline:
		return true
	case s.redirected:
		return s.shell.sink != nil // of many commands, whose values are to be told apart
	}
	return s.OutTerminal || s.door != doorProcess
}

// isPlain reports whether data goes out as bytes, one item after the other,
// which needs nothing of package format.
func (s *Session) isPlain() bool {
	if s.set.JSON || s.set.NUL || s.OutTerminal && !s.redirected {
		return false
	}
	return s.set.Mode == "raw" || s.set.Mode == "auto"
}

// rows starts a table on the output.
func (s *Session) rows(columns ...format.Column) (*format.Rows, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	return format.NewRows(s.out, o, columns...), nil
}

// number writes the one number that a command answers with.
func (s *Session) number(name string, n int64) error {
	m, err := s.mode()
	if err != nil {
		return err
	}
	switch m {
	case format.Auto, format.Raw, format.Pretty, format.Quoted, format.Hex:
		b := strconv.AppendInt(s.out.AvailableBuffer(), n, 10)
		_, err = s.out.Write(append(b, '\n'))
		return err
	}
	return s.row([]format.Column{{Name: name, Kind: format.Int}}, n)
}

// row writes a table of one row.
func (s *Session) row(columns []format.Column, cells ...any) error {
	rows, err := s.rows(columns...)
	if err != nil {
		return err
	}
	if err := rows.Row(cells...); err != nil {
		return err
	}
	return rows.Close()
}

// value writes the value of an entry, by itself or, in modes that have names
// for things, as a record.
func (s *Session) value(e engine.Entry, newline bool) error {
	if s.isPlain() {
		_, err := s.out.Write(e.Value)
		if err == nil && newline {
			err = s.out.WriteByte('\n')
		}
		return err
	}
	o, err := s.options()
	if err != nil {
		return err
	}
	o.Newline = newline
	return format.WriteValue(s.out, o, e.Key, e.Value)
}

// isRecordMode reports whether a mode writes values as records with names.
func isRecordMode(m format.Mode) bool {
	switch m {
	case format.JSONL, format.JSON, format.CSV, format.TSV, format.Table:
		return true
	}
	return false
}
