package format

import (
	"bytes"
	"io"
	"iter"
)

// The format nul is key NUL value NUL, and so on. It is for data of other
// tools (find -print0, xargs -0). It has no place for a NUL byte, a column
// family or an expiry, and refuses them.

type nulExporter struct{ out *output }

func (e *nulExporter) Write(r Record) error {
	if err := checkRecord(&r); err != nil {
		return err
	}
	if r.Family != "" || !r.Expires.IsZero() {
		return ErrNoPlace
	}
	if bytes.IndexByte(r.Key, 0) >= 0 || bytes.IndexByte(r.Value, 0) >= 0 {
		return ErrNUL
	}
	e.out.buf = append(append(e.out.buf, r.Key...), 0)
	e.out.buf = append(append(e.out.buf, r.Value...), 0)
	return e.out.ended()
}

func (e *nulExporter) Close() error { return e.out.flush() }

type nulImporter struct {
	in     *input
	family string
}

func newNULImporter(in *input, o ImportOptions) *nulImporter {
	in.line = 0
	return &nulImporter{in, o.Family}
}

func (im *nulImporter) Records() iter.Seq2[Record, error] { return recordsOf(im.run) }

func (im *nulImporter) run(yield func(Record, error) bool) error {
	for {
		pair, err := im.pair()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		i := bytes.IndexByte(pair, 0)
		r := Record{Family: im.family, Key: pair[:i], Value: pair[i+1 : len(pair)-1]}
		if err := checkRecord(&r); err != nil {
			return im.in.errorf("%v", err)
		}
		if !yield(r, nil) {
			return nil
		}
		im.in.skip(len(pair), 0)
	}
}

// pair returns key NUL value NUL at the start of the window.
func (im *nulImporter) pair() ([]byte, error) {
	seen := 0
	found := 0
	for {
		w := im.in.window()
		for {
			i := bytes.IndexByte(w[seen:], 0)
			if i < 0 {
				seen = len(w)
				break
			}
			seen += i + 1
			if found++; found == 2 {
				return w[:seen], nil
			}
		}
		ok, err := im.in.more()
		switch {
		case err != nil:
			return nil, err
		case ok:
		case len(w) == 0:
			return nil, io.EOF
		case found == 0:
			return nil, im.in.errorf("the file is cut short: a key without its NUL")
		default:
			return nil, im.in.errorf("the file is cut short: a value without its NUL")
		}
	}
}
