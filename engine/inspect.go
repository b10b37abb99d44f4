package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// ErrForeign is returned by Inspect for a file that is nothing kvsh writes.
var ErrForeign = errors.New("no file that kvsh writes")

// A Piece is a part of a file, as Inspect finds it.
type Piece struct {
	Offset int64  `json:"offset"` // of its first byte in the file
	Length int64  `json:"length"` // bytes
	What   string `json:"what"`   // what it is, a word or two; of the first piece, what the file is
	Detail string `json:"detail"` // its fields; of a bad piece what they would be, unproven
	Bad    string `json:"bad"`    // what is wrong with it; empty: nothing
}

// Inspect looks at one file of a database by its bytes alone, whatever became
// of the files around it, and calls f with what the file is, as a piece that is
// all of it, then with each of its parts, in the order of their offsets, until
// f returns false. Parts that end at or before the offset from are left out.
// It goes on behind bad places as far as the rest can be told apart. It opens
// no database and writes nothing. An error is ErrForeign, one of the file
// system, or the end of the context; damage is none. fsys nil is OS.
func Inspect(ctx context.Context, fsys FS, path string, from int64, f func(Piece) bool) error {
	fsys = orOS(fsys)
	i := inspector{ctx: ctx, fsys: fsys, path: path, from: from, f: f}
	if err := i.run(); err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	return nil
}

// An inspector is the state of one Inspect.
type inspector struct {
	ctx  context.Context
	fsys FS
	path string
	size int64
	from int64
	f    func(Piece) bool
	done bool // f has seen enough
}

// put passes a piece on. It returns false when nobody wants more.
func (i *inspector) put(p Piece) bool {
	if i.done || i.ctx.Err() != nil {
		return false
	}
	if p.Offset+p.Length > i.from || p.Offset >= i.from && p.Length == 0 {
		i.done = !i.f(p)
	}
	return !i.done
}

// file says what the file is.
func (i *inspector) file(what, detail string) bool {
	p := Piece{Length: i.size, What: what, Detail: detail}
	if i.from > 0 && !i.done {
		i.done = !i.f(p) // however far the parts are that were asked for
		return !i.done
	}
	return i.put(p)
}

// inspectHead is how much of a file is read to see what it is.
const inspectHead = 4096

func (i *inspector) run() error {
	f, err := i.fsys.Open(i.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: i.path, Err: errors.New("not a regular file")}
	}
	i.size = info.Size()
	head := make([]byte, min(i.size, inspectHead))
	if n, err := f.ReadAt(head, 0); err != nil && !isEOF(err) {
		return err
	} else if n < len(head) {
		head = head[:n]
	}
	name := filepath.Base(i.path)
	isTable, err := looksLikeTable(i.fsys, i.path)
	switch {
	case err != nil:
		return err
	case isTable:
		err = i.table(f)
	case bytes.HasPrefix(head, []byte(quarantineTitle)):
		err = i.quarantine(f, head)
	case bytes.HasPrefix(head, []byte(formatTitle)), name == formatFile:
		err = i.text(formatFile)
	case bytes.HasPrefix(head, []byte(manifestTitle)), name == manifestFile:
		err = i.text(manifestFile)
	case bytes.HasPrefix(head, []byte(markMagic)), name == markFile:
		i.mark(head)
	case name == lockFile:
		i.lock(f)
	default:
		return i.segment(f, name)
	}
	if err != nil {
		return err
	}
	return i.ctx.Err()
}

// text inspects FORMAT or MANIFEST: a line is a piece.
func (i *inspector) text(kind string) error {
	b, err := readSmall(i.fsys, i.path)
	if err != nil {
		return err
	}
	i.file(kind, fmt.Sprintf("%d bytes of text", len(b)))
	_, sealed := unsealText(b)
	man, offset := new(manifest), 0
	for n, line := range bytes.SplitAfter(b, []byte{'\n'}) {
		if len(line) == 0 {
			break
		}
		p := Piece{Offset: int64(offset), Length: int64(len(line))}
		offset += len(line)
		text := strings.TrimSuffix(string(line), "\n")
		p.What, p.Detail, _ = strings.Cut(text, " ")
		switch {
		case offset == len(b):
			p.What = "checksum"
			if sealed != nil {
				p.Bad = sealed.Error()
			}
		case n == 0 && text != formatTitle && text != manifestTitle:
			p.Bad = "not the first line of a " + kind
		case n == 0:
			p.What, p.Detail = "title", text
		case kind == manifestFile && n > 1:
			if err := man.decodeLine(text); err != nil {
				p.Bad = err.Error()
			}
		}
		if len(p.What) > 20 { // no word of these files
			p.What, p.Detail = "line", text
		}
		if !i.put(p) {
			return nil
		}
	}
	if len(b) == 0 {
		i.put(Piece{What: "checksum", Bad: "the file is empty"})
	} else if _, err := decodeIdentity(b); kind == formatFile && sealed == nil && err != nil {
		i.put(Piece{Offset: int64(len(b)), What: "end", Bad: err.Error()})
	}
	return nil
}

// mark inspects MARK.
func (i *inspector) mark(b []byte) {
	i.file(markFile, fmt.Sprintf("%d bytes", i.size))
	if i.size != markSize || len(b) < markSize {
		i.put(Piece{Length: i.size, What: "mark", Bad: fmt.Sprintf("it has %d bytes, a mark has %d", i.size, markSize)})
		return
	}
	m, reason := decodeMark(b[:markSize])
	if reason != "" {
		m = decodeMarkAnyway(b[:markSize])
	}
	sum := fmt.Sprintf("%08x", m.pos.sum)
	if m.pos.anySum {
		sum = "not known"
	}
	i.put(Piece{Length: markSize, What: "mark", Bad: reason, Detail: fmt.Sprintf(
		"committed rev %d, which ends at byte %d of segment %s, checksum %s, %s; durable rev %d; MANIFEST %d; copy %016x; boot %x",
		m.pos.rev, m.pos.offset, segmentName(m.pos.segment), sum, stampText(m.pos.stamp), m.durable, m.generation, m.copy, m.boot)})
}

// lock inspects LOCK, which has no checksum.
func (i *inspector) lock(f File) {
	i.file(lockFile, fmt.Sprintf("%d bytes of text", i.size))
	p := Piece{Length: i.size, What: "holder", Detail: "nobody so far"}
	if h := readHolder(f); h.Pid != 0 {
		p.Detail = fmt.Sprintf("last taken by process %d (%s) at %s", h.Pid, h.Command, h.Since.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	i.put(p)
}

// quarantine inspects bytes that were taken out of the way, and what lies in
// them.
func (i *inspector) quarantine(f File, head []byte) error {
	i.file("quarantine", "bytes that were taken out of the way")
	text, _, ok := bytes.Cut(head, []byte("\n\n"))
	if !ok {
		i.put(Piece{Length: i.size, What: "head", Bad: "the lines that say where the bytes stood do not end"})
		return nil
	}
	offset, from := int64(0), ""
	for line := range strings.Lines(string(text) + "\n") {
		p := Piece{Offset: offset, Length: int64(len(line))}
		p.What, p.Detail, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if p.What == "file" {
			from = p.Detail
		}
		if offset == 0 {
			p.What, p.Detail = "title", quarantineTitle
		}
		offset += p.Length
		if !i.put(p) {
			return nil
		}
	}
	offset++ // the empty line
	i.put(Piece{Offset: offset, Length: i.size - offset, What: "bytes", Detail: "as they stood in " + from})
	if !strings.HasPrefix(from, logDir+"/") && !strings.HasPrefix(from, historyDir+"/") {
		return nil
	}
	return i.records(f, offset, 0)
}
