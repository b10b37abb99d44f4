package format

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Record is one key as it stands in a file. Rev and Time say where it came
// from: JSONL and JSON keep them, the other formats drop them, and an import
// does not restore them.
type Record struct {
	Family  string // column family; empty: the default one
	Key     []byte
	Value   []byte
	Rev     uint64    // 0: not known
	Time    time.Time // of the revision, in milliseconds; zero: not known
	Expires time.Time // in milliseconds; zero: never
}

// Format is a file format for records.
type Format uint8

// The formats. Each keeps any bytes, families and expiries, but for FormatNUL.
const (
	FormatJSONL Format = iota // an object a line; header, count and checksum
	FormatJSON                // one array of the same objects
	FormatCSV                 // RFC 4180 with a header
	FormatTSV                 // key TAB value, escaped
	FormatKvsh                // set lines that kvsh runs
	FormatNUL                 // key NUL value NUL; no NUL in data, no family, no expiry
)

// FormatNames lists the names ParseFormat takes, in the order of the formats.
func FormatNames() []string { return []string{"jsonl", "json", "csv", "tsv", "kvsh", "nul"} }

// ParseFormat returns the format of a name.
func ParseFormat(s string) (Format, error) {
	for i, name := range FormatNames() {
		if s == name {
			return Format(i), nil
		}
	}
	return 0, fmt.Errorf("unknown format %q: one of %s", s, strings.Join(FormatNames(), ", "))
}

func (f Format) String() string {
	if names := FormatNames(); int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// Limits on one record, the same as those of the database. Exporters write
// nothing larger and importers refuse it.
const (
	MaxKeySize   = 65535    // bytes; the least is 1
	MaxValueSize = 32 << 20 // bytes
)

// maxLine bounds what an importer holds of one record in its file, in bytes:
// the largest value with every byte escaped as \xHH takes 128 MiB, and the key
// and the syntax come on top.
const maxLine = 130 << 20

// The errors of exporters and of Rows for data that a form has no place for.
var (
	// ErrNUL is returned in the mode and the format "nul" for a NUL byte.
	ErrNUL = errors.New("data holds a NUL byte, which this form cannot carry")

	// ErrNoPlace is returned by an exporter for a family or an expiry that its
	// format cannot carry.
	ErrNoPlace = errors.New("the format nul has no place for a column family or an expiry")

	// ErrEnvName is returned in the mode "env" for a key that is no name of a
	// shell variable.
	ErrEnvName = errors.New("not a name of a shell variable")

	// ErrNoValue is returned in the modes "kvsh" and "env" for rows without a
	// key and a value.
	ErrNoValue = errors.New("this output mode needs a key and a value")
)

// ExportOptions are what the header of an export says. All are optional.
type ExportOptions struct {
	Database string    // what was exported
	Rev      uint64    // the revision it was exported at
	Time     time.Time // when
}

// An Exporter writes records to a file.
type Exporter interface {
	// Write adds a record. It keeps none of its bytes. After an error the file
	// is not usable.
	Write(Record) error

	// Close writes what ends the file and flushes it. It does not close the
	// writer below.
	Close() error
}

// NewExporter returns an exporter that writes to w in large pieces.
func NewExporter(w io.Writer, f Format, o ExportOptions) (Exporter, error) {
	out := &output{w: w}
	switch f {
	case FormatJSONL, FormatJSON:
		return newJSONExporter(out, f == FormatJSON, o)
	case FormatCSV:
		return newCSVExporter(out), nil
	case FormatTSV:
		return newTSVExporter(out), nil
	case FormatKvsh:
		return &kvshExporter{out: out}, nil
	case FormatNUL:
		return &nulExporter{out: out}, nil
	}
	return nil, fmt.Errorf("cannot export as %v", f)
}

// checkRecord refuses a record that no format may hold.
func checkRecord(r *Record) error {
	switch {
	case len(r.Key) == 0:
		return errors.New("empty key")
	case len(r.Key) > MaxKeySize:
		return fmt.Errorf("key of %d bytes, the limit is %d", len(r.Key), MaxKeySize)
	case len(r.Value) > MaxValueSize:
		return fmt.Errorf("value of %d bytes, the limit is %d", len(r.Value), MaxValueSize)
	case r.Family != "" && !isFamilyName(r.Family):
		return fmt.Errorf("bad name of a column family %q", r.Family)
	}
	return nil
}

// isFamilyName reports whether s is 1 to 64 of the characters A-Z a-z 0-9 _ -
// and dot.
func isFamilyName[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isASCIIAlnum(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// flushSize is how many bytes an output gathers before it writes them.
const flushSize = 64 << 10

// An output gathers bytes for w. Its owner appends to buf and calls flushed
// after each record. The first error stays.
type output struct {
	w   io.Writer
	buf []byte
	err error
}

// ended writes the buffer if it is large enough to be worth it.
func (o *output) ended() error {
	if len(o.buf) < flushSize {
		return o.err
	}
	return o.flush()
}

func (o *output) flush() error {
	if o.err == nil && len(o.buf) > 0 {
		_, o.err = o.w.Write(o.buf)
	}
	if cap(o.buf) > 4*flushSize {
		o.buf = nil // one huge value does not hold its memory for ever
	} else {
		o.buf = o.buf[:0]
	}
	return o.err
}
