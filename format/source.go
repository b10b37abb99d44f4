package format

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
)

// sourceBufferSize is the least an importer reads at a time, in bytes. Larger
// buffers are no faster; smaller ones cost system calls.
const sourceBufferSize = 256 << 10

// maxIdleReads is how many reads in a row may return nothing at all.
const maxIdleReads = 100

// A source is an input being read: a window of bytes that grows while a record
// does not fit, and the place of its start in the file. Parsers work on the
// window and say how much of it they used.
type source struct {
	r    io.Reader
	name string

	buf   []byte // buf[start:end] is the window
	start int
	end   int
	eof   bool  // nothing comes after the window
	err   error // why nothing comes, if not the end of the file

	offset int64 // of buf[start] in the file
	line   int64 // of buf[start], from 1
	read   atomic.Int64
}

func newSource(r io.Reader, name string) *source {
	return &source{r: r, name: name, line: 1}
}

// window is what has been read and not used. It is valid until more or fill.
func (s *source) window() []byte { return s.buf[s.start:s.end] }

// use takes the first n bytes from the window, lines of them ended by LF.
func (s *source) use(n int, lines int64) {
	s.start += n
	s.offset += int64(n)
	s.line += lines
}

// useCounting is use for a caller that did not count the lines.
func (s *source) useCounting(n int) {
	s.use(n, int64(bytes.Count(s.buf[s.start:s.start+n], []byte{'\n'})))
}

// more makes the window larger, by reading until it is twice as long, so that
// a parser that starts over on the larger window stays linear. At the end of
// the file it returns nil with eof set and the window as it was.
func (s *source) more() error {
	if s.eof {
		return s.err
	}
	have := s.end - s.start
	if have >= maxRecordText {
		return s.fail(0, "a record of more than 128 MiB")
	}
	want := max(sourceBufferSize, 2*have)
	if len(s.buf)-s.start < want {
		buf := s.buf
		if len(buf) < want {
			buf = make([]byte, want)
		}
		copy(buf, s.buf[s.start:s.end])
		s.buf, s.start, s.end = buf, 0, have
	}
	// Not io.ReadAtLeast: its ErrUnexpectedEOF is that of a cut gzip stream too.
	for idle := 0; s.end-s.start < want; {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.read.Add(int64(n))
		if idle++; n > 0 {
			idle = 0
		}
		if err == nil && idle == maxIdleReads {
			err = io.ErrNoProgress
		}
		switch err {
		case nil:
		case io.EOF:
			s.eof = true
			return nil
		default:
			s.eof, s.err = true, s.failRead(err)
			return s.err
		}
	}
	return nil
}

// lineEnd returns the length of the first line of the window without its LF,
// and whether there is one; without, the line ends with the file. A window
// that is empty then is the end of the input.
func (s *source) lineEnd() (n int, ended bool, err error) {
	from := 0
	for {
		if i := bytes.IndexByte(s.buf[s.start+from:s.end], '\n'); i >= 0 {
			return from + i, true, nil
		}
		from = s.end - s.start
		if s.eof {
			return from, false, s.err
		}
		if err := s.more(); err != nil {
			return 0, false, err
		}
	}
}

// skipBOM drops the byte order mark that some programs put before UTF-8.
func (s *source) skipBOM() error {
	for s.end-s.start < 3 && !s.eof {
		if err := s.more(); err != nil {
			return err
		}
	}
	if bytes.HasPrefix(s.window(), []byte("\xef\xbb\xbf")) {
		s.use(3, 0)
	}
	return nil
}

// fail is an error of the data at byte at of the window.
func (s *source) fail(at int, reason string) *InputError {
	before := s.window()[:min(at, s.end-s.start)]
	return &InputError{
		Name:   s.name,
		Line:   s.line + int64(bytes.Count(before, []byte{'\n'})),
		Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Offset: s.offset + int64(at),
		Reason: reason,
	}
}

// failRead is an error of the reader, after all that was read.
func (s *source) failRead(err error) *InputError {
	e := s.fail(s.end-s.start, err.Error())
	e.Column = 0
	var bad *InputError // of a decompressor
	if errors.As(err, &bad) {
		e.Reason, e.Line, e.Offset = bad.Reason, 0, bad.Offset
		return e
	}
	e.Err = err
	return e
}
