package format

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// Rows writes rows of cells in a mode. It keeps no byte of a cell after Row
// returns. Memory is bounded by the largest row, but for the first 200 rows
// that Pretty and Table hold to find the widths, and the first megabyte that
// CSV holds to find the columns.
type Rows struct {
	out    output
	o      Options
	cols   []Column
	mode   Mode
	rows   int64
	csv    *csvWriter
	people *people
	closed bool
	buf    []byte   // of one cell
	fields [][]byte // of one line of CSV
	bufs   [][]byte // their memory
}

// NewRows returns Rows with the columns cols that print to w as o says.
func NewRows(w io.Writer, o Options, cols ...Column) *Rows {
	r := &Rows{out: output{w: w}, o: o, cols: cols, mode: o.resolve(len(cols))}
	switch r.mode {
	case CSV:
		r.csv = r.newCSV()
	case Pretty, Table:
		r.people = newPeople(&r.out, o, r.mode, cols)
	case TSV:
		if o.Terminal {
			r.writeTSVHeader()
		}
	}
	return r
}

// Row prints a row: a cell for each column, of a type that fits its Kind, nil
// for one that is absent. An error of one row is returned by all calls after
// it.
func (r *Rows) Row(cells ...any) error {
	if r.out.err != nil {
		return r.out.err
	}
	if len(cells) != len(r.cols) {
		return r.fail(fmt.Errorf("row of %d cells for %d columns", len(cells), len(r.cols)))
	}
	var err error
	switch r.mode {
	case Pretty, Table:
		err = r.people.row(cells)
	case CSV:
		err = r.csvRow(cells)
	case JSON, JSONL:
		err = r.jsonRow(cells)
	case Kvsh, Env:
		err = r.scriptRow(cells)
	default:
		err = r.plainRow(cells)
	}
	r.rows++
	if err == nil {
		err = r.out.ended()
	}
	return r.fail(err)
}

// Flush prints the rows so far. In Pretty, Table and CSV it fixes the columns
// and their widths, for output that comes slowly.
func (r *Rows) Flush() error {
	if r.out.err != nil {
		return r.out.err
	}
	if r.people != nil {
		if err := r.fail(r.people.settle()); err != nil {
			return err
		}
	}
	if r.csv != nil && !r.csv.decided {
		for i := range r.csv.used {
			r.csv.used[i] = true
		}
		if err := r.fail(r.csv.decide()); err != nil {
			return err
		}
	}
	return r.out.flush()
}

// Close prints what is left and what ends the output. It must be called, also
// after an error, and does not close the writer below.
func (r *Rows) Close() error {
	if r.closed || r.out.err != nil {
		return r.out.err
	}
	r.closed = true
	switch {
	case r.people != nil:
		if err := r.fail(r.people.close()); err != nil {
			return err
		}
	case r.csv != nil:
		return r.fail(r.csv.close())
	case r.mode == JSON && r.rows == 0:
		r.out.buf = append(r.out.buf, "[]\n"...)
	case r.mode == JSON:
		r.out.buf = append(r.out.buf, "\n]\n"...)
	}
	return r.out.flush()
}

// fail remembers the first error. What was printed before it still appears.
func (r *Rows) fail(err error) error {
	if err != nil && r.out.err == nil {
		_ = r.out.flush()
		r.out.err = err
	}
	return r.out.err
}

// cellBytes returns the bytes of a cell of Bytes or Text.
func cellBytes(c any) ([]byte, error) {
	switch c := c.(type) {
	case []byte:
		return c, nil
	case string:
		return []byte(c), nil
	case fmt.Stringer:
		return []byte(c.String()), nil
	}
	return nil, fmt.Errorf("cell of type %T in a column of bytes", c)
}

// isAbsent reports whether there is nothing in a cell.
func isAbsent(c any) bool {
	t, ok := c.(time.Time)
	return c == nil || ok && t.IsZero()
}

// appendCell appends a cell as programs read it; of bytes, as they are.
func appendCell(dst []byte, k Kind, c any) ([]byte, error) {
	if isAbsent(c) {
		return dst, nil
	}
	switch k {
	case Bytes, Text:
		b, err := cellBytes(c)
		return append(dst, b...), err
	}
	switch c := c.(type) {
	case int:
		return strconv.AppendInt(dst, int64(c), 10), nil
	case int64:
		return strconv.AppendInt(dst, c, 10), nil
	case uint64:
		return strconv.AppendUint(dst, c, 10), nil
	case bool:
		return strconv.AppendBool(dst, c), nil
	case time.Time:
		return appendTime(dst, c)
	case time.Duration:
		return appendSeconds(dst, c), nil
	}
	return dst, fmt.Errorf("cell of type %T", c)
}

// plainRow prints the modes that have nothing around their cells.
func (r *Rows) plainRow(cells []any) (err error) {
	start := len(r.out.buf)
	b := r.out.buf
	for i, c := range cells {
		isBytes := r.cols[i].Kind == Bytes
		if i > 0 && r.mode != NUL {
			b = append(b, '\t')
		}
		if r.buf, err = appendCell(r.buf[:0], r.cols[i].Kind, c); err != nil {
			return err
		}
		switch {
		case r.mode == NUL:
			if bytes.IndexByte(r.buf, 0) >= 0 {
				r.out.buf = r.out.buf[:start]
				return ErrNUL
			}
			b = append(append(b, r.buf...), 0)
		case r.mode == Quoted && c != nil && (isBytes || r.cols[i].Kind == Text && !isBareWord(r.buf)):
			b = AppendQuote(b, r.buf)
		case r.mode == Hex && isBytes:
			b = hex.AppendEncode(b, r.buf)
		case r.mode == TSV && i == 0 && r.rows == 0 && !r.o.Terminal && r.looksLikeHeader(cells):
			b = appendTSV(append(b, `\x6b`...), r.buf[1:])
		case r.mode == TSV:
			b = appendTSV(b, r.buf)
		default:
			b = append(b, r.buf...)
		}
	}
	if r.mode != NUL {
		b = append(b, '\n')
	}
	r.out.buf = b
	return nil
}

// looksLikeHeader reports whether an import would take a row for the header of
// a TSV file.
func (r *Rows) looksLikeHeader(cells []any) bool {
	if len(cells) < 2 || r.cols[0].Kind != Bytes || r.cols[1].Kind != Bytes {
		return false
	}
	k, _ := cellBytes(cells[0])
	v, _ := cellBytes(cells[1])
	return string(k) == "key" && string(v) == "value"
}

func (r *Rows) writeTSVHeader() {
	for i, c := range r.cols {
		if i > 0 {
			r.out.buf = append(r.out.buf, '\t')
		}
		r.out.buf = appendTSV(r.out.buf, []byte(c.Name))
	}
	r.out.buf = append(r.out.buf, '\n')
}

// newCSV returns a writer with the columns, and behind them one in base64 for
// each that may hold what is no text.
func (r *Rows) newCSV() *csvWriter {
	w := &csvWriter{out: &r.out}
	for _, c := range r.cols {
		w.names, w.used = append(w.names, c.Name), append(w.used, true)
	}
	for _, c := range r.cols {
		if c.Kind == Bytes || c.Kind == Text {
			w.names, w.used = append(w.names, c.Name+"_b64"), append(w.used, false)
		}
	}
	r.fields, r.bufs = make([][]byte, len(w.names)), make([][]byte, len(w.names))
	return w
}

func (r *Rows) csvRow(cells []any) (err error) {
	b64 := len(r.cols)
	for i, c := range cells {
		if r.bufs[i], err = appendCell(r.bufs[i][:0], r.cols[i].Kind, c); err != nil {
			return err
		}
		r.fields[i] = r.bufs[i]
		if k := r.cols[i].Kind; k == Bytes || k == Text {
			r.fields[b64] = nil
			if !isCSVText(r.fields[i]) {
				r.bufs[b64] = base64.StdEncoding.AppendEncode(r.bufs[b64][:0], r.fields[i])
				r.fields[i], r.fields[b64] = nil, r.bufs[b64]
			}
			b64++
		}
	}
	return r.csv.write(r.fields)
}

// jsonRow prints an object; an absent cell is left out.
func (r *Rows) jsonRow(cells []any) error {
	b := r.out.buf
	if r.mode == JSON {
		if r.rows == 0 {
			b = append(b, "[\n"...)
		} else {
			b = append(b, ",\n"...)
		}
	}
	b, err := appendJSONRow(b, r.cols, cells)
	if err != nil {
		return err
	}
	if r.mode == JSONL {
		b = append(b, '\n')
	}
	r.out.buf = b
	return nil
}

func appendJSONRow(b []byte, cols []Column, cells []any) (_ []byte, err error) {
	b = append(b, '{')
	n := 0
	for i, c := range cells {
		if isAbsent(c) {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		switch k := cols[i].Kind; k {
		case Bytes, Text:
			v, err := cellBytes(c)
			if err != nil {
				return b, err
			}
			b = appendJSONBytes(b, cols[i].Name, v)
		default:
			b = append(append(append(b, '"'), cols[i].Name...), `":`...)
			_, quoted := c.(time.Time)
			if quoted {
				b = append(b, '"')
			}
			if b, err = appendCell(b, k, c); err != nil {
				return b, err
			}
			if quoted {
				b = append(b, '"')
			}
		}
	}
	return append(b, '}'), nil
}

// scriptRow prints the modes Kvsh and Env, which are about a key and a value,
// and where there are such columns a family ("cf") and an expiry ("expires").
func (r *Rows) scriptRow(cells []any) (err error) {
	var rec Record
	cell := func(name string) any {
		i := slices.IndexFunc(r.cols, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return nil
		}
		return cells[i]
	}
	k, v := cell("key"), cell("value")
	if k == nil || v == nil {
		return ErrNoValue
	}
	if rec.Key, err = cellBytes(k); err != nil {
		return err
	}
	if rec.Value, err = cellBytes(v); err != nil {
		return err
	}
	if len(rec.Key) == 0 {
		return errors.New("empty key")
	}
	if r.mode == Env {
		r.out.buf, err = appendEnv(r.out.buf, rec.Key, rec.Value)
		return err
	}
	if cf := cell("cf"); cf != nil {
		b, err := cellBytes(cf)
		if err != nil {
			return err
		}
		if rec.Family = string(b); rec.Family != "" && !isFamilyName(b) {
			return fmt.Errorf("bad name of a column family %q", rec.Family)
		}
	}
	rec.Expires, _ = cell("expires").(time.Time)
	b, err := appendSet(r.out.buf, &rec)
	if err == nil {
		r.out.buf = b
	}
	return err
}

// appendEnv appends K='v' for sh.
func appendEnv(b, k, v []byte) ([]byte, error) {
	for i, c := range k {
		if c != '_' && !isASCIIAlnum(c) || i == 0 && '0' <= c && c <= '9' {
			return b, fmt.Errorf("key %s: %w", Quote(k), ErrEnvName)
		}
	}
	if bytes.IndexByte(v, 0) >= 0 {
		return b, fmt.Errorf("key %s: %w", Quote(k), ErrNUL)
	}
	b = append(append(b, k...), "='"...)
	b = append(b, bytes.ReplaceAll(v, []byte("'"), []byte(`'\''`))...)
	return append(b, "'\n"...), nil
}
