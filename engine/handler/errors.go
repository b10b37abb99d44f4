package handler

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// An Error is a fault of a handler, by the place in its source.
type Error struct {
	Name   string // of the handler or file, as it was given to Compile
	Line   int    // from 1; 0 if the fault has no place
	Column int    // character in the line, from 1; 0 if it is not known
	Reason string // what is wrong there, for example "undefined: x"
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Name + ": " + e.Reason
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Reason)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Reason)
}

// A RefusalError is a handler that called fail: it says no. It is an answer,
// not a fault.
type RefusalError struct{ Message string }

func (e *RefusalError) Error() string { return e.Message }

// ErrArg is returned for an argument that is not the JSON it must be.
var ErrArg = errors.New("not a JSON argument")

// errorAt is the fault at a position.
func errorAt(name string, pos syntax.Position, reason string) *Error {
	return &Error{Name: name, Line: int(pos.Line), Column: int(pos.Col), Reason: reason}
}

// compileError puts the errors of the Starlark front end into those of this
// package. Of several it is the first.
func compileError(name string, err error) error {
	var (
		scan     syntax.Error
		resolved resolve.ErrorList
	)
	switch {
	case errors.As(err, &scan):
		return errorAt(name, scan.Pos, scan.Msg)
	case errors.As(err, &resolved):
		return errorAt(name, resolved[0].Pos, resolved[0].Msg)
	}
	return &Error{Name: name, Reason: err.Error()}
}

// runError puts what ended a run into the errors of this package: the place is
// the innermost one in the handler itself.
func runError(name string, err error) error {
	var (
		refusal *RefusalError
		eval    *starlark.EvalError
	)
	if errors.As(err, &refusal) {
		return refusal
	}
	if !errors.As(err, &eval) {
		return &Error{Name: name, Reason: err.Error()}
	}
	reason := strings.TrimPrefix(eval.Msg, "Starlark computation cancelled: ")
	for i := range eval.CallStack {
		if pos := eval.CallStack.At(i).Pos; pos.Filename() == name && pos.Line > 0 {
			return errorAt(name, pos, reason)
		}
	}
	return &Error{Name: name, Reason: reason}
}
