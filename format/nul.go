package format

import (
	"bytes"
	"fmt"
)

// FormatNUL is a key, a NUL, its value, a NUL, and so on: what xargs -0 and
// sort -z read. It refuses a key or value that holds a NUL with ErrNUL, and,
// unless ExportOptions.Bare is set, with ErrNotHeld a record that has a family
// or an expiry, which would be lost. Revision and time are left out.
//
// A file that ends inside a key or value, or after a key, is refused. A cut
// after a value does not show, and an empty file has no records.
type nulExport struct {
	*sink
	bare bool
}

func (e *nulExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	switch {
	case bytes.IndexByte(r.Key, 0) >= 0:
		return e.refuse(fmt.Errorf("key %s: %w", quoteStart(r.Key), ErrNUL))
	case bytes.IndexByte(r.Value, 0) >= 0:
		return e.refuse(fmt.Errorf("value of %s: %w", quoteStart(r.Key), ErrNUL))
	case r.Family != "" && !e.bare:
		return e.refuse(fmt.Errorf("%s is in column family %s: %w", quoteStart(r.Key), r.Family, ErrNotHeld))
	case !r.Expires.IsZero() && !e.bare:
		return e.refuse(fmt.Errorf("%s expires: %w", quoteStart(r.Key), ErrNotHeld))
	}
	b := append(e.buf, r.Key...)
	b = append(b, 0)
	b = append(b, r.Value...)
	e.buf = append(b, 0)
	return e.flushIfFull()
}

func (e *nulExport) Close() error { return e.flush() }

// A nulImport reads FormatNUL.
type nulImport struct{ *importer }

// records reads the whole file.
func (m *nulImport) records(yield func(Record) bool) error {
	m.line = 0 // the format has no lines
	for {
		key, value, err := m.pair()
		if err != nil {
			return err
		}
		if key < 0 {
			return nil
		}
		w := m.window()
		r := Record{Family: m.family, Key: w[:key], Value: w[key+1 : key+1+value]}
		if fault := recordFault(&r); fault != "" {
			return m.failAt(0, fault)
		}
		if !yield(r) {
			return errStopped
		}
		m.use(key+1+value+1, 0)
	}
}

// pair returns the lengths of the key and value that the window begins with.
// At the end of the input the key is -1.
func (m *nulImport) pair() (key, value int, err error) {
	for {
		w := m.window()
		key = bytes.IndexByte(w, 0)
		if key >= 0 {
			if value = bytes.IndexByte(w[key+1:], 0); value >= 0 {
				return key, value, nil
			}
		}
		if !m.eof {
			if err := m.more(); err != nil {
				return 0, 0, err
			}
			continue
		}
		switch {
		case len(w) == 0:
			return -1, 0, m.err
		case key < 0:
			return 0, 0, m.failAt(len(w), "cut off: the last key does not end in NUL")
		case key == len(w)-1:
			return 0, 0, m.failAt(len(w), "cut off: the last key has no value")
		}
		return 0, 0, m.failAt(len(w), "cut off: the last value does not end in NUL")
	}
}

// failAt is fail for a format without lines.
func (m *nulImport) failAt(at int, reason string) error {
	e := m.fail(at, reason)
	e.Line, e.Column = 0, 0
	return e
}
