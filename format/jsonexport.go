package format

import (
	"fmt"
	"hash/crc32"
	"strconv"
)

// What kvsh writes as JSONL: a header, an object a record, an end record.
//
//	{"kvsh":"export","version":1,"database":"notes.kv","rev":913,"time":"2026-11-21T08:00:00.000Z"}
//	{"key":"a","value":"b","cf":"users","rev":7,"time":"…","expires":"…"}
//	{"kvsh":"end","count":1,"checksum":"5f3a0c11"}
//
// Bytes that are no UTF-8 stand in key_b64 and value_b64 instead; cf, rev,
// time and expires are left out where they say nothing. The checksum is the
// CRC-32 (IEEE) of all record objects as they stand, each followed by LF,
// without header and end record. Every line ends in LF. JSON has the same
// objects as the elements of one array, each on its own line, and ends in LF.
const jsonVersion = 1

type jsonExporter struct {
	out   *output
	array bool
	count int64
	sum   uint32
}

func newJSONExporter(out *output, array bool, o ExportOptions) (*jsonExporter, error) {
	b := out.buf
	if array {
		b = append(b, "[\n"...)
	}
	b = fmt.Appendf(b, `{"kvsh":"export","version":%d`, jsonVersion)
	if o.Database != "" {
		b = append(b, ',')
		b = appendJSONBytes(b, "database", []byte(o.Database))
	}
	if o.Rev != 0 {
		b = strconv.AppendUint(append(b, `,"rev":`...), o.Rev, 10)
	}
	if !o.Time.IsZero() {
		var err error
		if b, err = appendTime(append(b, `,"time":"`...), o.Time); err != nil {
			return nil, err
		}
		b = append(b, '"')
	}
	out.buf = append(b, '}')
	if !array {
		out.buf = append(out.buf, '\n')
	}
	return &jsonExporter{out: out, array: array}, nil
}

func (e *jsonExporter) Write(r Record) error {
	if err := checkRecord(&r); err != nil {
		return err
	}
	b := e.out.buf
	if e.array {
		b = append(b, ",\n"...)
	}
	start := len(b)
	b, err := appendJSONRecord(b, &r)
	if err != nil {
		return err
	}
	object := len(b)
	b = append(b, '\n')
	e.sum = crc32.Update(e.sum, crc32.IEEETable, b[start:])
	if e.array {
		b = b[:object]
	}
	e.count++
	e.out.buf = b
	return e.out.ended()
}

func appendJSONRecord(b []byte, r *Record) ([]byte, error) {
	var err error
	b = appendJSONBytes(append(b, '{'), "key", r.Key)
	b = appendJSONBytes(append(b, ','), "value", r.Value)
	if r.Family != "" {
		b = append(b, `,"cf":"`...)
		b = append(append(b, r.Family...), '"')
	}
	if r.Rev != 0 {
		b = strconv.AppendUint(append(b, `,"rev":`...), r.Rev, 10)
	}
	if !r.Time.IsZero() {
		if b, err = appendTime(append(b, `,"time":"`...), r.Time); err != nil {
			return b, err
		}
		b = append(b, '"')
	}
	if !r.Expires.IsZero() {
		if b, err = appendTime(append(b, `,"expires":"`...), r.Expires); err != nil {
			return b, err
		}
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

func (e *jsonExporter) Close() error {
	if e.array {
		e.out.buf = append(e.out.buf, ",\n"...)
	}
	e.out.buf = fmt.Appendf(e.out.buf, `{"kvsh":"end","count":%d,"checksum":"%08x"}`, e.count, e.sum)
	if e.array {
		e.out.buf = append(e.out.buf, "\n]"...)
	}
	e.out.buf = append(e.out.buf, '\n')
	return e.out.flush()
}
