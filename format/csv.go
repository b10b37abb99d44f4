package format

import (
	"bytes"
	"encoding/base64"
	"iter"
	"strings"
	"unicode/utf8"
)

// CSV is RFC 4180 with a header line; lines end in LF. The columns, in this
// order, of which an import needs a key and a value and ignores those it does
// not know:
//
//	key, value          text
//	cf, expires         column family; RFC 3339
//	key_b64, value_b64  base64, when the field before is empty: for what is not
//	                    UTF-8, or holds a control character but TAB and LF
//
// A header comes first, and whether a column will be needed shows only later:
// of an output below 1 MiB the columns that nothing uses are left out, a longer
// one has all of them. An exporter puts the last field of a line in quotes, so
// that a file cut within a record shows; the last line of a file of another
// program need not end in a newline.

// csvHold is how many bytes of fields are held back to choose the columns.
const csvHold = 1 << 20

// A csvWriter writes lines of fields and leaves out what nobody needs.
type csvWriter struct {
	out       *output
	names     []string
	used      []bool // columns that are written
	quoteLast bool

	decided bool
	held    []byte // fields held back, one after the other
	ends    []int  // where each ends in held
}

// write writes a line. An optional column that was empty so far may be left
// out only before anything was decided.
func (c *csvWriter) write(fields [][]byte) error {
	if c.decided {
		c.line(fields)
		return c.out.ended()
	}
	for i, f := range fields {
		c.used[i] = c.used[i] || len(f) > 0
		c.held = append(c.held, f...)
		c.ends = append(c.ends, len(c.held))
	}
	if len(c.held)+8*len(c.ends) < csvHold {
		return nil
	}
	for i := range c.used {
		c.used[i] = true
	}
	return c.decide()
}

// decide writes the header and what was held back.
func (c *csvWriter) decide() error {
	c.decided = true
	fields := make([][]byte, len(c.names))
	for i, name := range c.names {
		fields[i] = []byte(name)
	}
	c.line(fields)
	start := 0
	for i, end := range c.ends {
		col := i % len(fields)
		fields[col] = c.held[start:end]
		start = end
		if col == len(fields)-1 {
			c.line(fields)
			if err := c.out.ended(); err != nil {
				return err
			}
		}
	}
	c.held, c.ends = nil, nil
	return c.out.ended()
}

func (c *csvWriter) line(fields [][]byte) {
	b, n, last := c.out.buf, 0, 0
	for i := range fields {
		if c.used[i] {
			last = i
		}
	}
	for i, f := range fields {
		if !c.used[i] {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		// A line of one empty field would be an empty line, which readers skip.
		quote := c.quoteLast && i == last || len(f) == 0 && n == 1 && i == last
		b = appendCSVField(b, f, quote)
	}
	c.out.buf = append(b, '\n')
}

func (c *csvWriter) close() error {
	if !c.decided {
		if err := c.decide(); err != nil {
			return err
		}
	}
	return c.out.flush()
}

func appendCSVField(dst, f []byte, quote bool) []byte {
	if !quote && !needsCSVQuotes(f) {
		return append(dst, f...)
	}
	dst = append(dst, '"')
	for {
		i := bytes.IndexByte(f, '"')
		if i < 0 {
			return append(append(dst, f...), '"')
		}
		dst = append(append(dst, f[:i]...), `""`...)
		f = f[i+1:]
	}
}

func needsCSVQuotes(f []byte) bool {
	if len(f) == 0 {
		return false
	}
	return bytes.IndexByte(f, ',') >= 0 || bytes.IndexByte(f, '"') >= 0 || bytes.IndexByte(f, '\n') >= 0 ||
		f[0] == ' ' || f[0] == '\t' || f[len(f)-1] == ' ' || f[len(f)-1] == '\t'
}

// isCSVText reports whether b goes into a field as it is: UTF-8 without
// control characters but TAB and LF.
func isCSVText(b []byte) bool {
	ascii := true
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\n' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return true
	}
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 || 0x80 <= r && r <= 0x9f {
			return false
		}
		i += size
	}
	return true
}

type csvExporter struct {
	w       csvWriter
	fields  [6][]byte
	k, v, t []byte
}

func newCSVExporter(out *output) *csvExporter {
	return &csvExporter{w: csvWriter{
		out:       out,
		names:     []string{"key", "value", "cf", "expires", "key_b64", "value_b64"},
		used:      []bool{true, true, false, false, false, false},
		quoteLast: true,
	}}
}

func (e *csvExporter) Write(r Record) (err error) {
	if err := checkRecord(&r); err != nil {
		return err
	}
	f := &e.fields
	*f = [6][]byte{}
	f[2] = []byte(r.Family)
	if isCSVText(r.Key) {
		f[0] = r.Key
	} else {
		e.k = base64.StdEncoding.AppendEncode(e.k[:0], r.Key)
		f[4] = e.k
	}
	if isCSVText(r.Value) {
		f[1] = r.Value
	} else {
		e.v = base64.StdEncoding.AppendEncode(e.v[:0], r.Value)
		f[5] = e.v
	}
	if !r.Expires.IsZero() {
		if e.t, err = appendTime(e.t[:0], r.Expires); err != nil {
			return err
		}
		f[3] = e.t
	}
	return e.w.write(f[:])
}

func (e *csvExporter) Close() error { return e.w.close() }

// A csvImporter reads CSV, strictly, with LF or CRLF at the ends of lines.
// Bytes in quotes are kept as they are, CRLF and what is no UTF-8 included.
type csvImporter struct {
	in      *input
	cols    recordColumns
	fields  [][]byte
	scratch []byte // fields with doubled quotes, undoubled
}

func newCSVImporter(in *input, o ImportOptions) *csvImporter {
	return &csvImporter{in: in, cols: recordColumns{in: in, family: o.Family}}
}

func (im *csvImporter) Records() iter.Seq2[Record, error] { return recordsOf(im.run) }

func (im *csvImporter) run(yield func(Record, error) bool) error {
	in := im.in
	if err := in.skipBOM(); err != nil {
		return err
	}
	for header := true; ; {
		n, lines, err := im.next()
		if err != nil {
			return err
		}
		if n == 0 {
			if header {
				return in.errorf("the file is empty: want a header with the columns key and value")
			}
			return nil
		}
		switch {
		case len(im.fields) == 1 && len(im.fields[0]) == 0 && lines == int64(1) && n <= 2:
			// An empty line.
		case header:
			for _, f := range im.fields {
				im.cols.names = append(im.cols.names, strings.ToLower(string(f)))
			}
			if err := im.cols.resolve(); err != nil {
				return err
			}
			header = false
		default:
			r, err := im.cols.record(im.fields)
			if err != nil {
				return err
			}
			if !yield(r, nil) {
				return nil
			}
		}
		in.skip(n, lines)
	}
}

// next reads a line of fields at the start of the window. It returns how many
// bytes it takes, 0 at the end of the file, and how many ends of lines are in
// it.
func (im *csvImporter) next() (n int, lines int64, err error) {
	for {
		atEnd := im.in.eof // what split knew
		n, reason, at := im.split(im.in.window())
		if n >= 0 {
			w := im.in.window()[:n]
			return n, int64(bytes.Count(w, newline)), nil
		}
		if at >= 0 {
			e := im.in.errorf("%s", reason)
			before := im.in.window()[:at]
			e.Line += int64(bytes.Count(before, newline))
			e.Column = at - bytes.LastIndexByte(before, '\n')
			return 0, 0, e
		}
		ok, err := im.in.more()
		if err != nil {
			return 0, 0, err
		}
		if !ok && atEnd {
			return 0, 0, im.in.errorf("%s", reason)
		}
	}
}

// split splits the line that b begins with into fields. n is its length with
// its end, or -1: then it is faulty at byte at, or, if at is -1, goes on behind
// b, and reason says what is missing if there is no more.
func (im *csvImporter) split(b []byte) (n int, reason string, at int) {
	im.fields, im.scratch = im.fields[:0], im.scratch[:0]
	if len(b) == 0 && im.in.eof {
		return 0, "", -1
	}
	for i := 0; ; {
		if i < len(b) && b[i] == '"' {
			field, end := im.quoted(b, i+1)
			if end < 0 || end == len(b) && !im.in.eof {
				return -1, "open quote at the end of the file", -1
			}
			im.fields = append(im.fields, field)
			switch i = end; {
			case i == len(b):
				return i, "", -1
			case b[i] == ',':
				i++
				continue
			case b[i] == '\n':
				return i + 1, "", -1
			case b[i] == '\r' && i+1 == len(b) && !im.in.eof:
				return -1, "", -1
			case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
				return i + 2, "", -1
			}
			return -1, "text after a closing quote", i
		}
		line, ended := b[i:], false
		if nl := bytes.IndexByte(line, '\n'); nl >= 0 {
			line, ended = line[:nl], true
		} else if !im.in.eof {
			return -1, "", -1
		}
		comma := bytes.IndexByte(line, ',')
		field := line
		if comma >= 0 {
			field = line[:comma]
		} else if ended && len(field) > 0 && field[len(field)-1] == '\r' {
			field = field[:len(field)-1]
		}
		if q := bytes.IndexByte(field, '"'); q >= 0 {
			return -1, `" in a field without quotes`, i + q
		}
		if q := bytes.IndexByte(field, '\r'); q >= 0 {
			return -1, "CR in a field without quotes", i + q
		}
		im.fields = append(im.fields, field)
		switch {
		case comma >= 0:
			i += comma + 1
		case ended:
			return i + len(line) + 1, "", -1
		default:
			return len(b), "", -1
		}
	}
}

// quoted reads the field whose quote opened before i. It returns where the
// field has ended, behind its quote, or -1 if b ends first.
func (im *csvImporter) quoted(b []byte, i int) ([]byte, int) {
	start, from := i, len(im.scratch)
	doubled := false
	for {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return nil, -1
		}
		q += i
		if q+1 >= len(b) || b[q+1] != '"' {
			if !doubled {
				return b[start:q], q + 1
			}
			im.scratch = append(im.scratch, b[i:q]...)
			return im.scratch[from:], q + 1
		}
		doubled = true
		im.scratch = append(im.scratch, b[i:q+1]...)
		i = q + 2
	}
}
