package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kvsh/engine"
	"kvsh/format"
)

// inspectOptions are the flags of inspect.
type inspectOptions struct {
	offset int64
	limit  int // parts; 0: all
	hex    bool
}

func newInspect(s *Session) *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show the parts of one file, whole or damaged",
		Long: `Says what a file of a database is and shows its parts in order: of a segment the
records and their operations, of a table or snapshot header, blocks, index,
filters, properties and footer, of MARK, MANIFEST, FORMAT and files in
quarantine/ their fields. It needs no database around the file, and goes on
behind bad places. A row is offset, length, what, state (good or bad), the
fields, and what is wrong. The first row is the file.`,
		Example:     "kvsh inspect t.kv/MARK\nkvsh inspect --json --limit 9 t.kv/log/00000000000000000001",
		Args:        operands(1, 1),
		Annotations: exits("0, 4 a part is bad, 7 no file that kvsh writes"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.offset < 0 || o.limit < 0 {
				return usageOf(c, "--offset and --limit: not below zero")
			}
			if err := s.otherPath("inspect", args[0]); err != nil {
				return err
			}
			return s.inspect(c.Context(), args[0], o)
		},
	}
	f := c.Flags()
	f.Int64Var(&o.offset, "offset", 0, "begin with the part at byte `N`")
	f.IntVar(&o.limit, "limit", 0, "at most `N` parts")
	f.BoolVar(&o.hex, "hex", false, "the bytes of each part as a hex dump")
	return c
}

// inspect writes the parts of a file.
func (s *Session) inspect(ctx context.Context, path string, o inspectOptions) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &usageError{
			reason: fmt.Sprintf("inspect %q: a directory", path),
			hint:   `name a file in it, such as MARK or one of log/ and tables/; "kvsh check" looks at all of them`,
		}
	}
	write, end, err := s.pieceWriter(path, o.hex)
	if err != nil {
		return err
	}
	var bad, inner error
	n := 0
	err = engine.Inspect(ctx, nil, path, o.offset, func(p engine.Piece) bool {
		if p.Bad != "" && bad == nil {
			bad = &engine.CorruptError{File: path, Offset: p.Offset, Reason: p.What + ": " + p.Bad}
		}
		inner = write(&p)
		n++
		return inner == nil && n != o.limit
	})
	if errors.Is(err, engine.ErrForeign) {
		return err // which names the file
	}
	if err := errors.Join(err, inner, end()); err != nil {
		return err
	}
	if bad != nil {
		return fmt.Errorf("inspect: %w", bad)
	}
	return nil
}

// pieceWriter is how the line wants to see parts: as rows, or each as its
// fields and its bytes.
func (s *Session) pieceWriter(path string, hex bool) (write func(*engine.Piece) error, end func() error, err error) {
	people, err := s.forPeople()
	if err != nil {
		return nil, nil, err
	}
	if hex {
		return s.pieceDump(path)
	}
	if people { // whose terminal would shorten the fields, of which a row lives
		write = func(p *engine.Piece) error {
			_, err := fmt.Fprintln(s.out, pieceLine(p))
			return err
		}
		return write, func() error { return nil }, nil
	}
	rows, err := s.rows(
		format.Column{Name: "offset", Kind: format.Int}, format.Column{Name: "length", Kind: format.Int},
		format.Column{Name: "what", Kind: format.Text}, format.Column{Name: "state", Kind: format.Text},
		format.Column{Name: "detail", Kind: format.Text}, format.Column{Name: "reason", Kind: format.Text})
	if err != nil {
		return nil, nil, err
	}
	write = func(p *engine.Piece) error {
		var reason any
		if p.Bad != "" {
			reason = p.Bad
		}
		return rows.Row(p.Offset, p.Length, p.What, pieceState(p), p.Detail, reason)
	}
	return write, rows.Close, nil
}

func pieceState(p *engine.Piece) string {
	if p.Bad != "" {
		return "bad"
	}
	return "good"
}

// pieceLine is a part as a line for people.
func pieceLine(p *engine.Piece) string {
	line := fmt.Sprintf("%d+%d  %s  %s", p.Offset, p.Length, p.What, p.Detail)
	if p.Bad != "" {
		line += "  bad: " + p.Bad
	}
	return format.Safe(line)
}

// pieceDump writes parts with their bytes. The first part, the whole file, is
// a line alone.
func (s *Session) pieceDump(path string) (write func(*engine.Piece) error, end func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("inspect: %w", err)
	}
	isFile := true
	write = func(p *engine.Piece) error {
		if _, err := fmt.Fprintln(s.out, pieceLine(p)); err != nil || isFile {
			isFile = false
			return err
		}
		b := make([]byte, p.Length)
		n, err := f.ReadAt(b, p.Offset)
		if n < len(b) {
			return err
		}
		return format.HexdumpAt(s.out, p.Offset, b)
	}
	return write, f.Close, nil
}
