package engine

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Records as bytes, and what can be made out of damaged ones.

// RecordBytes reads the bytes of a record, or of a bad place, as they stand in
// its segment. path is what Records was called with. fsys nil is OS.
func RecordBytes(fsys FS, path string, r *RecordInfo) ([]byte, error) {
	fsys = orOS(fsys)
	if info, err := fsys.Stat(path); err == nil && info.Mode().IsRegular() {
		path = filepath.Dir(path)
	}
	f, err := fsys.Open(filepath.Join(path, filepath.FromSlash(r.File)))
	if name, ok := strings.CutPrefix(r.File, logDir+"/"); ok && errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.Open(filepath.Join(path, historyDir, name)) // it has moved meanwhile
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, r.Length)
	n, err := f.ReadAt(b, r.Offset)
	if err != nil && !isEOF(err) {
		return nil, err
	}
	return b[:n], nil
}

// guessOperations makes out what it can of the operations of a damaged wal
// entry, so that a message may name keys. Nothing of it is proven.
func guessOperations(raw []byte) []operation {
	return slices.DeleteFunc(guessAll(raw), func(o operation) bool { return o.op == OpIngest })
}

// guessAll is guessOperations with the tables that are ingested.
func guessAll(raw []byte) (ops []operation) {
	n, _, _, err := parseFrame(raw[:min(len(raw), 10)])
	if err != nil || len(raw) < n+recordMinSize || string(raw[n:n+2]) != recordMagic {
		return nil
	}
	start := n + recordHeaderSize + int(raw[n+recordHeaderSize-1]) + 4
	if start > len(raw) {
		return nil
	}
	for raw = raw[start:]; ; {
		var o operation
		n, err := parseOperation(raw, &o)
		if err != nil {
			return ops
		}
		if checkFamily(string(o.family)) == nil {
			ops = append(ops, o)
		}
		raw = raw[n:]
	}
}
