package repl

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// NewPlainEditor returns the editor for a terminal that cannot move its cursor:
// it writes the prompt, reads a line of any length, and sends no escape codes.
func NewPlainEditor(in io.Reader, out io.Writer) Editor {
	return &plainEditor{in: bufio.NewReader(in), out: out}
}

type plainEditor struct {
	in      *bufio.Reader
	out     io.Writer
	printed printed // what is shown before the next prompt
}

func (e *plainEditor) ReadLine(ctx context.Context, prompt string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	if _, err := io.WriteString(e.out, string(e.printed.take())+prompt); err != nil {
		return "", err
	}
	line, err := e.in.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil // the last line has no newline
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

func (e *plainEditor) Ask(ctx context.Context, question string) (string, error) {
	return e.ReadLine(ctx, question)
}

func (e *plainEditor) Print(ctx context.Context, text string) error {
	return e.printed.put(ctx, text)
}

func (e *plainEditor) Remember(string) {}

func (e *plainEditor) Close() error {
	e.printed.close()
	return nil
}
