package engine

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
)

// MARK format, version 1. Integers are little-endian. It fits one sector and
// is written in place, after the fsync of the records it speaks of; it is
// itself never synced. So it is at any moment a true lower bound of what was
// acknowledged, and, while the machine has been up, exactly that.
//
//	offset  size  field
//	0       4     magic: "kvMK"
//	4       1     version: 1
//	5       3     zero
//	8       8     copy of the database, as in FORMAT
//	16      16    boot: identifies the run of the operating system in which
//	              this was written; zeros where the system does not tell
//	32      8     committed: the highest acknowledged revision
//	40      8     its segment: first revision of the file
//	48      8     its end: offset in that file
//	56      8     its stamp
//	64      4     its checksum; 0 with bit 0 of the flags
//	68      4     flags: bit 0, the checksum is not known
//	72      8     durable: the highest revision known to be on the disk
//	80      8     Unix milliseconds when that became known
//	88      8     generation of MANIFEST when this was written
//	96      4     CRC-32 (IEEE) of every byte before this field
const (
	markFile    = "MARK"
	markMagic   = "kvMK"
	markVersion = 1
	markSize    = 100
)

// A mark is the content of MARK.
type mark struct {
	copy       uint64
	boot       bootID
	pos        position // of the highest acknowledged record
	durable    Rev
	syncedAt   int64 // Unix milliseconds
	generation uint64
}

// bootID identifies one run of the operating system. The zero bootID is
// unknown and equals nothing.
type bootID [16]byte

// current reports whether the mark was written since this machine started, so
// that it is exact: no power was lost since.
func (m *mark) current(boot bootID) bool { return boot != bootID{} && m.boot == boot }

func (m *mark) encode() [markSize]byte {
	var b [markSize]byte
	le := binary.LittleEndian
	copy(b[0:], markMagic)
	b[4] = markVersion
	le.PutUint64(b[8:], m.copy)
	copy(b[16:], m.boot[:])
	le.PutUint64(b[32:], uint64(m.pos.rev))
	le.PutUint64(b[40:], uint64(m.pos.segment))
	le.PutUint64(b[48:], uint64(m.pos.offset))
	le.PutUint64(b[56:], uint64(m.pos.stamp))
	le.PutUint32(b[64:], m.pos.sum)
	if m.pos.anySum {
		le.PutUint32(b[64:], 0)
		le.PutUint32(b[68:], 1)
	}
	le.PutUint64(b[72:], uint64(m.durable))
	le.PutUint64(b[80:], uint64(m.syncedAt))
	le.PutUint64(b[88:], m.generation)
	le.PutUint32(b[96:], crc32.ChecksumIEEE(b[:96]))
	return b
}

// decodeMark is the inverse of encode. The reason is empty if the mark is good.
func decodeMark(b []byte) (m mark, reason string) {
	le := binary.LittleEndian
	switch {
	case len(b) != markSize:
		return m, "wrong size"
	case string(b[:4]) != markMagic:
		return m, "no mark begins here"
	case crc32.ChecksumIEEE(b[:96]) != le.Uint32(b[96:]):
		return m, "checksum mismatch"
	case b[4] != markVersion || le.Uint32(b[68:])&^1 != 0:
		return m, "unknown version"
	}
	m.copy = le.Uint64(b[8:])
	copy(m.boot[:], b[16:])
	m.pos = position{
		rev:     Rev(le.Uint64(b[32:])),
		segment: Rev(le.Uint64(b[40:])),
		offset:  int64(le.Uint64(b[48:])),
		stamp:   Stamp(le.Uint64(b[56:])),
		sum:     le.Uint32(b[64:]),
		anySum:  le.Uint32(b[68:]) == 1,
	}
	m.durable = Rev(le.Uint64(b[72:]))
	m.syncedAt = int64(le.Uint64(b[80:]))
	m.generation = le.Uint64(b[88:])
	return m, ""
}

// readMark reads MARK through an open file. A writer may be at it: what was
// torn by that reads well the second time.
func readMark(f File, copyID uint64) (m mark, reason string, err error) {
	var b [markSize + 1]byte
	for range 3 {
		n, e := f.ReadAt(b[:], 0)
		if n == 0 && e != nil && !isEOF(e) {
			return m, "", e
		}
		if m, reason = decodeMark(b[:n]); reason == "" {
			break
		}
	}
	if reason == "" && m.copy != copyID {
		reason = "belongs to another copy of a database"
	}
	return m, reason, nil
}

// A liveMark looks at MARK without a call of the system, through a mapping of
// the page in which the system keeps it: what a writer has written stands there
// before its write returns. The zero liveMark, and one of a file that cannot be
// mapped so, sees nothing.
type liveMark struct {
	data  []byte // the bytes of MARK; nil: not mapped
	unmap func() error
	tried bool
}

// A liveMapper is a File of which others may go on writing what is mapped.
// MapLive maps the file if it has exactly size bytes; they stay valid until
// unmap, and change as the file does. Where the file is cut meanwhile, reading
// them is a fault of the memory.
type liveMapper interface {
	MapLive(size int) (data []byte, unmap func() error, err error)
}

// open maps MARK, if its file system can. It tries only once.
func (l *liveMark) open(f File) {
	if l.tried {
		return
	}
	l.tried = true
	if m, ok := f.(liveMapper); ok {
		if data, unmap, err := m.MapLive(markSize); err == nil {
			l.data, l.unmap = data, unmap
		}
	}
}

// is reports whether MARK consists of just these bytes, now. Whoever gets false
// reads the file, and learns why: somebody may be writing, or have cut it.
func (l *liveMark) is(raw string) (same bool) {
	if l.data == nil {
		return false
	}
	// A page behind the end of a file that was cut is a fault, which would end
	// the process.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			same = false
		}
	}()
	return string(l.data) == raw
}

func (l *liveMark) close() {
	if l.data != nil {
		_ = l.unmap() // an error would be a bug here and changes nothing
		l.data = nil
	}
}

// openMark opens MARK. A missing one is no error: f is nil and the reason says
// so.
func openMark(fsys FS, dir string, flag int) (f File, reason string, err error) {
	f, err = fsys.OpenFile(filepath.Join(dir, markFile), flag|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "missing", nil
	}
	return f, "", err
}

// writeMark writes MARK in place. It creates the file if it is missing.
func writeMark(fsys FS, dir string, f *File, m *mark) error {
	if *f == nil {
		created, err := fsys.OpenFile(filepath.Join(dir, markFile), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
		if err != nil {
			return err
		}
		*f = created
		keepOwnerEmpty(created, dir)
	}
	b := m.encode()
	_, err := (*f).WriteAt(b[:], 0)
	return err
}
