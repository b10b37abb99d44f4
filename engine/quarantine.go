package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// quarantine/ keeps bytes that were taken out of the way. A file there is a
// few lines of text that say where the bytes stood and why they left, an empty
// line, then the bytes.
//
//	kvsh quarantine 1
//	file log/00000000000000000001
//	offset 1234
//	length 61
//	time 2026-11-21T07:43:58Z
//	reason cut inside a record
const (
	quarantineDir   = "quarantine"
	quarantineTitle = "kvsh quarantine 1"
)

// quarantine writes bytes of a file of the database away and makes that
// durable. It returns the name below the database.
func quarantine(fsys FS, dir, file string, offset int64, data []byte, reason string, now time.Time) (string, error) {
	return quarantineFrom(fsys, dir, file, offset, int64(len(data)), bytes.NewReader(data), reason, now)
}

// quarantineFrom is quarantine for length bytes that are read from somewhere.
func quarantineFrom(fsys FS, dir, file string, offset, length int64, from io.Reader, reason string, now time.Time) (string, error) {
	if err := fsys.Mkdir(filepath.Join(dir, quarantineDir), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	reason = strings.ReplaceAll(reason, "\n", " ")
	head := fmt.Sprintf("%s\nfile %s\noffset %d\nlength %d\ntime %s\nreason %s\n\n",
		quarantineTitle, file, offset, length, now.UTC().Format(time.RFC3339), reason)
	base := fmt.Sprintf("%s.%d", filepath.Base(file), offset)
	for i := 1; ; i++ {
		name := quarantineDir + "/" + base
		if i > 1 {
			name = fmt.Sprintf("%s.%d", name, i)
		}
		f, err := fsys.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		keepOwner(f, filepath.Join(dir, quarantineDir))
		_, err = io.CopyBuffer(onlyWriter{f}, io.MultiReader(strings.NewReader(head), from), make([]byte, min(int64(len(head))+length, 1<<20)))
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
		if err == nil {
			err = fsys.SyncDir(filepath.Join(dir, quarantineDir))
		}
		return name, err
	}
}

// onlyWriter hides whatever else a file can do from io.Copy.
type onlyWriter struct{ io.Writer }

// A QuarantineInfo describes one file of quarantine/.
type QuarantineInfo struct {
	Name   string    `json:"name"`   // in quarantine/
	File   string    `json:"file"`   // below the database, where the bytes stood
	Offset int64     `json:"offset"` // in it
	Bytes  int64     `json:"bytes"`  // that were taken
	Time   time.Time `json:"time"`   // when they were
	Reason string    `json:"reason"` // why; where the head cannot be read: what is wrong with it
	Bad    bool      `json:"bad,omitempty"`
}

// Quarantine lists the files of quarantine/ of the database at path, the oldest
// first. It reads no more than their heads. A database without that folder has
// none. fsys nil is OS.
func Quarantine(fsys FS, path string) ([]QuarantineInfo, error) {
	fsys = orOS(fsys)
	if err := repairable(fsys, path); err != nil {
		return nil, fmt.Errorf("quarantine of %s: %w", path, err)
	}
	entries, err := fsys.ReadDir(filepath.Join(path, quarantineDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("quarantine of %s: %w", path, err)
	}
	var all []QuarantineInfo
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		f, info, _, err := openQuarantined(fsys, path, e.Name())
		if err != nil {
			return nil, fmt.Errorf("quarantine of %s: %w", path, err)
		}
		f.Close()
		all = append(all, info)
	}
	slices.SortStableFunc(all, func(a, b QuarantineInfo) int { return a.Time.Compare(b.Time) })
	return all, nil
}

// maxQuarantineHead is more bytes than the lines before the bytes ever take.
const maxQuarantineHead = 16 << 10

// openQuarantined opens a file of quarantine/ and reads its head. start is where
// the bytes begin.
func openQuarantined(fsys FS, path, name string) (f File, info QuarantineInfo, start int64, err error) {
	info.Name = name
	if name != filepath.Base(name) || name == "." || name == ".." {
		return nil, info, 0, fmt.Errorf("%q: no name of a file in %s/: %w", name, quarantineDir, ErrInvalid)
	}
	f, err = fsys.Open(filepath.Join(path, quarantineDir, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, info, 0, fmt.Errorf("%q: no such file in %s/: %w", name, quarantineDir, ErrNotFound)
	}
	if err != nil {
		return nil, info, 0, err
	}
	stat, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, info, 0, err
	}
	head := make([]byte, min(stat.Size(), maxQuarantineHead))
	if n, err := f.ReadAt(head, 0); n < len(head) {
		f.Close()
		return nil, info, 0, err
	}
	text, _, ok := bytes.Cut(head, []byte("\n\n"))
	start = int64(len(text) + 2)
	if ok {
		ok = info.parse(string(text)) && start+info.Bytes == stat.Size()
	}
	if !ok {
		info, start = QuarantineInfo{Name: name, Bytes: stat.Size(), Bad: true, Reason: "its own head cannot be read: all of it is given back"}, 0
	}
	return f, info, start, nil
}

// parse reads the head of a file of quarantine/.
func (i *QuarantineInfo) parse(text string) bool {
	lines := strings.Split(text, "\n")
	if lines[0] != quarantineTitle {
		return false
	}
	var err error
	for _, line := range lines[1:] {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "file":
			i.File = rest
		case "offset":
			i.Offset, err = strconv.ParseInt(rest, 10, 64)
		case "length":
			i.Bytes, err = strconv.ParseInt(rest, 10, 64)
		case "time":
			i.Time, err = time.Parse(time.RFC3339, rest)
		case "reason":
			i.Reason = rest
		}
		if err != nil {
			return false
		}
	}
	return true
}

// ReadQuarantine writes the bytes of a file of quarantine/, exactly as they
// stood in the database, to w. They are never put back into the database: what
// was cut is no record, and what a repair replaced was damaged. fsys nil is OS.
func ReadQuarantine(fsys FS, path, name string, w io.Writer) (QuarantineInfo, error) {
	f, info, start, err := openQuarantined(orOS(fsys), path, name)
	if err != nil {
		return info, err
	}
	defer f.Close()
	_, err = io.Copy(w, io.NewSectionReader(f, start, info.Bytes))
	return info, err
}

// QuarantinedRecords calls f with what can be made out of bytes in quarantine/
// that stood in a segment: whole records, and bad places with the operations
// that could be guessed, unproven. It returns how many there were. fsys nil is
// OS.
func QuarantinedRecords(fsys FS, path, name string, f func(RecordInfo) bool) (n int, err error) {
	var raw bytes.Buffer
	info, err := ReadQuarantine(fsys, path, name, &raw)
	if err != nil {
		return 0, err
	}
	place := &segmentPlace{folder: filepath.Dir(info.File)}
	first, ok := parseSegmentName(filepath.Base(info.File))
	if !ok {
		return 0, nil
	}
	place.first = first
	data := raw.Bytes()
	for at := 0; at < len(data); n++ {
		piece := &logPiece{seg: place, before: position{offset: info.Offset + int64(at)}}
		size := 0
		if piece.rec, size = recordAt(data[at:]); piece.rec == nil {
			// Behind it may come a whole one.
			if size = searchRecord(data[at+1:], 0, func(*record) bool { return true }) + 1; size == 0 {
				size = len(data) - at
			}
			piece.raw, piece.bad = data[at:at+size], info.Reason
		}
		piece.end = piece.before.offset + int64(size)
		r := piece.info()
		if piece.rec == nil {
			r.Rev = 0
		}
		if at += size; !f(r) {
			return n + 1, nil
		}
	}
	return n, nil
}

// RemoveQuarantined removes files of quarantine/ for good, all of them or, if
// one is not there, none. fsys nil is OS.
func RemoveQuarantined(fsys FS, path string, names []string) error {
	fsys = orOS(fsys)
	for _, name := range names {
		f, _, _, err := openQuarantined(fsys, path, name)
		if err != nil {
			return err
		}
		f.Close()
	}
	for _, name := range names {
		if err := fsys.Remove(filepath.Join(path, quarantineDir, name)); err != nil {
			return err
		}
	}
	return fsys.SyncDir(filepath.Join(path, quarantineDir))
}
