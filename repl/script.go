package repl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Position is a place in a script.
type Position struct {
	Name   string // of the script, as messages show it
	Line   int    // from 1
	Column int    // in bytes, from 1
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.Name, p.Line, p.Column) }

// A PositionError is an error with the place in the script that it concerns.
type PositionError struct {
	Position Position
	Err      error
}

func (e *PositionError) Error() string { return e.Position.String() + ": " + e.Err.Error() }

func (e *PositionError) Unwrap() error { return e.Err }

// A ScriptCommand is a command with its place in the script.
type ScriptCommand struct {
	Command
	source source
}

// Position is the place where the command begins.
func (c ScriptCommand) Position() Position { return c.source.position(c.Words[0].Start) }

// Text is the command as it stands in the script.
func (c ScriptCommand) Text() string {
	return c.source.text[c.Words[0].Start:c.Words[len(c.Words)-1].End]
}

// source is the lines that one or more commands were split from.
type source struct {
	name string
	line int // number of the first line, from 1
	text string
}

func (s source) position(offset int) Position {
	before := s.text[:offset]
	return Position{
		Name:   s.name,
		Line:   s.line + strings.Count(before, "\n"),
		Column: offset - strings.LastIndexByte(before, '\n'),
	}
}

// maxLines bounds a line, with those behind it that an open quote makes part of
// it, in bytes: so much takes a value at its limit with every byte escaped.
// Input without an end must not take all memory.
const maxLines = 128<<20 + 1<<20

// errLines is what readCommandLines says of a line that is longer.
var errLines = &SyntaxError{Reason: "a line of more than 128 MiB"}

// scriptBuffer is how much of a script is read at once, in bytes.
const scriptBuffer = 64 << 10

// A Script reads the commands of a script one after the other: a line is asked
// for only when the commands before it were taken. Lines may have maxLines
// bytes, of any kind. Everything on a line is checked before its first
// command is returned.
type Script struct {
	in       *bufio.Reader
	at       source
	lines    int       // that the source has
	commands []Command // of the source; those before next were returned
	next     int
	failed   error // what Next returns before it goes on: the source is no commands
	ended    bool  // nothing is left to be read
}

// NewScript returns the script that r holds. Messages name it so.
func NewScript(name string, r io.Reader) *Script {
	return &Script{in: bufio.NewReaderSize(r, scriptBuffer), at: source{name: name, line: 1}}
}

// Next returns the next command. An error comes with the zero command: a *PositionError for bad
// syntax, behind which the script goes on with the next line; what the reader
// said, which ends it; or io.EOF.
func (s *Script) Next() (ScriptCommand, error) {
	for {
		if s.next < len(s.commands) {
			s.next++
			return ScriptCommand{Command: s.commands[s.next-1], source: s.at}, nil
		}
		if err := s.failed; err != nil {
			s.failed = nil
			return ScriptCommand{}, err
		}
		if s.ended {
			return ScriptCommand{}, io.EOF
		}
		s.load()
	}
}

// Peek returns the command that Next will return, if it was in the input
// already when that was last read, so that it had been sent before the command
// that Next returned last was begun. It never waits.
func (s *Script) Peek() (c Command, ok bool) {
	for s.next == len(s.commands) {
		if s.failed != nil || s.ended || !s.hasLine() {
			return Command{}, false
		}
		s.load()
	}
	return s.commands[s.next], true
}

// hasLine reports whether a line can be had without reading further input.
func (s *Script) hasLine() bool {
	b, _ := s.in.Peek(s.in.Buffered())
	n := bytes.IndexByte(b, '\n')
	// An open quote would go on behind the line.
	return n >= 0 && !hasQuote(b[:n])
}

// load reads a line, and further ones while a quote is open, and splits it
// into commands.
func (s *Script) load() {
	s.at.line += s.lines
	s.commands, s.next = s.commands[:0], 0
	text, lines, err := readCommandLines(s.in)
	s.at.text, s.lines = text, lines
	s.ended = err != nil
	if err == errLines {
		s.at.text = "" // nothing of it is worth being shown
		s.failed = &PositionError{Position: s.at.position(0), Err: errLines}
		return
	}
	if err != nil && err != io.EOF {
		s.failed = fmt.Errorf("%s: %w", s.at.name, err)
		return
	}
	s.commands, err = Split(s.commands, text, ScriptDoor)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		s.commands = s.commands[:0]
		s.failed = &PositionError{Position: s.at.position(syntax.Offset), Err: syntax}
	}
}

func hasQuote(line []byte) bool {
	return bytes.IndexByte(line, '"') >= 0 || bytes.IndexByte(line, '\'') >= 0
}

// readCommandLines reads a line, and further ones while a quote is open. The
// error io.EOF comes with the last text.
func readCommandLines(in *bufio.Reader) (text string, lines int, err error) {
	line, err := in.ReadSlice('\n')
	if err == nil && !hasQuote(line) {
		return string(line), 1, nil
	}
	var b []byte
	state := betweenWords
	for {
		b = append(b, line...)
		state = state.after(line)
		switch {
		case err == nil:
			lines++
			if !state.open() {
				return string(b), lines, nil
			}
		case err != bufio.ErrBufferFull:
			return string(b), lines, err
		}
		if len(b) > maxLines {
			return "", lines, errLines
		}
		line, err = in.ReadSlice('\n')
	}
}
