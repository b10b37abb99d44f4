package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// Reading the log as it lies there, for people: every whole record and every
// bad place, of databases that open and of those that do not. Nothing here
// writes, locks or needs any file but the segments.

// SegmentState is how far a segment can be read.
type SegmentState string

// The states of a segment.
const (
	SegmentGood    SegmentState = "good"
	SegmentTorn    SegmentState = "torn"    // an unfinished transaction at the end of the log, not acknowledged
	SegmentDamaged SegmentState = "damaged" // a bad place, or a gap before the next segment
)

// SegmentInfo describes one segment of the log.
type SegmentInfo struct {
	File      string       `json:"file"` // path below the database
	Folder    string       `json:"folder"`
	Name      string       `json:"name"`
	First     Rev          `json:"first"`   // by its name
	Last      Rev          `json:"last"`    // of the last whole record; First-1 if there is none
	Records   int64        `json:"records"` // whole ones
	Bytes     int64        `json:"bytes"`
	FirstTime time.Time    `json:"first_time,omitzero"` // of its first record; zero if there is none
	LastTime  time.Time    `json:"last_time,omitzero"`
	State     SegmentState `json:"state"`
	Offset    int64        `json:"offset,omitempty"` // of the first bad place
	Reason    string       `json:"reason,omitempty"` // what is wrong there
}

// OpInfo is one operation of a record.
type OpInfo struct {
	Op      Op
	Family  string
	Key     string
	Value   []byte    // owned by the caller; nil for a delete
	Expires time.Time // zero unless Op is OpSetExpiring

	// Of an ingest: the file below the database, its bytes, its entries.
	Table        string
	TableSize    int64
	TableEntries int64
}

// RecordInfo is one record of the log, or a place where none can be read.
type RecordInfo struct {
	File   string // path below the database
	Offset int64  // where its wal entry begins
	Length int64  // bytes of the entry; of the bad place, up to the next whole record
	Says   int64  // bytes of the entry by its own length field; 0 if that cannot be read

	Rev           Rev // of a bad place: the revision expected there
	Stamp         Stamp
	Origin        uint64 // the copy of the database that first made the change
	Writer        string
	Checksum      uint32
	Prev          uint32 // checksum of the record before, as this one has it
	DurableBefore bool   // all records before were durable when this one was written
	Ops           []OpInfo

	// Bad is the reason why this is no record of the log, or empty. A record
	// that is whole but does not belong where it stands has its fields set;
	// else Ops holds what could be made out of the damaged bytes, unproven.
	Bad string

	// Torn says that the bad place is an unfinished transaction at the end of the
	// log that was never acknowledged: the next write cuts it.
	Torn bool
}

// A logPiece is a whole record or a bad place, as walkSegment finds it.
type logPiece struct {
	seg    *segmentPlace
	before position // where it begins
	end    int64    // offset behind it
	rec    *record  // valid during the call; nil where nothing could be read
	raw    []byte   // of a bad place
	bad    string
	newer  bool // bad is a version of the format that this program does not know
}

// A segmentPlace is a segment file and where it stands.
type segmentPlace struct {
	folder string // below the database
	first  Rev
	next   Rev // first revision of the segment behind it; 0: it is the last
}

func (p *segmentPlace) file() string {
	if p.folder == "" {
		return segmentName(p.first)
	}
	return p.folder + "/" + segmentName(p.first)
}

// openLog is listLog for a path that may also be a single segment file. dir is
// what the segments are below.
func openLog(fsys FS, path string) (dir string, places []*segmentPlace, err error) {
	info, err := fsys.Stat(path)
	if err != nil {
		return path, nil, err
	}
	if info.Mode().IsRegular() {
		first, ok := parseSegmentName(filepath.Base(path))
		if !ok {
			return path, nil, fmt.Errorf("%s: a segment has a name of 20 digits: %w", filepath.Base(path), ErrUnsupported)
		}
		return filepath.Dir(path), []*segmentPlace{{first: first}}, nil
	}
	places, _, err = listLog(fsys, path)
	return path, places, err
}

// listLog returns the segments of history/ and log/ of a database in the order
// of their revisions, or those of dir itself if it has no such folders, and
// the files between them that are no segments.
func listLog(fsys FS, dir string) (places []*segmentPlace, foreign []string, err error) {
	found := false
	inHistory := make(map[Rev]bool)
	// log/ first: a segment that moves meanwhile is then seen twice, not never.
	for _, folder := range []string{logDir, historyDir, ""} {
		if folder == "" && found {
			break
		}
		firsts, strange, err := listSegments(fsys, filepath.Join(dir, folder))
		if errors.Is(err, fs.ErrNotExist) && folder != "" {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		found = true
		for _, first := range firsts {
			places = append(places, &segmentPlace{folder: folder, first: first})
			inHistory[first] = inHistory[first] || folder == historyDir
		}
		for _, name := range strange {
			if folder != "" {
				foreign = append(foreign, folder+"/"+name)
			}
		}
	}
	slices.SortStableFunc(places, func(a, b *segmentPlace) int {
		if a.first < b.first {
			return -1
		}
		if a.first > b.first {
			return 1
		}
		return 0
	})
	// Of one seen twice only the place it moved to counts. Two that differ are a
	// fault for the caller to name.
	places = slices.DeleteFunc(places, func(p *segmentPlace) bool {
		return p.folder == logDir && inHistory[p.first] && hasMoved(fsys, dir, p)
	})
	for i := range places[:max(len(places)-1, 0)] {
		places[i].next = places[i+1].first
	}
	return places, foreign, nil
}

// hasMoved reports whether a segment that was seen in log/ and in history/ is the
// same one: it was moved meanwhile, or, on a file system without a journal, the
// power was lost in the middle of a move, which left both names.
func hasMoved(fsys FS, dir string, p *segmentPlace) bool {
	here, err := readSegmentFrom(fsys, filepath.Join(dir, p.file()), 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	there, err := readSegmentFrom(fsys, filepath.Join(dir, historyDir, segmentName(p.first)), 0)
	return err == nil && bytes.Equal(here, there)
}

// openPlace opens a segment for a scan from at. One that has left log/
// meanwhile is in history/.
func openPlace(fsys FS, dir string, p *segmentPlace, at position, end int64, buf []byte) (*segmentScanner, error) {
	s, err := openSegment(fsys, filepath.Join(dir, p.folder), at, end, buf)
	if errors.Is(err, fs.ErrNotExist) && p.folder == logDir {
		moved := *p
		moved.folder = historyDir
		if s, err := openSegment(fsys, filepath.Join(dir, moved.folder), at, end, buf); err == nil {
			*p = moved
			return s, nil
		}
	}
	return s, err
}

// walkSegment calls f with everything in a segment, bad places included, until
// f returns false. at is the position at its start. end < 0 means to the end
// of the file. It returns the position behind the last record.
func walkSegment(fsys FS, dir string, p *segmentPlace, at position, end int64, buf *[]byte, f func(*logPiece) bool) (position, bool, error) {
	for {
		s, err := openPlace(fsys, dir, p, at, end, *buf)
		var bad *badPlace
		if errors.As(err, &bad) {
			return at, f(&logPiece{seg: p, before: at, end: bad.size, bad: bad.reason}), nil
		}
		if err != nil {
			return at, false, err
		}
		before, more := at, true
		for more {
			before = s.at
			more, err = s.next()
			if more && !f(&logPiece{seg: p, before: before, end: s.at.offset, rec: &s.rec}) {
				s.close()
				return s.at, false, nil
			}
		}
		*buf = s.buf
		s.close()
		if err == nil {
			return s.at, true, nil
		}
		if !errors.As(err, &bad) {
			return s.at, false, err
		}
		piece, next, err := resync(fsys, filepath.Join(dir, p.file()), p, before, s.end, bad)
		if err != nil {
			return before, false, err
		}
		if !f(piece) {
			return next, false, nil
		}
		if next.offset >= s.end {
			return next, true, nil
		}
		at = next
	}
}

// resync finds out what stands at a bad place, and where to go on.
func resync(fsys FS, path string, p *segmentPlace, before position, end int64, bad *badPlace) (*logPiece, position, error) {
	data, err := readSegmentFrom(fsys, path, before.offset)
	if err != nil {
		return nil, before, err
	}
	data = data[:min(int64(len(data)), end-before.offset)]
	piece := &logPiece{seg: p, before: before, bad: bad.reason, newer: bad.newer}
	if rec, n := recordAt(data); rec != nil {
		// Whole, but not the one that belongs here.
		piece.rec, piece.end = rec, before.offset+int64(n)
		next := before
		next.rev, next.sum, next.anySum, next.stamp, next.offset = rec.rev, rec.sum, false, rec.stamp, piece.end
		return piece, next, nil
	}
	skip := len(data)
	if n, length, _, err := parseFrame(data[:min(len(data), 10)]); err == nil && n+length < len(data) {
		// Its length may be good: what follows then begins there, and not in
		// a value that holds a record.
		if rec, _ := recordAt(data[n+length:]); rec != nil && rec.rev > before.rev {
			skip = n + length
		}
	}
	if skip == len(data) && len(data) > 0 {
		if i := searchRecord(data[1:], before.rev, func(*record) bool { return true }); i >= 0 {
			skip = i + 1
		}
	}
	piece.raw, piece.end = data[:skip], before.offset+int64(skip)
	next := before
	next.offset, next.anySum = piece.end, true
	if rec, _ := recordAt(data[skip:]); rec != nil {
		next.rev = rec.rev - 1
	}
	return piece, next, nil
}

// recordAt decodes the wal entry that data begins with, and returns its
// length, or nil.
func recordAt(data []byte) (*record, int) {
	n, length, _, err := parseFrame(data[:min(len(data), 10)])
	if err != nil || n+length > len(data) {
		return nil, 0
	}
	rec := new(record)
	if rec.parse(data[n:n+length]) != nil {
		return nil, 0
	}
	return rec, n + length
}

// walkLog walks through segments, and tells of gaps between them as bad places
// of no length. until, if it is not nil, is where the log ends: nothing behind
// it is looked at.
func walkLog(ctx context.Context, fsys FS, dir string, places []*segmentPlace, until *position, f func(*logPiece) bool) error {
	var at position
	var buf []byte
	lost := false // what was found last is a bad place: the records up to the next segment stood there
	each := func(p *logPiece) bool {
		lost = p.rec == nil
		return f(p)
	}
	for i, p := range places {
		lost = false
		if err := ctx.Err(); err != nil {
			return err
		}
		if until != nil && p.first > until.segment {
			return nil
		}
		end := int64(-1)
		if until != nil && p.first == until.segment {
			end = until.offset
		}
		start := position{rev: p.first - 1, segment: p.first, anySum: p.first > 1}
		if i > 0 {
			start = startOf(p.first, at)
		}
		var more bool
		var err error
		at, more, err = walkSegment(fsys, dir, p, start, end, &buf, each)
		if err != nil || !more {
			return err
		}
		if p.next != 0 && at.rev+1 != p.next && !(lost && at.rev+1 < p.next) {
			gap := &logPiece{seg: p, before: at, end: at.offset, bad: fmt.Sprintf("the next segment begins at revision %d", p.next)}
			if !f(gap) {
				return nil
			}
		}
	}
	return nil
}

// Segments describes the segments of a database, in the order of their
// revisions, or those that lie in the folder path itself, or the one segment
// that path is. It reads every byte of them. An
// error is one of the file system; what is wrong with a segment stands in its
// State. fsys nil is OS.
func Segments(ctx context.Context, fsys FS, path string) ([]SegmentInfo, error) {
	fsys = orOS(fsys)
	dir, places, err := openLog(fsys, path)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	infos := make([]SegmentInfo, len(places))
	byPlace := make(map[*segmentPlace]*SegmentInfo)
	for i, p := range places {
		infos[i] = SegmentInfo{First: p.first, Last: p.first - 1, Name: segmentName(p.first), State: SegmentGood}
		byPlace[p] = &infos[i]
	}
	torn := tornPlace(fsys, dir)
	err = walkLog(ctx, fsys, dir, places, nil, func(piece *logPiece) bool {
		byPlace[piece.seg].add(piece, torn)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	for i, p := range places {
		infos[i].File, infos[i].Folder = p.file(), p.folder
		if info, err := fsys.Stat(filepath.Join(dir, p.file())); err == nil {
			infos[i].Bytes = info.Size()
		}
	}
	return infos, nil
}

func (s *SegmentInfo) add(p *logPiece, torn position) {
	if p.bad == "" {
		s.Records++
		s.Last, s.LastTime = p.rec.rev, p.rec.stamp.Time().UTC()
		if s.Records == 1 {
			s.FirstTime = s.LastTime
		}
		if err := p.rec.each(func(*operation) bool { return true }); err != nil {
			p.bad = err.Error()
		}
	}
	if p.bad == "" || s.State != SegmentGood {
		return
	}
	s.State, s.Offset, s.Reason = SegmentDamaged, p.before.offset, p.bad
	if torn.segment == p.seg.first && torn.offset == p.before.offset {
		s.State = SegmentTorn
	}
}

// tornPlace asks recovery where the log is torn. The zero position: nowhere,
// or it cannot be told without the other files.
func tornPlace(fsys FS, dir string) position {
	id, err := readIdentity(fsys, dir)
	if err != nil {
		return position{}
	}
	e, err := inspectLog(fsys, dir, id, currentBoot())
	if err != nil || e.torn == nil {
		return position{}
	}
	return e.torn.at
}

// Records calls f with the records from one revision to another (0: to the
// last), both included, in order, and with the bad places between them, until
// f returns false. It goes on behind a bad place at the next whole record. An
// error is one of the file system. path is what Segments takes. fsys nil is OS.
func Records(ctx context.Context, fsys FS, path string, from, to Rev, f func(RecordInfo) bool) error {
	fsys = orOS(fsys)
	dir, places, err := openLog(fsys, path)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	for len(places) > 1 && places[1].first <= from {
		places = places[1:]
	}
	var torn *position // once a bad place asks for it
	err = walkLog(ctx, fsys, dir, places, nil, func(p *logPiece) bool {
		rev := p.before.rev + 1
		if p.rec != nil {
			rev = p.rec.rev
		}
		switch {
		case to != 0 && rev > to:
			return false
		case rev < from && p.bad == "":
			return true
		}
		info := p.info()
		if info.Bad != "" {
			if torn == nil {
				at := tornPlace(fsys, dir)
				torn = &at
			}
			info.Torn = torn.segment == p.seg.first && torn.offset == info.Offset
		}
		return f(info)
	})
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}

// info is the piece as the caller of Records may keep it.
func (p *logPiece) info() RecordInfo {
	r := RecordInfo{File: p.seg.file(), Offset: p.before.offset, Length: p.end - p.before.offset, Rev: p.before.rev + 1, Bad: p.bad}
	if p.rec == nil {
		if n, length, _, err := parseFrame(p.raw[:min(len(p.raw), 10)]); err == nil {
			r.Says = int64(n + length)
		}
		for _, o := range guessOperations(p.raw) {
			r.Ops = append(r.Ops, opInfo(&o))
		}
		return r
	}
	r.Says = r.Length
	r.Rev, r.Stamp, r.Origin, r.Writer = p.rec.rev, p.rec.stamp, p.rec.origin, string(p.rec.writer)
	r.Checksum, r.Prev, r.DurableBefore = p.rec.sum, p.rec.prev, p.rec.durableBefore()
	err := p.rec.each(func(o *operation) bool {
		r.Ops = append(r.Ops, opInfo(o))
		return true
	})
	if err != nil && r.Bad == "" {
		r.Bad = err.Error()
	}
	return r
}

func opInfo(o *operation) OpInfo {
	i := OpInfo{Op: o.op, Family: string(o.family), Key: string(o.key)}
	if o.op == OpSet || o.op == OpSetExpiring {
		i.Value = append(make([]byte, 0, len(o.value)), o.value...)
	}
	if o.expires != 0 {
		i.Expires = time.UnixMilli(o.expires).UTC()
	}
	if o.op == OpIngest {
		i.Table, i.TableSize, i.TableEntries = tableName(o.table.id), o.table.size, o.table.entries
	}
	return i
}
