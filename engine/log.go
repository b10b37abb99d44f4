package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tidwall/wal"
)

// segmentSize is the size in bytes at which a segment is rotated. A writer's
// start reads the last segment, so it is small; a record larger than it gets a
// segment of its own.
const segmentSize = 256 << 10

// An appender appends records to the log. It is the whole of what the engine
// asks of tidwall/wal; everything that library leaves open, or gets wrong after
// a failed call, is answered by its callers: they scan and cut before opening,
// and drop the appender after any error.
type appender interface {
	// append writes records, each one wal entry, the first with the index
	// first. Where the log was opened with sync, they are on the disk when it
	// returns; names of new segments are not.
	append(first Rev, records [][]byte) error
	last() (Rev, error) // index of the last entry
	sync() error
}

// openAppender opens the log in dir, which must be clean up to its end.
func openAppender(dir string, sync bool, segmentSize int64) (appender, error) {
	// Fresh options: Open keeps and fills in what it is given.
	l, err := wal.Open(dir, &wal.Options{
		NoSync:      !sync,
		SegmentSize: int(segmentSize),
		LogFormat:   wal.Binary,
		AllowEmpty:  true, // all but the last segment leave for history/
		DirPerms:    0o700,
		FilePerms:   0o600,
	})
	if err != nil {
		return nil, err
	}
	return &walAppender{l}, nil
}

type walAppender struct{ log *wal.Log }

func (a *walAppender) append(first Rev, records [][]byte) error {
	if len(records) == 1 {
		return a.log.Write(uint64(first), records[0])
	}
	var b wal.Batch // not kept: the library never frees the memory of one
	for i, r := range records {
		b.Write(uint64(first)+uint64(i), r)
	}
	return a.log.WriteBatch(&b)
}

func (a *walAppender) last() (Rev, error) {
	n, err := a.log.LastIndex()
	return Rev(n), err
}

func (a *walAppender) sync() error { return a.log.Sync() }

// place is the position behind a record of n bytes that is appended at at: the rules by which the library rotates, so that the engine knows the
// offsets that the library keeps to itself. Callers check them against the
// size of the file.
func place(at position, n int, segmentSize int64) (end position) {
	start := at
	if start.offset > segmentSize {
		start.segment, start.offset = at.rev+1, 0
	}
	end = start
	end.rev++
	end.offset += frameSize(n)
	if end.offset >= segmentSize {
		end.segment, end.offset = end.rev+1, 0
	}
	return end
}

// rollBack takes everything behind at out of the log of a database, after an
// append that failed: first the segments begun since, then the end of the one at
// was in. When it returns nil, nothing of the append can ever be seen.
func rollBack(fsys FS, dir string, at position) error {
	logPath := filepath.Join(dir, logDir)
	firsts, _, err := listSegments(fsys, logPath)
	if err != nil {
		return err
	}
	for i := len(firsts) - 1; i >= 0 && firsts[i] > at.segment; i-- {
		if err := fsys.Remove(filepath.Join(logPath, segmentName(firsts[i]))); err != nil {
			return err
		}
	}
	if err := cutSegment(fsys, logPath, at); err != nil {
		return err
	}
	return syncLogDir(fsys, dir)
}

// cutSegment cuts the segment of at behind at, durably.
func cutSegment(fsys FS, dir string, at position) error {
	f, err := fsys.OpenFile(filepath.Join(dir, segmentName(at.segment)), os.O_RDWR|noFollow, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(at.offset)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncLogDir makes durable which segments there are in the log of a database. What
// a process moved to history/, and did not live to sync, gets its name there
// first: a segment that stands nowhere would be a loss.
func syncLogDir(fsys FS, dir string) error {
	err := fsys.SyncDir(filepath.Join(dir, historyDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsys.SyncDir(filepath.Join(dir, logDir))
}
