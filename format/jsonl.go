package format

import (
	"encoding/base64"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The JSON formats. FormatJSONL has an object a line, FormatJSON has the same
// objects in one array, an element a line. No data is refused.
//
//	{"kvsh":"export","version":1,"database":"notes.kv","rev":913,"time":"2026-11-21T08:00:00.000Z"}
//	{"key":"a","value":"1","rev":912,"time":"2026-11-20T17:30:00.000Z"}
//	{"key":"b","value_b64":"/w==","cf":"pictures","rev":913,"time":…,"expires":"2026-12-01T00:00:00.000Z"}
//	{"kvsh":"end","count":2,"checksum":"9ae0daaf"}
//
// Bytes that are not UTF-8 stand in key_b64 or value_b64 instead, as standard
// base64. The checksum is the CRC-32 (IEEE) of the objects of all records in
// order, each followed by a line feed.
//
// A file that begins with the first object, the header, must end with the
// last one and a line feed, and count and checksum must agree: so a file cut
// anywhere is refused, and so is an empty one. Files of other programs have
// neither. In them the value may also be a number, object, array or boolean,
// which is stored as its compact JSON text, and unknown fields are ignored.
const (
	jsonVersion   = 1
	jsonHeader    = "export"
	jsonEnd       = "end"
	jsonSpareWord = "to import the file all the same, remove its first and last object"
)

// A jsonExport writes either JSON format.
type jsonExport struct {
	*sink
	isArray  bool
	count    uint64
	checksum uint32

	time     time.Time // of the record before: most have the same one as the next
	timeText []byte    // the field it makes
}

func newJSONExport(out *sink, o ExportOptions, isArray bool) *jsonExport {
	b := out.buf
	if isArray {
		b = append(b, "[\n"...)
	}
	b = append(b, `{"kvsh":"export","version":1`...)
	if o.Database != "" {
		b = append(b, `,"database":`...)
		b = appendJSONLiteral(b, []byte(strings.ToValidUTF8(o.Database, "\ufffd")))
	}
	if o.Rev != 0 {
		b = append(b, `,"rev":`...)
		b = strconv.AppendUint(b, o.Rev, 10)
	}
	b = appendJSONTime(b, "time", o.Time)
	out.buf = append(b, '}')
	return &jsonExport{sink: out, isArray: isArray}
}

// separate ends the object before.
func (e *jsonExport) separate() {
	if e.isArray {
		e.buf = append(e.buf, ',')
	}
	e.buf = append(e.buf, '\n')
}

func (e *jsonExport) Write(r Record) error {
	if err := e.check(&r); err != nil {
		return err
	}
	e.separate()
	start := len(e.buf)
	if !r.Time.Equal(e.time) {
		e.time, e.timeText = r.Time, appendJSONTime(e.timeText[:0], "time", r.Time)
	}
	e.buf = appendJSONRecord(e.buf, &r, e.timeText)
	e.checksum = jsonChecksum(e.checksum, e.buf[start:])
	e.count++
	return e.flushIfFull()
}

func (e *jsonExport) Close() error {
	if e.err != nil {
		return e.err
	}
	e.separate()
	b := append(e.buf, `{"kvsh":"end","count":`...)
	b = strconv.AppendUint(b, e.count, 10)
	b = append(b, `,"checksum":"`...)
	b = appendChecksum(b, e.checksum)
	b = append(b, "\"}\n"...)
	if e.isArray {
		b = append(b, "]\n"...)
	}
	e.buf = b
	return e.flush()
}

// lineFeed is what follows each object in the checksum.
var lineFeed = []byte{'\n'}

// jsonChecksum adds the object of one record to a checksum.
func jsonChecksum(sum uint32, object []byte) uint32 {
	sum = crc32.Update(sum, crc32.IEEETable, object)
	return crc32.Update(sum, crc32.IEEETable, lineFeed)
}

// appendChecksum appends a checksum as eight hexadecimal digits.
func appendChecksum(dst []byte, sum uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[sum>>shift&15])
	}
	return dst
}

// appendJSONRecord appends the object of a record, whose time makes the field
// timeText.
func appendJSONRecord(dst []byte, r *Record, timeText []byte) []byte {
	dst = append(dst, '{')
	dst = appendJSONBytes(dst, "key", r.Key)
	dst = append(dst, ',')
	dst = appendJSONBytes(dst, "value", r.Value)
	if r.Family != "" {
		dst = append(dst, `,"cf":`...)
		dst = appendJSONLiteral(dst, []byte(r.Family))
	}
	if r.Rev != 0 {
		dst = append(dst, `,"rev":`...)
		dst = strconv.AppendUint(dst, r.Rev, 10)
	}
	dst = append(dst, timeText...)
	dst = appendJSONTime(dst, "expires", r.Expires)
	return append(dst, '}')
}

// appendJSONTime appends a comma and a field, or nothing if t is zero.
func appendJSONTime(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	dst = appendTime(dst, t)
	return append(dst, '"')
}

// appendJSONBytes appends a field that holds any bytes: as a string under its
// name if they are UTF-8, and else in base64 under the name with _b64; so also
// where a long text is of escapes, of six bytes each, which no import would take
// in one record.
func appendJSONBytes(dst []byte, name string, b []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	if utf8.Valid(b) {
		begin := len(dst)
		dst = appendJSONLiteral(append(dst, `":`...), b)
		if len(dst)-begin <= maxRecordText/2 {
			return dst
		}
		dst = dst[:begin]
	}
	dst = append(dst, `_b64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
