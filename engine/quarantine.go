package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
