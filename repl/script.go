package repl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
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
	source *source
}

// Position is the place where the command begins.
func (c ScriptCommand) Position() Position { return c.source.position(c.Words[0].Start) }

// source is the lines that one or more commands were split from.
type source struct {
	name string
	line int // number of the first line, from 1
	text string
}

func (s *source) position(offset int) Position {
	before := s.text[:offset]
	return Position{
		Name:   s.name,
		Line:   s.line + strings.Count(before, "\n"),
		Column: offset - strings.LastIndexByte(before, '\n'),
	}
}

// scriptBuffer is how much of a script is read at once, in bytes.
const scriptBuffer = 64 << 10

// Script yields the commands of a script one after the other, as they are
// read: a line is asked for only when the commands before it were taken. Lines
// have no limit, the bytes in them may be any. Everything on a line is checked
// before the first command of it is yielded.
//
// An error, a *PositionError for bad syntax or what the reader said, comes with
// the zero command. After bad syntax the script goes on with the next line if
// the caller does; other errors are the last pair.
//
// A yielded command is good until the next one is asked for.
func Script(name string, r io.Reader) iter.Seq2[ScriptCommand, error] {
	return func(yield func(ScriptCommand, error) bool) {
		in := bufio.NewReaderSize(r, scriptBuffer)
		var commands []Command
		src := source{name: name, line: 1}
		for {
			text, lines, readErr := readCommandLines(in)
			src.text = text
			var err error
			if readErr != nil && readErr != io.EOF {
				yield(ScriptCommand{}, fmt.Errorf("%s: %w", name, readErr))
				return
			}
			commands, err = Split(commands[:0], text, ScriptDoor)
			if err != nil {
				var syntax *SyntaxError
				errors.As(err, &syntax)
				if !yield(ScriptCommand{}, &PositionError{Position: src.position(syntax.Offset), Err: syntax}) {
					return
				}
			}
			for _, c := range commands {
				if !yield(ScriptCommand{Command: c, source: &src}, nil) {
					return
				}
			}
			if readErr == io.EOF {
				return
			}
			src.line += lines
		}
	}
}

// readCommandLines reads a line, and further ones while a quote is open. The
// error io.EOF comes with the last text.
func readCommandLines(in *bufio.Reader) (text string, lines int, err error) {
	line, err := in.ReadSlice('\n')
	if err == nil && bytes.IndexByte(line, '"') < 0 && bytes.IndexByte(line, '\'') < 0 {
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
		line, err = in.ReadSlice('\n')
	}
}
