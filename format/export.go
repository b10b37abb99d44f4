package format

import (
	"fmt"
	"io"
	"time"
)

// ExportOptions say what a file of records tells about itself.
type ExportOptions struct {
	Database string    // where the records come from: a path or an id; may be empty
	Rev      uint64    // the revision they were read at
	Time     time.Time // when that was; zero: not told

	// Bare leaves out what the format cannot hold, such as the family and the
	// expiry in FormatNUL, where otherwise Write refuses the record.
	Bare bool
}

// An Exporter writes records to a file. It buffers: what it wrote is there
// after Close alone. After an error it writes nothing more, and in particular
// not the end that would make the file look whole; every later call returns
// the same error.
type Exporter interface {
	// Write adds a record and keeps no byte of it. Besides errors of the
	// writer it returns ErrNUL, ErrEnvName or ErrNotHeld for a record that the
	// format cannot hold, and refuses one that no database would take.
	Write(Record) error

	// Close ends the file. It must be called once, and does not close the
	// writer underneath.
	Close() error
}

// NewExporter returns a writer of the format to w, or ErrFormat.
func NewExporter(w io.Writer, f Format, o ExportOptions) (Exporter, error) {
	out := &sink{w: w}
	switch f {
	case FormatJSONL:
		return newJSONExport(out, o, false), nil
	case FormatJSON:
		return newJSONExport(out, o, true), nil
	case FormatCSV:
		return newCSVExport(out), nil
	case FormatTSV:
		return newTSVExport(out), nil
	case FormatKvsh:
		return &kvshExport{out}, nil
	case FormatNUL:
		return &nulExport{sink: out, bare: o.Bare}, nil
	case FormatEnv:
		return &envExport{sink: out, bare: o.Bare}, nil
	case FormatDump:
		return &dumpExport{sink: out, bare: o.Bare}, nil
	case FormatRESP:
		return &respExport{sink: out, bare: o.Bare}, nil
	case FormatSQL:
		return newSQLExport(out), nil
	}
	return nil, fmt.Errorf("%w to export to: %s", ErrFormat, f)
}

// sinkBufferSize is how many bytes a sink collects before it writes.
const sinkBufferSize = 64 << 10

// A sink is where an exporter appends its bytes.
type sink struct {
	w   io.Writer
	buf []byte // not written yet
	err error  // the first; nothing is written after it
}

// flushIfFull writes the buffer if it has grown to its size.
func (s *sink) flushIfFull() error {
	if s.err != nil || len(s.buf) < sinkBufferSize {
		return s.err
	}
	return s.flush()
}

// flush writes the buffer.
func (s *sink) flush() error {
	if s.err != nil {
		return s.err
	}
	_, s.err = s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if cap(s.buf) > 16*sinkBufferSize {
		s.buf = nil // a rare large value must not hold its memory to the end
	}
	return s.err
}

// check refuses a record that no import would take again, and everything after
// an error.
func (s *sink) check(r *Record) error {
	if s.err != nil {
		return s.err
	}
	fault := recordFault(r)
	if fault == "" && r.Delete {
		fault = "an export holds no deletes"
	}
	if fault == "" && r.Family != "" {
		fault = familyFault(r.Family)
	}
	if fault == "" && !r.Expires.IsZero() {
		fault = expiryFault(r.Expires)
	}
	if fault != "" {
		return s.refuse(fmt.Errorf("key %s: %s", quoteStart(r.Key), fault))
	}
	return nil
}

// refuse makes err the answer from now on and drops what is not written, so
// that the file does not look whole.
func (s *sink) refuse(err error) error {
	if s.err == nil {
		s.err = err
	}
	return s.err
}
