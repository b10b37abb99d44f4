package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// FORMAT, version 1, is text: five lines, the last the CRC-32 (IEEE) of those
// before it in hex. It is written last when a database is made, so a folder
// without it is none.
//
//	kvsh database
//	format 1
//	id 7f0c… (32 hex digits)
//	copy 91d2… (16 hex digits)
//	created 2026-11-21T07:43:58Z
//	checksum 1a2b3c4d
//
// The id is the same in all copies of a database; the copy says which one this
// is. A restored snapshot is a new copy.
const (
	formatFile    = "FORMAT"
	formatVersion = 1
	formatTitle   = "kvsh database"
)

// An identity is the content of FORMAT.
type identity struct {
	id      [16]byte
	copy    uint64 // never 0
	created time.Time
}

func newIdentity(now time.Time) identity {
	var n identity
	for i := range n.id {
		n.id[i] = byte(rand.Uint32())
	}
	n.copy = rand.Uint64() | 1
	n.created = now.UTC().Truncate(time.Second)
	return n
}

func (n *identity) encode() []byte {
	text := fmt.Sprintf("%s\nformat %d\nid %x\ncopy %016x\ncreated %s\n",
		formatTitle, formatVersion, n.id, n.copy, n.created.Format(time.RFC3339))
	return sealText(text)
}

// sealText appends the line with the checksum to a text.
func sealText(text string) []byte {
	return fmt.Appendf([]byte(text), sealLine, crc32.ChecksumIEEE([]byte(text)))
}

const (
	sealLine = "checksum %08x\n"
	sealSize = len("checksum 00000000\n")
)

// unsealText checks the last line of a text and returns the lines before it.
func unsealText(b []byte) ([]string, error) {
	n := len(b) - sealSize
	if n <= 0 || b[n-1] != '\n' {
		return nil, errors.New("no checksum at the end")
	}
	if want := fmt.Sprintf(sealLine, crc32.ChecksumIEEE(b[:n])); want != string(b[n:]) {
		return nil, errors.New("checksum mismatch")
	}
	return strings.Split(string(b[:n-1]), "\n"), nil
}

// readIdentity reads FORMAT of the database in dir. A folder without one is
// ErrNoDatabase, one in which something has the name of a file or folder of a
// database and is none a *CorruptError.
func readIdentity(fsys FS, dir string) (identity, error) {
	if err := checkPlain(fsys, dir); err != nil {
		return identity{}, err
	}
	b, err := readSmall(fsys, filepath.Join(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, ErrNoDatabase
	}
	if err != nil {
		return identity{}, err
	}
	return decodeIdentity(b)
}

func decodeIdentity(b []byte) (n identity, err error) {
	corrupt := func(reason string) error {
		return &CorruptError{File: formatFile, Reason: reason}
	}
	lines, err := unsealText(b)
	if err != nil {
		return n, corrupt(err.Error())
	}
	if len(lines) < 2 || lines[0] != formatTitle {
		return n, corrupt("not the FORMAT of a kvsh database")
	}
	version, ok := strings.CutPrefix(lines[1], "format ")
	if v, err := strconv.Atoi(version); !ok || err != nil || v < 1 {
		return n, corrupt("no format version")
	} else if v > formatVersion {
		return n, fmt.Errorf("format %d, this program knows %d: %w", v, formatVersion, ErrNewer)
	}
	if len(lines) != 5 {
		return n, corrupt("wrong number of lines")
	}
	id, okID := strings.CutPrefix(lines[2], "id ")
	copyID, okCopy := strings.CutPrefix(lines[3], "copy ")
	created, okCreated := strings.CutPrefix(lines[4], "created ")
	raw, err1 := hex.DecodeString(id)
	n.copy, err = strconv.ParseUint(copyID, 16, 64)
	t, err2 := time.Parse(time.RFC3339, created)
	if !okID || !okCopy || !okCreated || err != nil || err1 != nil || err2 != nil || len(raw) != len(n.id) || n.copy == 0 {
		return n, corrupt("unreadable")
	}
	n.id, n.created = [16]byte(raw), t
	return n, nil
}

// maxSmallFile bounds what readSmall believes of a file's size.
const maxSmallFile = 256 << 20

// readSmall reads a whole file of text.
func readSmall(fsys FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmallFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a file of this kind")}
	}
	b := make([]byte, info.Size())
	n, err := f.ReadAt(b, 0)
	if err != nil && !isEOF(err) {
		return nil, err
	}
	return b[:n], nil
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// clearTemp removes what a crash left under a temporary name, if there is a file
// to be replaced: where the power was lost in the middle of a rename, on a file
// system without a journal, it may be another name of that very file, which
// writing to it would destroy.
func clearTemp(fsys FS, temp, path string) error {
	if _, err := fsys.Stat(path); err != nil {
		return nil // whatever is wrong with it, the rename will say
	}
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// replaceFile puts a file in place whole: written under a temporary name,
// synced, renamed, and the folder synced. After a crash either the old content
// is there or the new.
func replaceFile(fsys FS, path string, content []byte) error {
	temp := path + ".new"
	if err := clearTemp(fsys, temp, path); err != nil {
		return err
	}
	f, err := fsys.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|noFollow, 0o600)
	if err != nil {
		return err
	}
	keepOwner(f, filepath.Dir(path))
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = fsys.Rename(temp, path)
	}
	if err != nil {
		_ = fsys.Remove(temp)
		return err
	}
	return fsys.SyncDir(filepath.Dir(path))
}
