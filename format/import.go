package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// An InputError says where a file that is imported stops being readable.
type InputError struct {
	Name   string // of the file, as a person would call it; may be empty
	Line   int64  // from 1; 0 where lines mean nothing
	Column int    // byte in the line, from 1; 0: not known
	Offset int64  // byte offset of the record in the file, decompressed
	Reason string // what is wrong there
	Err    error  // the error of the reader below, if it was that; else nil
}

func (e *InputError) Error() string {
	name := e.Name
	if name == "" {
		name = "input"
	}
	switch {
	case e.Line > 0 && e.Column > 0:
		return fmt.Sprintf("%s:%d:%d: %s", Safe(name), e.Line, e.Column, e.Reason)
	case e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", Safe(name), e.Line, e.Reason)
	}
	return fmt.Sprintf("%s: byte %d: %s", Safe(name), e.Offset, e.Reason)
}

// Unwrap returns the error of the reader, so that an I/O error is told from
// bad data.
func (e *InputError) Unwrap() error { return e.Err }

// ImportOptions say what is read.
type ImportOptions struct {
	Name   string // of the file, for messages
	Family string // of records that name none
}

// An Importer reads the records of a file.
type Importer interface {
	// Records yields the records in the order of the file. The bytes of a
	// record hold until the iterator goes on. It yields at most one error, an
	// *InputError, as the last pair: nothing of the file may then be believed.
	// It may be called once.
	Records() iter.Seq2[Record, error]
}

// NewImporter returns an importer of r, which it reads in large pieces and
// never beyond the end of the file.
func NewImporter(r io.Reader, f Format, o ImportOptions) (Importer, error) {
	in := &input{r: r, name: o.Name, line: 1}
	switch f {
	case FormatJSONL:
		return newJSONLImporter(in, o), nil
	case FormatJSON:
		return newJSONImporter(in, o), nil
	case FormatCSV:
		return newCSVImporter(in, o), nil
	case FormatTSV:
		return newTSVImporter(in, o), nil
	case FormatKvsh:
		return newKvshImporter(in, o), nil
	case FormatNUL:
		return newNULImporter(in, o), nil
	}
	return nil, fmt.Errorf("cannot import %v", f)
}

// readSize is the least room an input reads into.
const readSize = 256 << 10

// An input is a window on a reader that slides from record to record and grows
// with the largest of them.
type input struct {
	r    io.Reader
	name string
	buf  []byte
	pos  int   // the record under way begins here
	end  int   // of the bytes that are there
	base int64 // offset in the file of buf[0]
	line int64 // line of the file at pos, from 1; 0 where lines mean nothing
	eof  bool
}

// errMore says that the window ends before the record does.
var errMore = errors.New("unexpected end")

// window is what is there of the record under way and of what follows it.
func (in *input) window() []byte { return in.buf[in.pos:in.end] }

// more adds to the window. It at least doubles it, so that whoever looks at
// the window from its start each time still does linear work. It returns false
// when there is no more.
func (in *input) more() (bool, error) {
	if in.eof {
		return false, nil
	}
	have := in.end - in.pos
	if have > maxLine {
		return false, in.errorf("record over %d MiB", maxLine>>20)
	}
	if want := max(2*have, readSize); want > len(in.buf) {
		buf := make([]byte, want)
		copy(buf, in.window())
		in.buf = buf
	} else if in.pos > 0 {
		copy(in.buf, in.window())
	}
	in.base += int64(in.pos)
	in.pos, in.end = 0, have
	for idle := 0; in.end < len(in.buf); {
		n, err := in.r.Read(in.buf[in.end:])
		in.end += n
		if idle++; n > 0 {
			idle = 0
		} else if idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
		if err == io.EOF {
			in.eof = true
			break
		}
		if err != nil {
			return false, in.wrap(err)
		}
	}
	return in.end > have, nil
}

// nextLine returns the next line without its newline, and whether it had one.
// At the end of the file it returns io.EOF. The line holds until the next call.
func (in *input) nextLine(sep byte) (line []byte, ended bool, err error) {
	seen := 0
	for {
		w := in.window()
		if i := bytes.IndexByte(w[seen:], sep); i >= 0 {
			return w[:seen+i], true, nil
		}
		seen = len(w)
		ok, err := in.more()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			if seen == 0 {
				return nil, false, io.EOF
			}
			return in.window(), false, nil
		}
	}
}

// skip moves on over n bytes that hold so many ends of lines.
func (in *input) skip(n int, lines int64) {
	in.pos += n
	if in.line > 0 {
		in.line += lines
	}
}

// errorf is an error at the record under way.
func (in *input) errorf(format string, args ...any) *InputError {
	return &InputError{Name: in.name, Line: in.line, Offset: in.base + int64(in.pos), Reason: fmt.Sprintf(format, args...)}
}

// wrap is an error of the reader.
func (in *input) wrap(err error) *InputError {
	var ie *InputError
	if errors.As(err, &ie) {
		return ie
	}
	e := in.errorf("read: %v", err)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e.Reason = "the file is cut short"
	}
	e.Offset, e.Err = in.base+int64(in.end), err
	return e
}

// skipBOM skips the byte order mark that some programs put before UTF-8.
func (in *input) skipBOM() error {
	if len(in.window()) < 3 {
		if _, err := in.more(); err != nil {
			return err
		}
	}
	if w := in.window(); len(w) >= 3 && string(w[:3]) == "\ufeff" {
		in.skip(3, 0)
	}
	return nil
}

// recordsOf makes an iterator of run, which yields records until yield returns
// false, and returns nil then, or the error that ends them.
func recordsOf(run func(yield func(Record, error) bool) error) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := run(yield); err != nil {
			yield(Record{}, err)
		}
	}
}

// A families gives out names of families without allocating one for each
// record.
type families struct{ last string }

func (f *families) name(b []byte) string {
	if string(b) != f.last {
		f.last = string(b)
	}
	return f.last
}
