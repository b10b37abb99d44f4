package format

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrFormat is returned for the name of a format that is not known, and
	// for a format that cannot be written.
	ErrFormat = errors.New("no such format")

	// ErrNotHeld is returned where a format has no room for a part of a
	// record that has one. It is a fault of the data, like ErrNUL.
	ErrNotHeld = errors.New("the format cannot hold that")
)

// Limits on what import takes, those of the database. Passing one is an
// *InputError that names the place.
const (
	MaxKeySize    = 65535    // bytes in a key; the least is 1
	MaxValueSize  = 32 << 20 // bytes in a value; the least is 0
	MaxFamilySize = 64       // bytes in the name of a column family
)

// maxRecordText bounds the text of one record in an input, in bytes. A value
// of MaxValueSize takes at most four times as many in any format that kvsh
// writes (\xHH), short of \u00HH in JSON, where such a value goes as base64.
const maxRecordText = 128<<20 + 1<<20

// A Record is one key with its value, on its way into or out of a file.
type Record struct {
	Family  string // column family; empty: the default one
	Key     []byte
	Value   []byte
	Rev     uint64    // the revision that wrote it; 0: not known
	Time    time.Time // when that was; zero: not known
	Expires time.Time // when it ends, in milliseconds; zero: never

	// Delete says that the key is deleted, as a command in FormatRESP or
	// FormatKvsh can say. Such a record has no value, and the exporter of
	// FormatKvsh alone takes it.
	Delete bool
}

// Format is a file format that records are exported to and imported from.
type Format uint8

// The formats. Up to FormatKvsh they hold any bytes, the column family and the
// expiry, and only the JSON formats hold revision and time too. What the formats
// of other programs hold and refuse, and which cuts of a file show, stands
// beside the exporter of each.
const (
	FormatUnknown Format = iota
	FormatJSONL          // one JSON object a line, with a header and a checksum
	FormatJSON           // one JSON array of the same objects
	FormatCSV            // RFC 4180 with a header
	FormatTSV            // tab-separated with backslash escapes
	FormatKvsh           // a script of set commands
	FormatNUL            // key NUL value NUL; refuses data with NUL
	FormatEnv            // assignments of sh
	FormatDump           // text of db_dump and mdb_dump
	FormatRESP           // Redis commands: for redis-cli --pipe, from an append-only file
	FormatRDB            // a Redis dump, which is only read
	FormatSQL            // statements for sqlite3, which are only written
)

// formatNames has the names of the formats in the order of their constants.
var formatNames = [...]string{"unknown", "jsonl", "json", "csv", "tsv", "kvsh", "nul", "env", "dump", "resp", "rdb", "sql"}

// String is the name ParseFormat reads.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// FormatNames lists the names ParseFormat takes. The caller owns the slice.
func FormatNames() []string {
	return append([]string(nil), formatNames[1:]...)
}

// ParseFormat returns the format of a name. It also takes "ndjson" for jsonl and
// "aof" for resp.
// The error is ErrFormat and lists the names.
func ParseFormat(name string) (Format, error) {
	switch name {
	case "ndjson":
		return FormatJSONL, nil
	case "aof":
		return FormatRESP, nil
	}
	for i, s := range formatNames[1:] {
		if s == name {
			return Format(i + 1), nil
		}
	}
	return FormatUnknown, fmt.Errorf("%w: %s is none of %s", ErrFormat, quoteStart([]byte(name)), strings.Join(FormatNames(), " "))
}

// TimeLayout is how programs read times: RFC 3339 with milliseconds, which is
// the precision of the database. It is used with UTC only.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// appendTime appends t in RFC 3339, UTC, with milliseconds. Less than a millisecond is cut
// off, as the database does.
func appendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, TimeLayout)
}

// parseTime reads a time in RFC 3339 with any offset, to the millisecond.
func parseTime(b []byte) (time.Time, bool) {
	var t time.Time
	if t.UnmarshalText(b) != nil {
		return time.Time{}, false
	}
	return t.UTC().Truncate(time.Millisecond), true
}
