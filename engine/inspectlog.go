package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
)

// inspectMost is how many bytes are looked at as a segment. A segment is at
// most as long as one transaction after a segment that was not full.
const inspectMost = 4 * MaxTxSize

// segment inspects a file that is nothing else: a segment, if its name says so
// or a record lies in it.
func (i *inspector) segment(f File, name string) error {
	first, named := parseSegmentName(name)
	head := make([]byte, min(i.size, 1<<20))
	n, err := f.ReadAt(head, 0)
	if err != nil && !isEOF(err) {
		return err
	}
	head = head[:n]
	if !named {
		if first = revAt(head); first == 0 {
			at := searchRecord(head, 0, func(*record) bool { return true })
			if at < 0 {
				return ErrForeign
			}
			first = revAt(head[at:])
		}
	}
	i.file("segment", fmt.Sprintf("of the log, from rev %d", first))
	return i.records(f, 0, first)
}

// records inspects the wal entries from an offset of the file on. first is the
// revision of the first record; 0: whichever it is.
func (i *inspector) records(f File, base int64, first Rev) error {
	w := byteWindow{File: f, base: base, size: min(i.size-base, inspectMost)}
	place := &segmentPlace{first: max(first, 1)}
	start := position{segment: place.first, anySum: true}
	if first > 0 {
		start.rev = first - 1
	} else if rev := revAt(w.head()); rev > 0 {
		start.rev = rev - 1
	}
	var buf []byte
	_, _, err := walkSegment(singleFile{i.fsys, w}, "", place, start, -1, &buf, func(p *logPiece) bool {
		return i.record(w, p)
	})
	if err != nil {
		return err
	}
	if rest := i.size - base - w.size; rest > 0 {
		i.put(Piece{
			Offset: base + w.size, Length: rest, What: "rest",
			Bad: fmt.Sprintf("no segment has more than %d bytes; the rest was not looked at", int64(inspectMost)),
		})
	}
	return i.ctx.Err()
}

// revAt is the revision in the header of the record that data begins with; 0
// if none does. The record need not be whole.
func revAt(data []byte) Rev {
	n, _, _, err := parseFrame(data[:min(len(data), 10)])
	if err != nil || len(data) < n+recordHeaderSize || string(data[n:n+2]) != recordMagic || data[n+2] != recordVersion {
		return 0
	}
	return Rev(binary.LittleEndian.Uint64(data[n+4:]))
}

// record passes on a record with its operations, or a bad place.
func (i *inspector) record(w byteWindow, p *logPiece) bool {
	out := Piece{Offset: w.base + p.before.offset, Length: p.end - p.before.offset, What: "record", Bad: p.bad}
	if p.rec == nil {
		out.What, out.Detail = "bad record", guessDetail(p.raw)
		return i.put(out)
	}
	r := p.rec
	durable := "not all before it durable"
	if r.durableBefore() {
		durable = "all before it durable"
	}
	frame := int64(binary.PutUvarint(make([]byte, binary.MaxVarintLen64), uint64(r.size)))
	out.Detail = fmt.Sprintf("length %d in %d bytes; rev %d, %s, origin %016x, writer %q, operations %d; follows %08x, %s; checksum %08x",
		r.size, frame, r.rev, stampText(r.stamp), r.origin, r.writer, r.count, r.prev, durable, r.sum)
	at := out.Offset + frame + recordHeaderSize + int64(len(r.writer)) + 4
	var ops []Piece
	err := r.each(func(o *operation) bool {
		size := int64(opSize(o.op, len(o.family), len(o.key), len(o.value)))
		ops = append(ops, Piece{Offset: at, Length: size, What: o.op.String(), Detail: opDetail(o)})
		at += size
		return len(ops) < 1<<16 // a record may have millions
	})
	if err != nil && out.Bad == "" {
		out.Bad = err.Error()
	}
	if !i.put(out) {
		return false
	}
	for _, op := range ops {
		if !i.put(op) {
			return false
		}
	}
	if len(ops) < r.count && err == nil {
		return i.put(Piece{Offset: at, What: "more", Detail: fmt.Sprintf("%d more operations", r.count-len(ops))})
	}
	return true
}

func opDetail(o *operation) string {
	if o.op == OpIngest {
		return fmt.Sprintf("%s, %d bytes, %d entries, checksum %08x", tableName(o.table.id), o.table.size, o.table.entries, o.table.sum)
	}
	detail := "key " + shortKey(o.key)
	if len(o.family) > 0 {
		detail = fmt.Sprintf("cf %s, %s", o.family, detail)
	}
	if o.op != OpDelete {
		detail += fmt.Sprintf(", value of %d bytes", len(o.value))
	}
	if o.expires != 0 {
		detail += ", expires " + millisText(o.expires)
	}
	return detail
}

// guessDetail is what the bytes of a bad place would say.
func guessDetail(raw []byte) string {
	n, length, _, err := parseFrame(raw[:min(len(raw), 10)])
	if err != nil {
		return "no length"
	}
	detail := fmt.Sprintf("length says %d", length)
	if len(raw) < n+recordHeaderSize || string(raw[n:n+2]) != recordMagic {
		return detail + "; no header"
	}
	le := binary.LittleEndian
	detail += fmt.Sprintf("; rev %d?, %s?", le.Uint64(raw[n+4:]), stampText(Stamp(le.Uint64(raw[n+12:]))))
	var keys []string
	for _, o := range guessOperations(raw) {
		if len(keys) == maxFaultKeys {
			break
		}
		keys = append(keys, shortKey(o.key))
	}
	if len(keys) > 0 {
		detail += "; keys " + strings.Join(keys, " ") + "?"
	}
	return detail
}

// shortKey is a key as a literal, a long one by its beginning.
func shortKey(key []byte) string {
	const most = 80
	if len(key) <= most {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q… of %d bytes", key[:most], len(key))
}

func stampText(s Stamp) string { return millisText(int64(s >> 16)) }

// millisText is a moment; one that no clock can have shown stays a number.
func millisText(ms int64) string {
	const mostMillis = 253402300800000 // the year 10000
	if ms < 0 || ms >= mostMillis {
		return fmt.Sprintf("%d ms", ms)
	}
	return Stamp(uint64(ms) << 16).Time().UTC().Format("2006-01-02T15:04:05.000Z")
}

// decodeMarkAnyway reads the fields of a mark whose checksum is bad.
func decodeMarkAnyway(b []byte) mark {
	c := append([]byte(nil), b...)
	copy(c, markMagic)
	c[4] = markVersion
	binary.LittleEndian.PutUint32(c[68:], binary.LittleEndian.Uint32(c[68:])&1)
	binary.LittleEndian.PutUint32(c[96:], crc32.ChecksumIEEE(c[:96]))
	m, _ := decodeMark(c)
	return m
}

// A byteWindow is a part of a file that is read as if it were the whole.
type byteWindow struct {
	File
	base, size int64
}

func (w byteWindow) ReadAt(p []byte, off int64) (int, error) {
	if off >= w.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > w.size-off
	if short {
		p = p[:w.size-off]
	}
	n, err := w.File.ReadAt(p, w.base+off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (w byteWindow) Close() error { return nil } // the file stays with who opened it

func (w byteWindow) Stat() (fs.FileInfo, error) {
	info, err := w.File.Stat()
	if err != nil {
		return nil, err
	}
	return windowInfo{info, w.size}, nil
}

// head is the beginning of the window.
func (w byteWindow) head() []byte {
	b := make([]byte, min(w.size, inspectHead))
	n, _ := w.ReadAt(b, 0)
	return b[:n]
}

type windowInfo struct {
	fs.FileInfo
	size int64
}

func (w windowInfo) Size() int64 { return w.size }

// singleFile is a file system in which every name is the same file.
type singleFile struct {
	FS
	f byteWindow
}

func (o singleFile) Open(string) (File, error)        { return o.f, nil }
func (o singleFile) Stat(string) (fs.FileInfo, error) { return o.f.Stat() }

func (o singleFile) OpenFile(string, int, fs.FileMode) (File, error) {
	return nil, errors.New("read only")
}
