package format

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"
)

// TSV is a record a line: key TAB value, and TAB cf TAB expires where the
// header says so. Escaped are \t \n \r \\ \0, and as \xHH other control
// characters and what is no UTF-8; nothing else follows a backslash.
//
// A file that begins with a header, "key TAB value" or "key TAB value TAB cf
// TAB expires", must end in a newline: kvsh writes it so, and a cut shows. One
// without a header has two fields a line and may lack the last newline. So the
// file of another program needs no header, unless its first record is the key
// "key" with the value "value"; kvsh writes that as \x6bey.

type tsvExporter struct {
	out     *output
	hold    bool     // whether all columns are needed is not known yet
	held    []Record // their bytes are copies
	heldLen int
	wide    bool // with cf and expires
}

func newTSVExporter(out *output) *tsvExporter { return &tsvExporter{out: out, hold: true} }

func (e *tsvExporter) Write(r Record) error {
	if err := checkRecord(&r); err != nil {
		return err
	}
	if e.hold {
		// As with CSV the first megabyte decides about the columns.
		if r.Family == "" && r.Expires.IsZero() && e.heldLen < csvHold {
			e.heldLen += len(r.Key) + len(r.Value) + 64
			r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
			e.held = append(e.held, r)
			return nil
		}
		if err := e.begin(true); err != nil {
			return err
		}
	}
	return e.line(r)
}

// begin writes the header and what was held back.
func (e *tsvExporter) begin(wide bool) error {
	e.hold, e.wide = false, wide
	e.out.buf = append(e.out.buf, "key\tvalue"...)
	if wide {
		e.out.buf = append(e.out.buf, "\tcf\texpires"...)
	}
	e.out.buf = append(e.out.buf, '\n')
	for _, r := range e.held {
		if err := e.line(r); err != nil {
			return err
		}
	}
	e.held = nil
	return nil
}

func (e *tsvExporter) line(r Record) (err error) {
	b := appendTSV(e.out.buf, r.Key)
	b = appendTSV(append(b, '\t'), r.Value)
	if e.wide {
		b = append(b, '\t')
		b = append(append(b, r.Family...), '\t')
		if !r.Expires.IsZero() {
			if b, err = appendTime(b, r.Expires); err != nil {
				return err
			}
		}
	}
	e.out.buf = append(b, '\n')
	return e.out.ended()
}

func (e *tsvExporter) Close() error {
	if e.hold {
		if err := e.begin(false); err != nil {
			return err
		}
	}
	return e.out.flush()
}

// appendTSV appends a field with its escapes.
func appendTSV(dst, b []byte) []byte {
	for len(b) > 0 {
		n := 0
		for n < len(b) && b[n] >= 0x20 && b[n] < 0x7f && b[n] != '\\' {
			n++
		}
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			break
		}
		if b[0] == '\\' {
			dst, b = append(dst, `\\`...), b[1:]
			continue
		}
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 || r < 0x20 || r == 0x7f {
			dst = appendByteEscape(dst, b[0])
		} else if isTerminalRune(r) {
			for _, c := range b[:size] {
				dst = appendByteEscape(dst, c)
			}
		} else {
			dst = append(dst, b[:size]...)
		}
		b = b[size:]
	}
	return dst
}

// appendTSVUnescaped appends what the field b says.
func appendTSVUnescaped(dst, b []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return append(dst, b...), nil
		}
		dst = append(dst, b[:i]...)
		b = b[i:]
		if len(b) > 1 && (b[1] == '"' || b[1] == 'u') {
			return dst, fmt.Errorf(`unknown escape \%c`, b[1])
		}
		var n int
		var err error
		if dst, n, err = appendUnescaped(dst, b); err != nil {
			return dst, err
		}
		b = b[n:]
	}
}

type tsvImporter struct {
	in     *input
	cols   recordColumns
	fields [][]byte
	bufs   [4][]byte // memory for fields with escapes
	header bool
}

func newTSVImporter(in *input, o ImportOptions) *tsvImporter {
	return &tsvImporter{in: in, cols: recordColumns{in: in, family: o.Family}}
}

func (im *tsvImporter) Records() iter.Seq2[Record, error] { return recordsOf(im.run) }

func (im *tsvImporter) run(yield func(Record, error) bool) error {
	in := im.in
	if err := in.skipBOM(); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, ended, err := in.nextLine('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		n := len(line)
		if ended && n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if first {
			im.begin(string(line))
			if err := im.cols.resolve(); err != nil {
				return err
			}
		}
		if !ended && im.header {
			return in.errorf("the file is cut short: no newline at its end")
		}
		if len(line) > 0 && !(first && im.header) {
			r, err := im.record(line)
			if err != nil {
				return err
			}
			if !yield(r, nil) {
				return nil
			}
		}
		in.skip(n, 0)
		if ended {
			in.skip(1, 1)
		}
	}
}

// begin looks whether the first line is a header.
func (im *tsvImporter) begin(line string) {
	im.cols.names = []string{"key", "value"}
	switch line {
	case "key\tvalue\tcf\texpires":
		im.cols.names = []string{"key", "value", "cf", "expires"}
		im.header = true
	case "key\tvalue":
		im.header = true
	}
}

func (im *tsvImporter) record(line []byte) (r Record, err error) {
	im.fields = im.fields[:0]
	for more := true; more; {
		var f []byte
		f, line, more = bytes.Cut(line, tab)
		if i := len(im.fields); i < len(im.bufs) && bytes.IndexByte(f, '\\') >= 0 {
			if im.bufs[i], err = appendTSVUnescaped(im.bufs[i][:0], f); err != nil {
				return r, im.in.errorf("%v", err)
			}
			f = im.bufs[i]
		}
		im.fields = append(im.fields, f)
	}
	return im.cols.record(im.fields)
}

var tab = []byte{'\t'}
