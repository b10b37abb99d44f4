package format

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
)

// A jsonImporter reads the objects of JSONL and JSON, those that kvsh wrote
// with a header, and those of other programs without one. Of the latter, a
// value that is a number, true, false, an array or an object is stored as its
// JSON text without whitespace; null is refused; members that are not known
// are ignored. A file without any object is refused: it is more likely cut
// than meant.
type jsonImporter struct {
	in     *input
	family string
	names  families
	obj    jsonObject
	array  bool

	objects int64  // seen so far
	count   uint64 // of them records
	sum     uint32
	header  bool // the file has one, so it must end as kvsh ends it
	ended   bool // the end record was seen
}

func newJSONLImporter(in *input, o ImportOptions) *jsonImporter {
	return &jsonImporter{in: in, family: o.Family}
}

func newJSONImporter(in *input, o ImportOptions) *jsonImporter {
	return &jsonImporter{in: in, family: o.Family, array: true}
}

func (im *jsonImporter) Records() iter.Seq2[Record, error] {
	if im.array {
		return recordsOf(im.runArray)
	}
	return recordsOf(im.runLines)
}

// runLines reads JSONL.
func (im *jsonImporter) runLines(yield func(Record, error) bool) error {
	if err := im.in.skipBOM(); err != nil {
		return err
	}
	for {
		line, ended, err := im.in.nextLine('\n')
		if err == io.EOF {
			return im.finish()
		}
		if err != nil {
			return err
		}
		s := jsonScanner{b: line}
		s.peek()
		if s.i < len(line) {
			start := s.i
			if err := im.obj.read(&s); err != nil {
				return im.bad(err)
			}
			object := line[start:s.i]
			if s.peek(); s.i < len(line) {
				return im.bad(s.fail("text after the object"))
			}
			if !ended && im.header {
				return im.in.errorf("the file is cut short: no newline at its end")
			}
			if goOn, err := im.object(object, yield); err != nil || !goOn {
				return err
			}
		}
		im.in.skip(len(line), 0)
		if ended {
			im.in.skip(1, 1)
		}
	}
}

// object takes the object just read, whose text is b, and yields it if it is a
// record. It returns false when the caller wants no more.
func (im *jsonImporter) object(b []byte, yield func(Record, error) bool) (bool, error) {
	o := &im.obj
	im.objects++
	switch {
	case im.ended:
		return false, im.in.errorf("text after the end record")
	case o.kvsh != nil && !o.hasKey:
		return true, im.frame()
	case !o.hasKey:
		return false, im.in.errorf("no key")
	case !o.hasValue:
		return false, im.in.errorf("no value")
	}
	if im.header {
		im.sum = crc32.Update(im.sum, crc32.IEEETable, b)
		im.sum = crc32.Update(im.sum, crc32.IEEETable, newline)
	}
	im.count++
	r := Record{Family: im.family, Key: o.key, Value: o.value, Rev: o.rev, Time: o.time, Expires: o.expires}
	if len(o.family) > 0 {
		r.Family = im.names.name(o.family)
	}
	if err := checkRecord(&r); err != nil {
		return false, im.in.errorf("%v", err)
	}
	return yield(r, nil), nil
}

var newline = []byte{'\n'}

// frame takes a header or an end record.
func (im *jsonImporter) frame() error {
	o := &im.obj
	switch string(o.kvsh) {
	case "export":
		if im.objects != 1 {
			return im.in.errorf("a second header: these are several exports in one file")
		}
		if o.version != jsonVersion {
			return im.in.errorf("an export of version %d, this kvsh reads version %d", o.version, jsonVersion)
		}
		im.header = true
		return nil
	case "end":
		if !im.header {
			return im.in.errorf("an end record without a header: the beginning of the file is missing")
		}
		if o.count != im.count {
			return im.in.errorf("%d records, but the end record says %d", im.count, o.count)
		}
		if sum := fmt.Sprintf("%08x", im.sum); string(o.checksum) != sum {
			return im.in.errorf("checksum mismatch: the records have %s, the end record says %q", sum, Safe(string(o.checksum)))
		}
		im.ended = true
		return nil
	}
	return im.in.errorf("no key")
}

// finish is the verdict at the end of the file.
func (im *jsonImporter) finish() error {
	switch {
	case im.objects == 0 && !im.array:
		return im.in.errorf("the file is empty")
	case im.header && !im.ended:
		return im.in.errorf("the file is cut short: its end record is missing")
	}
	return nil
}

// bad is a fault in the object under way.
func (im *jsonImporter) bad(err error) error {
	var se *syntaxError
	if errors.Is(err, errMore) {
		return im.in.errorf("bad JSON: unexpected end")
	}
	if !errors.As(err, &se) {
		return im.in.wrap(err)
	}
	e := im.in.errorf("bad JSON: %s", se.reason)
	before := im.in.window()[:se.at]
	e.Line += int64(bytes.Count(before, newline))
	e.Column = se.at - bytes.LastIndexByte(before, '\n')
	return e
}

// runArray reads JSON: one array of objects.
func (im *jsonImporter) runArray(yield func(Record, error) bool) error {
	in := im.in
	if err := in.skipBOM(); err != nil {
		return err
	}
	if c, err := im.token(); err != nil {
		return err
	} else if c != '[' {
		return im.unexpected(c, "want an array")
	}
	in.skip(1, 0)
	for first := true; ; first = false {
		c, err := im.token()
		if err != nil {
			return err
		}
		if c == ']' {
			return im.endArray()
		}
		if !first {
			if c != ',' {
				return im.unexpected(c, "want , or ]")
			}
			in.skip(1, 0)
			if c, err = im.token(); err != nil {
				return err
			}
		}
		if c != '{' {
			return im.unexpected(c, "want an object")
		}
		b, err := im.readObject()
		if err != nil {
			return err
		}
		if goOn, err := im.object(b, yield); err != nil || !goOn {
			return err
		}
		in.skip(len(b), int64(bytes.Count(b, newline)))
	}
}

// readObject reads the object at the start of the window and returns its text.
func (im *jsonImporter) readObject() ([]byte, error) {
	for {
		s := jsonScanner{b: im.in.window()}
		err := im.obj.read(&s)
		if err == nil {
			return s.b[:s.i], nil
		}
		if !errors.Is(err, errMore) {
			return nil, im.bad(err)
		}
		if ok, err2 := im.in.more(); err2 != nil {
			return nil, err2
		} else if !ok {
			return nil, im.bad(err)
		}
	}
}

// token skips whitespace and returns the next byte without taking it; 0 at the
// end of the file.
func (im *jsonImporter) token() (byte, error) {
	for {
		for i, c := range im.in.window() {
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				im.in.skip(i, int64(bytes.Count(im.in.window()[:i], newline)))
				return c, nil
			}
		}
		w := im.in.window()
		im.in.skip(len(w), int64(bytes.Count(w, newline)))
		if ok, err := im.in.more(); err != nil || !ok {
			return 0, err
		}
	}
}

func (im *jsonImporter) unexpected(c byte, want string) error {
	if c == 0 && len(im.in.window()) == 0 {
		return im.in.errorf("bad JSON: unexpected end, %s", want)
	}
	return im.in.errorf("bad JSON: %s", want)
}

// endArray reads what follows the array: nothing but whitespace, and a newline
// if kvsh wrote it.
func (im *jsonImporter) endArray() error {
	if err := im.finish(); err != nil {
		return err
	}
	line := im.in.line
	im.in.skip(1, 0)
	if c, err := im.token(); err != nil {
		return err
	} else if len(im.in.window()) > 0 {
		return im.unexpected(c, "text after the array")
	}
	if im.header && im.in.line == line {
		return im.in.errorf("the file is cut short: no newline at its end")
	}
	return nil
}
