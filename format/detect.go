package format

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
)

// ErrUnknownFormat is returned by Detect when neither name nor content tell
// the format.
var ErrUnknownFormat = errors.New("cannot tell the format by the name or the content")

// Detect tells the format and the compression of a file by its name, such as
// "users.csv.gz", and by its first bytes, a few kilobytes of which should be
// given; both may be empty. The content decides about the compression, the
// name about the format if it says one. With an error, the compression is
// still true.
func Detect(name string, head []byte) (f Format, c Compression, err error) {
	base := strings.ToLower(filepath.Base(name))
	switch ext := filepath.Ext(base); ext {
	case ".gz", ".gzip":
		c, base = Gzip, strings.TrimSuffix(base, ext)
	case ".zst", ".zstd":
		c, base = Zstd, strings.TrimSuffix(base, ext)
	}
	if len(head) >= 4 {
		c = compressionOf(head)
	}
	switch filepath.Ext(base) {
	case ".jsonl", ".ndjson":
		return FormatJSONL, c, nil
	case ".json":
		// Many programs call JSON lines so.
		if text := textOf(head, c); len(text) > 0 && text[0] == '{' {
			return FormatJSONL, c, nil
		}
		return FormatJSON, c, nil
	case ".csv":
		return FormatCSV, c, nil
	case ".tsv", ".tab":
		return FormatTSV, c, nil
	case ".kvsh":
		return FormatKvsh, c, nil
	case ".nul":
		return FormatNUL, c, nil
	}
	f, err = formatOf(textOf(head, c))
	return f, c, err
}

// textOf is the beginning of what a file says, without a byte order mark and
// whitespace at its start.
func textOf(head []byte, c Compression) []byte {
	if c != NoCompression {
		r, err := NewDecompressor(bytes.NewReader(head), c)
		if err != nil {
			return nil
		}
		defer r.Close()
		text := make([]byte, 4<<10)
		n, _ := io.ReadFull(r, text) // the head is cut: its end is no error here
		head = text[:n]
	}
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \r\n")
}

// formatOf tells the format by the beginning of a file.
func formatOf(text []byte) (Format, error) {
	line, _, _ := bytes.Cut(text, newline)
	nul := bytes.IndexByte(text, 0)
	switch {
	case len(text) == 0:
	case text[0] == '{':
		return FormatJSONL, nil
	case text[0] == '[':
		return FormatJSON, nil
	case nul >= 0:
		return FormatNUL, nil
	case text[0] == '#', bytes.HasPrefix(text, []byte("set ")):
		return FormatKvsh, nil
	case bytes.IndexByte(line, '\t') >= 0:
		return FormatTSV, nil
	case isCSVHeader(line):
		return FormatCSV, nil
	}
	return 0, ErrUnknownFormat
}

// isCSVHeader reports whether a line names a key among its columns.
func isCSVHeader(line []byte) bool {
	fields := strings.Split(strings.ToLower(strings.TrimSpace(string(line))), ",")
	for _, f := range fields {
		if f = strings.Trim(f, `"`); f == "key" || f == "key_b64" {
			return len(fields) > 1
		}
	}
	return false
}
