package format

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
)

// DetectSize is how much of the head of a file Detect can use, in bytes: a
// whole block of zstd, so that it can look inside.
const DetectSize = 256 << 10

// Detect tells the format and the compression of a file from its name, which
// may be empty, and from the bytes it begins with, which may be none. The
// ending of the name decides the format if kvsh knows it, save that a .json
// file of objects that are not in an array is JSONL; the bytes decide the
// compression if they are known, else the name. Without bytes and a telling
// name the format is JSONL. If the format cannot be told the error is an
// *InputError, and the compression is right all the same.
func Detect(name string, head []byte) (f Format, c Compression, err error) {
	c = CompressionOfData(head)
	named, base := CompressionOf(name)
	if c == CompressionNone {
		c = named
	}
	f = formatOfName(base)
	if f != FormatUnknown && f != FormatJSON {
		return f, c, nil
	}
	text := head
	if c != CompressionNone {
		text = decompressHead(head, c)
	}
	switch found := formatOfData(text); {
	case f == FormatUnknown:
		f = found
	case found == FormatJSONL && len(text) > 0:
		f = found // of another program that names them .json
	}
	if f == FormatUnknown {
		return f, c, &InputError{Name: name, Reason: "cannot tell the format from the name or the content; formats are " + strings.Join(FormatNames(), ", ")}
	}
	return f, c, nil
}

// formatOfName returns the format that a file name ends in, if any.
func formatOfName(name string) Format {
	ext := strings.TrimPrefix(filepath.Ext(name), ".")
	f, err := ParseFormat(strings.ToLower(ext))
	if err != nil {
		return FormatUnknown
	}
	return f
}

// decompressHead returns what can be decompressed of the head of a file.
func decompressHead(head []byte, c Compression) []byte {
	d := NewDecompressor(bytes.NewReader(head), c)
	defer d.Close()
	text := make([]byte, 4096)
	n := 0
	for n < len(text) {
		// The error at the cut end of the head says nothing about the file.
		k, err := d.Read(text[n:])
		n += k
		if err != nil {
			break
		}
	}
	return text[:n]
}

// formatOfData tells a format by the first bytes of a file.
func formatOfData(text []byte) Format {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	start := bytes.TrimLeft(text, " \t\r\n")
	line, _, _ := bytes.Cut(text, lineFeed)
	line = bytes.TrimSuffix(line, []byte{'\r'})
	switch {
	case bytes.HasPrefix(text, []byte("REDIS00")):
		return FormatRDB
	case isRESPStart(text):
		return FormatRESP
	case bytes.HasPrefix(text, []byte(dumpVersion)):
		return FormatDump
	case len(start) == 0 || start[0] == '{' && bytes.IndexByte(line, 0) < 0:
		return FormatJSONL
	case start[0] == '[' && bytes.IndexByte(line, 0) < 0:
		return FormatJSON
	case bytes.IndexByte(line, 0) >= 0:
		return FormatNUL // text formats escape it
	case isTSVHeader(line):
		return FormatTSV
	case isCSVHeader(line):
		return FormatCSV
	case bytes.HasPrefix(start, []byte("set ")) || bytes.HasPrefix(start, []byte("del ")) || start[0] == '#':
		return FormatKvsh
	case bytes.IndexByte(line, '\t') > 0:
		return FormatTSV
	}
	return FormatUnknown
}

// isRESPStart reports whether text begins with a command, or with a note as it
// stands in an append-only file.
func isRESPStart(text []byte) bool {
	if bytes.HasPrefix(text, []byte(respTimestamp)) {
		return true
	}
	line, rest, _ := bytes.Cut(text, []byte("\r\n"))
	count, isArray := bytes.CutPrefix(line, []byte{'*'})
	_, err := strconv.Atoi(string(count))
	return isArray && err == nil && len(rest) > 0 && rest[0] == '$'
}

// isCSVHeader reports whether a line names what a CSV file must hold. Quotes
// around a name do not matter here.
func isCSVHeader(line []byte) bool {
	names := bytes.Split(line, []byte{','})
	for i, name := range names {
		names[i] = bytes.Trim(name, `"`)
	}
	_, fault := columnsOf(names)
	return len(line) > 0 && fault == ""
}
