package format

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
)

// An InputError says where the data of an import is not what it must be.
// Nothing of such an input should be applied.
type InputError struct {
	Name   string // of the file; empty: standard input
	Line   int64  // from 1; 0: the format has no lines
	Column int    // byte in the line, from 1; 0: the whole line
	Offset int64  // byte in the (uncompressed) input, from 0
	Reason string // what is wrong there, for example "open quote"
	Err    error  // the error of the reader, if that is what is wrong; else nil
}

func (e *InputError) Error() string {
	name := Safe(e.Name)
	if name == "" {
		name = "stdin"
	}
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: byte %d: %s", name, e.Offset, e.Reason)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", name, e.Line, e.Reason)
	}
	return fmt.Sprintf("%s:%d: %s (column %d)", name, e.Line, e.Reason, e.Column)
}

// Unwrap is the error of the reader underneath: a failing disk is not bad data.
func (e *InputError) Unwrap() error { return e.Err }

// ImportOptions say how to read an input.
type ImportOptions struct {
	Name   string // of the file, for messages; empty: standard input
	Family string // column family of records that name none; empty: the default one

	// Now is the moment from which FormatRESP counts an expiry like "in 10
	// seconds", where the file does not tell its own; zero: the clock of the
	// machine.
	Now time.Time

	// SkipUnsupported has the Redis formats leave out data of types other than
	// strings, and count it in Skipped, where otherwise the input is refused.
	SkipUnsupported bool
}

// Skipped is how often an importer left out something it has no room for.
type Skipped struct {
	Name  string // of the Redis type in a dump, such as "hash", or of the command, such as "HSET"
	Count int64
}

// An Importer reads records. It buffers, and may read the input beyond the
// last record it has yielded.
type Importer interface {
	// Records yields the records in the order of the input. The bytes of a
	// Record are valid until the iterator goes on. It yields at most one
	// error, as the last pair, which is always an *InputError: records before
	// it are no proof that the input is whole. It may be called once.
	Records() iter.Seq2[Record, error]

	// BytesRead is the number of (uncompressed) bytes read so far. It may be
	// called from another goroutine, to show progress.
	BytesRead() int64

	// Skipped lists what was left out because ImportOptions.SkipUnsupported
	// said so, sorted by name. It is complete when Records has ended.
	Skipped() []Skipped
}

// NewImporter returns a reader of the format. The input must be uncompressed:
// see NewDecompressor. The caller closes r. All memory an importer takes
// is a buffer of 256 KiB and what the largest record needs; the Redis formats
// also remember up to 32 MiB of keys and values. For a format that
// cannot be read, the error comes from Records.
func NewImporter(r io.Reader, f Format, o ImportOptions) Importer {
	src := newSource(r, o.Name)
	m := &importer{source: src, family: o.Family}
	switch f {
	case FormatJSONL:
		m.read = (&jsonImport{importer: m}).lines
	case FormatJSON:
		m.read = (&jsonImport{importer: m}).array
	case FormatCSV:
		m.read = (&csvImport{importer: m}).records
	case FormatTSV:
		m.read = (&tsvImport{importer: m}).records
	case FormatKvsh:
		m.read = (&kvshImport{importer: m}).records
	case FormatNUL:
		m.read = (&nulImport{importer: m}).records
	case FormatEnv:
		m.read = (&envImport{importer: m}).records
	case FormatDump:
		m.read = (&dumpImport{importer: m}).records
	case FormatRESP, FormatRDB:
		m.read = newRedisImport(m, f, o).records
	default:
		m.read = func(func(Record) bool) error {
			return &InputError{Name: o.Name, Reason: fmt.Sprintf("import from format %s is not supported", f)}
		}
	}
	return m
}

// importer is what the readers of all formats share.
type importer struct {
	*source
	family string // of records that name none
	last   string // the family named last, so that equal ones share a string

	skipped map[string]int64 // how often each was left out

	// read calls yield with each record until it returns false.
	read func(yield func(Record) bool) error
}

func (m *importer) BytesRead() int64 { return m.bytesRead.Load() }

func (m *importer) Skipped() []Skipped {
	list := make([]Skipped, 0, len(m.skipped))
	for name, n := range m.skipped {
		list = append(list, Skipped{name, n})
	}
	slices.SortFunc(list, func(a, b Skipped) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (m *importer) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := m.read(func(r Record) bool { return yield(r, nil) })
		if err != nil && err != errStopped {
			yield(Record{}, err)
		}
	}
}

// errStopped is how the readers pass on that the caller wants no more.
var errStopped = errors.New("stopped")

// recordFault says what a database would not take in a record, or "".
func recordFault(r *Record) string {
	switch {
	case len(r.Key) == 0:
		return "empty key"
	case len(r.Key) > MaxKeySize:
		return fmt.Sprintf("key of %d bytes, the limit is %d", len(r.Key), MaxKeySize)
	case len(r.Value) > MaxValueSize:
		return fmt.Sprintf("value of %d bytes, the limit is %d", len(r.Value), MaxValueSize)
	}
	return ""
}

// familyOf returns the family that text names, or a reason why it cannot. No
// text means the family of the options.
func (m *importer) familyOf(text []byte) (name, fault string) {
	if len(text) == 0 {
		return m.family, ""
	}
	if string(text) == m.last {
		return m.last, ""
	}
	if fault := familyFault(text); fault != "" {
		return "", fault
	}
	m.last = string(text)
	return m.last, ""
}

// familyFault says what a database would not take in the name of a column
// family, or "".
func familyFault[T string | []byte](name T) string {
	if len(name) > MaxFamilySize {
		return fmt.Sprintf("column family name of %d bytes, the limit is %d", len(name), MaxFamilySize)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return "column family " + Quote([]byte(name)) + ": a name has letters, digits, _ - and . only"
		}
	}
	return ""
}
