//go:build !unix

package repl

import (
	"errors"
	"io"
	"os"
)

// The editor moves its cursor on terminals of Unix alone; elsewhere lines are
// read plainly, see NewEditor.

var terminalSignals []os.Signal

func isResize(os.Signal) bool { return false }

func stopGroup() error { return errors.ErrUnsupported }

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

type input struct{}

func newInput(int) (*input, error) { return nil, errors.ErrUnsupported }

func (*input) Read([]byte) (int, error) { return 0, io.EOF }
func (*input) Close() error             { return nil }
func (*input) proceed()                 {}
func (*input) notify()                  {}
func (*input) release() error           { return nil }
