package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
)

// A segment is a file of the log: wal entries, each a record, whose name is
// the revision of its first record in 20 digits. This file is the only parser
// of segments: opening, reading, the log commands, check and repair use it.
// It never writes.

// The folders of segments, below the database.
const (
	logDir     = "log"
	historyDir = "history"
)

// segmentName is the name tidwall/wal gives the segment that begins at first.
func segmentName(first Rev) string { return fmt.Sprintf("%020d", uint64(first)) }

// parseSegmentName is the inverse of segmentName.
func parseSegmentName(name string) (Rev, bool) {
	if len(name) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return Rev(n), err == nil && n != 0
}

// listSegments returns the first revisions of the segments in a folder,
// ascending, and the names of files that are no segments.
func listSegments(fsys FS, dir string) (firsts []Rev, foreign []string, err error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if first, ok := parseSegmentName(e.Name()); ok {
			if !e.Type().IsRegular() {
				// The library behind the log would write through a link of that name.
				return nil, nil, notPlain(filepath.Base(dir)+"/"+e.Name(), e.Type())
			}
			firsts = append(firsts, first)
		} else {
			foreign = append(foreign, e.Name())
		}
	}
	slices.Sort(firsts)
	return firsts, foreign, nil
}

// A position is a place between two records of the log.
type position struct {
	rev     Rev    // of the record before the place; 0 at the very start
	sum     uint32 // checksum of that record
	anySum  bool   // sum is not known: the next record's link is not compared
	stamp   Stamp  // of that record
	segment Rev    // first revision of the segment file
	offset  int64  // in the segment file
}

// scanBuffer is how much of a segment is read at once. One buffer is reused
// for a whole scan: fresh memory costs page faults.
const scanBuffer = 64 << 10

// A badPlace is where a segment stops being readable. What it means, a torn
// tail or damage, is for the caller to say: it knows the mark and what follows.
type badPlace struct {
	at     position // the last good place
	size   int64    // of the file
	reason string
	newer  bool // not bad, but of a newer version
}

func (b *badPlace) Error() string { return b.reason }

// corrupt is the bad place as damage of a file in dir.
func (b *badPlace) corrupt(dir string) error {
	name := dir + "/" + segmentName(b.at.segment)
	if b.newer {
		return fmt.Errorf("%s: %w", name, errNewerRecord)
	}
	return &CorruptError{File: name, Offset: b.at.offset, Rev: b.at.rev + 1, Reason: b.reason}
}

// A segmentScanner reads the records of one segment in order.
type segmentScanner struct {
	f    File
	at   position // behind the last record returned
	end  int64    // scan no further; the size of the file, or less
	buf  []byte   // reused; may be nil
	data []byte   // what of the file is read, or mapped, and not yet consumed
	rec  record

	stays bool         // what is to scan was acknowledged, so it is never cut off
	unmap func() error // nil: nothing is mapped
}

// openSegment opens a segment for a scan that begins at a position. end < 0
// means to the end of the file. buf, which may be nil, is used as s.buf.
func openSegment(fsys FS, dir string, at position, end int64, buf []byte) (*segmentScanner, error) {
	f, err := fsys.Open(filepath.Join(dir, segmentName(at.segment)))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	size := info.Size()
	if end < 0 {
		end = size
	} else if end > size {
		f.Close()
		return nil, &badPlace{at: at, size: size, reason: fmt.Sprintf("the file ends at byte %d, acknowledged records reach to %d", size, end)}
	}
	return &segmentScanner{f: f, at: at, end: end, buf: buf[:cap(buf)]}, nil
}

// close releases the segment, and s.rec with it.
func (s *segmentScanner) close() {
	if s.unmap != nil {
		_ = s.unmap() // an error would be a bug here and changes nothing
	}
	s.f.Close()
}

// next reads the next record into s.rec, whose slices hold until the next
// call. It returns false at the end, and a *badPlace where something else than
// the next record stands.
func (s *segmentScanner) next() (bool, error) {
	if s.at.offset == s.end {
		return false, nil
	}
	if err := s.fill(16); err != nil {
		return false, err
	}
	n, length, short, err := parseFrame(s.data[:min(len(s.data), 10)])
	if err != nil {
		if short {
			err = errors.New("cut inside a record")
		}
		return false, s.bad(err)
	}
	if left := s.end - s.at.offset; int64(n)+int64(length) > left {
		return false, s.bad(fmt.Errorf("cut inside a record: its length says %d, %d bytes are left", length, left-int64(n)))
	}
	if err := s.fill(n + length); err != nil {
		return false, err
	}
	rec := &s.rec
	if err := rec.parse(s.data[n : n+length]); err != nil {
		return false, s.bad(err)
	}
	if rec.rev != s.at.rev+1 {
		return false, s.bad(fmt.Errorf("the record of revision %d stands here", rec.rev))
	}
	if rec.prev != s.at.sum && !s.at.anySum {
		return false, s.bad(fmt.Errorf("the record before had the checksum %08x, this one follows %08x", s.at.sum, rec.prev))
	}
	s.data = s.data[n+length:]
	s.at.rev, s.at.sum, s.at.anySum, s.at.stamp = rec.rev, rec.sum, false, rec.stamp
	s.at.offset += int64(n + length)
	return true, nil
}

// fill makes sure that s.data holds n bytes, or all that are left before end.
// n is bounded by maxRecordSize and by what the file holds, so a false length
// costs no memory.
func (s *segmentScanner) fill(n int) error {
	unread := s.end - s.at.offset
	if int64(n) > unread {
		n = int(unread)
	}
	if len(s.data) >= n {
		return nil
	}
	if n > scanBuffer && s.stays {
		return s.mapRest()
	}
	// Whoever follows the log reads a few bytes at a time.
	if need := max(n, int(min(unread, scanBuffer)), 512); len(s.buf) < need {
		grown := make([]byte, need)
		copy(grown, s.data)
		s.buf, s.data = grown, grown[:len(s.data)]
	} else {
		copy(s.buf, s.data)
		s.data = s.buf[:len(s.data)]
	}
	have := len(s.data)
	want := int(min(int64(len(s.buf)), unread))
	got, err := s.f.ReadAt(s.buf[have:want], s.at.offset+int64(have))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.data = s.buf[:have+got]
	if len(s.data) < n {
		return s.bad(errors.New("the file became shorter while it was read"))
	}
	return nil
}

// mapRest maps what is left to scan, for a record larger than the buffer: fresh
// memory for it would cost ten times as much, and a collection of garbage.
func (s *segmentScanner) mapRest() error {
	if s.end > math.MaxInt {
		return s.bad(errors.New("longer than this machine can map"))
	}
	data, unmap, err := s.f.Map(int(s.end), true)
	if err != nil {
		return err
	}
	s.data, s.unmap = data[s.at.offset:], unmap
	return nil
}

func (s *segmentScanner) bad(reason error) error {
	return &badPlace{at: s.at, size: s.end, reason: reason.Error(), newer: errors.Is(reason, ErrNewer)}
}

// findRecord looks in a segment, from an offset on, for any record that is
// whole and newer than after, wherever it begins, and returns the first that
// accept takes. It is how recovery tells a torn tail, behind which nothing
// stands, from a bad place in the middle.
func findRecord(fsys FS, path string, offset int64, after Rev, accept func(*record) bool) (found bool, err error) {
	data, err := readSegmentFrom(fsys, path, offset)
	if err != nil {
		return false, err
	}
	return searchRecord(data, after, accept) >= 0, nil
}

// searchRecord returns where in data the entry begins that findRecord looks
// for, or -1.
func searchRecord(data []byte, after Rev, accept func(*record) bool) int {
	magic := []byte{recordMagic[0], recordMagic[1], recordVersion}
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], magic)
		if i < 0 {
			return -1
		}
		at += i
		for n := 1; n <= min(4, at); n++ {
			head, length, _, err := parseFrame(data[at-n : at])
			if err != nil || head != n || length > len(data)-at {
				continue
			}
			var rec record
			if rec.parse(data[at:at+length]) == nil && rec.rev > after && accept(&rec) {
				return at - n
			}
		}
	}
}

// maxSegmentSize is what a reader believes of the size of a segment, in bytes. A
// writer rotates at segmentSize, so none is larger than that and one record.
const maxSegmentSize = 2 * MaxTxSize

// readSegmentFrom reads a segment from an offset to its end. One that is longer
// than a segment can be is a *CorruptError.
func readSegmentFrom(fsys FS, path string, offset int64) ([]byte, error) {
	if info, err := fsys.Stat(path); err == nil && info.Size() > maxSegmentSize {
		return nil, &CorruptError{
			File:   filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path),
			Offset: maxSegmentSize,
			Reason: fmt.Sprintf("%d bytes, longer than a segment can be", info.Size()),
		}
	}
	return readFileFrom(fsys, path, offset)
}

// readFileFrom reads a file from an offset to its end.
func readFileFrom(fsys FS, path string, offset int64) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeType != 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if info.Size() <= offset {
		return nil, nil
	}
	data := make([]byte, info.Size()-offset)
	n, err := f.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// scanLog reads the records behind a position through all segments of dir, in
// order, and returns where it stopped. to, if it is not nil, is where it ends:
// a place acknowledged to be there. It calls f with each record, whose slices
// hold only during the call; an error of f ends the scan.
//
// firsts are the segments to read. An error is a *badPlace, an error of f, or
// one of the file system; fs.ErrNotExist means that a segment left for
// history/ meanwhile.
func scanLog(fsys FS, dir string, firsts []Rev, from position, to *position, f func(*record, position) error) (position, error) {
	at := from
	var buf []byte
	i, ok := slices.BinarySearch(firsts, at.rev+1)
	if !ok {
		i--
	}
	if i < 0 {
		if len(firsts) == 0 && (to == nil || to.rev <= at.rev) {
			return at, nil
		}
		return at, fmt.Errorf("%s: the segment with revision %d: %w", dir, at.rev+1, fs.ErrNotExist)
	}
	for ; i < len(firsts) && (to == nil || at.rev < to.rev); i++ {
		if firsts[i] != at.segment || at.segment == 0 {
			at = startOf(firsts[i], at)
		}
		end := int64(-1)
		if to != nil && firsts[i] == to.segment {
			end = to.offset
		}
		s, err := openSegment(fsys, dir, at, end, buf)
		if err != nil {
			return at, err
		}
		s.stays = to != nil
		at, err = s.scan(from, f)
		buf = s.buf
		s.close()
		if err != nil {
			return at, err
		}
		if i+1 < len(firsts) && at.rev+1 != firsts[i+1] && (to == nil || at.rev < to.rev) {
			return at, &badPlace{at: at, reason: fmt.Sprintf("the next segment begins at revision %d", firsts[i+1])}
		}
	}
	if at.rev < from.rev {
		return at, &badPlace{at: at, reason: fmt.Sprintf("the log ends here, the tables hold revisions up to %d", from.rev)}
	}
	if to != nil && at.rev < to.rev {
		return at, &badPlace{at: at, reason: fmt.Sprintf("records up to revision %d were acknowledged", to.rev)}
	}
	if to != nil && at.rev == to.rev && at.sum != to.sum && !at.anySum && !to.anySum {
		return at, &badPlace{at: at, reason: fmt.Sprintf("MARK knows revision %d with the checksum %08x, here it has %08x", to.rev, to.sum, at.sum)}
	}
	return at, nil
}

// startOf is the start of a segment, reached behind the position at. A segment
// that begins earlier holds records that are folded already; the link of its
// first record is then not known.
func startOf(first Rev, at position) position {
	p := position{rev: first - 1, segment: first}
	if first == at.rev+1 {
		p.sum, p.anySum, p.stamp = at.sum, at.anySum, at.stamp
	} else {
		p.anySum = first > 1
	}
	return p
}

// scan reads to the end and calls f with the records behind from. Where it
// passes from it checks that this is the same log.
func (s *segmentScanner) scan(from position, f func(*record, position) error) (position, error) {
	for {
		before := s.at
		ok, err := s.next()
		if !ok || err != nil {
			return s.at, err
		}
		if s.rec.rev == from.rev && !from.anySum && s.rec.sum != from.sum {
			s.at = before
			return before, s.bad(fmt.Errorf("MANIFEST knows this record with the checksum %08x, here it has %08x", from.sum, s.rec.sum))
		}
		if s.rec.rev > from.rev {
			if err := f(&s.rec, before); err != nil {
				return before, err
			}
		}
	}
}
