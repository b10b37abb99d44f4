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

// largeWindow is the size, in bytes, from which on a window that must grow gets
// all the room a record may take: memory that is not written to costs nothing,
// while two windows, of which one is copied to the other, cost both.
const largeWindow = 16 << 20

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

	offset    int64 // of buf[start] in the file
	line      int64 // that buf[start] is in, from 1
	lineStart int64 // where that line begins in the file

	bytesRead atomic.Int64 // from r
}

func newSource(r io.Reader, name string) *source {
	return &source{r: r, name: name, line: 1}
}

// window is what has been read and not used. It is valid until more or fill.
func (s *source) window() []byte { return s.buf[s.start:s.end] }

// use takes the first n bytes from the window, the last of which is an LF if
// lines, the number of LFs in them, is not 0.
func (s *source) use(n int, lines int64) {
	s.start += n
	s.offset += int64(n)
	if lines > 0 {
		s.line += lines
		s.lineStart = s.offset
	}
}

// useCounting takes the first n bytes from the window, whatever they are.
func (s *source) useCounting(n int) {
	lines := s.buf[s.start : s.start+n]
	whole := bytes.LastIndexByte(lines, '\n') + 1
	s.use(whole, int64(bytes.Count(lines[:whole], lineFeed)))
	s.use(n-whole, 0)
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
	want := min(max(sourceBufferSize, 2*have), maxRecordText)
	isTooLarge := len(s.buf) > largeWindow && want <= largeWindow/8 // that record is over
	if len(s.buf)-s.start < want || isTooLarge {
		buf := s.buf
		switch {
		case len(buf) < want && want > largeWindow:
			buf = make([]byte, maxRecordText)
		case len(buf) < want || isTooLarge:
			buf = make([]byte, want)
		}
		copy(buf, s.buf[s.start:s.end])
		s.buf, s.start, s.end = buf, 0, have
	}
	// Not io.ReadAtLeast: its ErrUnexpectedEOF is that of a cut gzip stream too.
	for idle := 0; s.end-s.start < want; {
		n, err := s.r.Read(s.buf[s.end : s.start+want])
		s.end += n
		s.bytesRead.Add(int64(n))
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
		s.lineStart = s.offset
	}
	return nil
}

// fail is an error of the data at byte at of the window.
func (s *source) fail(at int, reason string) *InputError {
	before := s.window()[:min(at, s.end-s.start)]
	e := &InputError{
		Name:   s.name,
		Line:   s.line + int64(bytes.Count(before, lineFeed)),
		Offset: s.offset + int64(at),
		Reason: reason,
	}
	lineStart := s.lineStart
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		lineStart = s.offset + int64(i) + 1
	}
	e.Column = int(e.Offset-lineStart) + 1
	return e
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
