package format

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// A sample ends at so many rows or bytes, whichever comes first.
const (
	sampleRows  = 200
	sampleBytes = 1 << 20
)

// Rows writes rows in one of the modes. Use it from one goroutine, and Close it
// whatever happened.
type Rows struct {
	w      *bufio.Writer
	cols   []Column
	enc    encoder
	wanted int // rows the encoder wants to see before it begins; 0 once it began
	limit  int // bytes of a cell that the encoder can use
	sample [][]cell
	held   int // bytes in sample
	began  bool
	cells  []cell // of the row at hand
	arena  []byte // the strings of the row at hand
	buf    []byte // the row at hand, encoded
	err    error  // the first error; nothing is written after it
	onCut  func() // Options.Cut
}

// An encoder turns the rows of one mode into bytes. Each method appends to dst
// what is to be written.
type encoder interface {
	// begin comes first, and once. sample holds the first rows, which row is
	// given again; it is all rows if there are fewer than the encoder wanted.
	begin(dst []byte, sample [][]cell) []byte

	// row is given cells it must not keep. On an error dst is dropped.
	row(dst []byte, cells []cell) ([]byte, error)

	// end comes last, and not after an error.
	end(dst []byte) []byte
}

// NewRows starts rows of the given columns, of which there must be one at
// least. Columns named key, value, cf and expires mean that in modes Kvsh and
// Env.
func NewRows(w io.Writer, o Options, cols ...Column) *Rows {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	r := &Rows{w: bufio.NewWriterSize(w, 64<<10), cols: cols, limit: maxInt, onCut: o.Cut}
	switch mode := o.resolve(len(cols)); mode {
	case Pretty:
		r.enc = &prettyRows{grid: newGrid(o, cols, 2, 0), color: o.Color}
		if len(cols) > 1 { // a single column has nothing to align
			r.wanted = sampleRows
		}
		r.limit = keepForWidth(o.Width)
	case Table:
		r.enc = &tableRows{grid: newGrid(o, cols, 3, 4)}
		r.wanted = sampleRows
		r.limit = keepForWidth(o.Width)
	case CSV:
		r.enc = &csvRows{cols: cols, terminal: o.Terminal}
		r.wanted = sampleRows
	case JSON, JSONL:
		r.enc = newJSONRows(mode, cols)
	case Kvsh, Env:
		r.enc = newScriptRows(mode, cols)
	default:
		r.enc = &lineRows{mode: mode, cols: cols, header: mode == TSV && (o.Header || o.Terminal), terminal: o.Terminal}
	}
	return r
}

const maxInt = int(^uint(0) >> 1)

// Row writes one row: a cell for each column, of a type that the Kind of the
// column takes, or nil for absent. Bytes are not used after Row returns. After
// an error nothing more is written, and it is returned from then on: an error
// of the writer, ErrNUL, ErrMode or ErrEnvName.
func (r *Rows) Row(cells ...any) error {
	if r.err != nil {
		return r.err
	}
	if len(cells) != len(r.cols) {
		panic(fmt.Sprintf("format: a row of %d cells for %d columns", len(cells), len(r.cols)))
	}
	r.cells, r.arena = r.cells[:0], r.arena[:0]
	for i, v := range cells {
		r.cells = append(r.cells, newCell(r.cols[i].Kind, v, &r.arena))
	}
	if len(r.sample) < r.wanted {
		r.hold()
		if len(r.sample) < r.wanted && r.held < sampleBytes {
			return nil
		}
		return r.begin()
	}
	if !r.began {
		if err := r.begin(); err != nil {
			return err
		}
	}
	return r.write(r.cells)
}

// hold adds the row at hand to the sample.
func (r *Rows) hold() {
	row := make([]cell, len(r.cells))
	for i, c := range r.cells {
		limit := r.limit
		if r.cols[i].Whole {
			limit = maxInt
		}
		row[i] = c.keep(limit)
		r.held += len(row[i].b)
	}
	r.sample = append(r.sample, row)
}

// begin starts the output and writes the rows held so far.
func (r *Rows) begin() error {
	sample := r.sample
	r.sample, r.wanted, r.began = nil, 0, true
	r.buf = r.enc.begin(r.buf[:0], sample)
	if _, r.err = r.w.Write(r.buf); r.err != nil {
		return r.err
	}
	for _, cells := range sample {
		if err := r.write(cells); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rows) write(cells []cell) error {
	if r.buf, r.err = r.enc.row(r.buf[:0], cells); r.err == nil {
		_, r.err = r.w.Write(r.buf)
	}
	return r.err
}

// Flush writes out every row so far, for output that somebody is waiting for.
// Where columns are aligned, the rows so far fix their widths.
func (r *Rows) Flush() error {
	if r.err == nil && !r.began && len(r.sample) > 0 {
		_ = r.begin() // its error is in r.err
	}
	if err := r.w.Flush(); r.err == nil {
		r.err = err
	}
	return r.err
}

// Close ends the output and flushes it. It does not close the writer. After an
// error it writes the rows that came before it, but leaves the output without
// its end, so that it cannot pass for whole, and returns that error.
func (r *Rows) Close() error {
	if r.err == nil && !r.began {
		_ = r.begin()
	}
	if r.err == nil {
		r.buf = r.enc.end(r.buf[:0])
		_, r.err = r.w.Write(r.buf)
	}
	if err := r.w.Flush(); r.err == nil {
		r.err = err
	}
	if g, ok := r.enc.(interface{ wasCut() bool }); ok && r.err == nil && r.onCut != nil && g.wasCut() {
		r.onCut()
	}
	return r.err
}
