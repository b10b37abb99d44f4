// Package crashfs is a file system in memory that remembers, in order, every
// call that changed it, and makes of that memory the states in which a crash
// may leave a disk.
//
// An [FS] is mounted at a path of its own, so any number of them can be used
// in one process, by two ways: its methods are those of a seam for file
// systems, and the functions of the package have the signatures of those of
// packages os and io/ioutil, and find the FS by the path. So a library that
// calls os by itself runs on an FS when its two import lines are exchanged.
//
// A [History] is such a memory; [History.At] says which disks there may be
// after a crash behind any of its calls, under each [Model] of a crash.
package crashfs

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// mountPoint is the folder of all mounts. Nothing real is there.
const mountPoint = "/crashfs/"

var (
	mounts     sync.Map // "1" to *FS
	mountCount atomic.Int64
)

// An FS is a file system in memory. All errors are those of package os. Its
// methods may be called from many goroutines.
type FS struct {
	// BeforeRead, if not nil, is called before each call that reads, without
	// any lock held: it may Play what another process does meanwhile. It is
	// set before the FS is used.
	BeforeRead func()

	path   string // of the mount, without a slash at the end
	base   *Disk
	silent map[string]bool

	mu    sync.Mutex // guards all below
	names map[Name]Ino
	files map[Ino]*node // those of base are added when they are first opened
	times map[Ino]int64 // of the last change of a folder
	ticks int64
	ops   []Op
	next  Ino
}

// A node is a file. An Op in the log and a map of it share its bytes.
type node struct {
	ino    Ino
	data   []byte
	shared bool // data is seen by somebody else, so it is copied before it changes
	locked *File
}

// Mount returns a file system that holds what is on the disk. Nothing of what
// was written to files with one of the silent base names is remembered: such
// are only for messages. Unmount forgets it.
func Mount(d *Disk, silent ...string) *FS {
	s := &FS{base: d, names: maps.Clone(d.Names), files: map[Ino]*node{}, times: map[Ino]int64{}, silent: map[string]bool{}}
	for _, base := range silent {
		s.silent[base] = true
	}
	for _, ino := range d.Names {
		s.next = max(s.next, ino)
	}
	for ino := range d.Files {
		s.next = max(s.next, ino)
	}
	id := fmt.Sprint(mountCount.Add(1))
	s.path = mountPoint + id
	mounts.Store(id, s)
	return s
}

// Unmount forgets the file system. Files that are open stay usable.
func (s *FS) Unmount() { mounts.Delete(s.path[len(mountPoint):]) }

// Path is where the file system is mounted.
func (s *FS) Path() string { return s.path }

// Ops is the number of calls remembered.
func (s *FS) Ops() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ops)
}

// History is what was done since Mount.
func (s *FS) History() *History {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &History{Base: s.base, Ops: slices.Clone(s.ops)}
}

// Play does what an Op says, without remembering it.
func (s *FS) Play(o Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.do(&o)
}

// file returns the node of a file, or nil if ino is none.
func (s *FS) file(ino Ino) *node {
	n := s.files[ino]
	if n == nil {
		if data, ok := s.base.Files[ino]; ok {
			n = &node{ino: ino, data: data, shared: true}
			s.files[ino] = n
		}
	}
	return n
}

// change does an Op and remembers it. Called with mu held.
func (s *FS) change(o Op) {
	s.do(&o)
	s.ops = append(s.ops, o)
}

func (s *FS) do(o *Op) {
	s.ticks++
	switch o.Kind {
	case OpCreate:
		s.files[o.Ino] = &node{ino: o.Ino}
		s.name(o.At, o.Ino)
	case OpMkdir:
		s.name(o.At, o.Ino)
	case OpRename:
		delete(s.names, o.From)
		s.times[o.From.Dir] = s.ticks
		s.name(o.At, o.Ino)
	case OpRemove:
		delete(s.names, o.At)
		s.times[o.At.Dir] = s.ticks
	case OpTruncate:
		if n := s.file(o.Ino); n != nil {
			n.data, n.shared = resize(n.data, o.Size), true
		}
	case OpWrite:
		if n := s.file(o.Ino); n != nil {
			n.write(o.Offset, o.Data)
		}
	}
	s.next = max(s.next, o.Ino)
}

func (s *FS) name(at Name, ino Ino) {
	s.names[at] = ino
	s.times[at.Dir] = s.ticks
}

func (n *node) write(offset int64, data []byte) {
	end := offset + int64(len(data))
	if !n.shared && end <= int64(cap(n.data)) && offset <= int64(len(n.data)) {
		n.data = n.data[:max(end, int64(len(n.data)))]
		copy(n.data[offset:], data)
		return
	}
	grown := make([]byte, max(end, int64(len(n.data))), max(2*end, int64(len(n.data)), 512))
	copy(grown, n.data)
	copy(grown[offset:], data)
	n.data, n.shared = grown, false
}

// find is the folder and the last element of a path, and what it names. ok is
// false if it names nothing; err is set if the folder is not there.
func (s *FS) find(op, path string) (at Name, ino Ino, ok bool, err error) {
	rest, mine := strings.CutPrefix(path, s.path)
	if !mine {
		return at, 0, false, &fs.PathError{Op: op, Path: path, Err: syscall.EXDEV}
	}
	ok = true
	for rest = strings.Trim(rest, "/"); rest != ""; {
		var base string
		base, rest, _ = strings.Cut(rest, "/")
		if !ok {
			return at, 0, false, &fs.PathError{Op: op, Path: path, Err: syscall.ENOENT}
		}
		if s.isFile(ino) {
			return at, 0, false, &fs.PathError{Op: op, Path: path, Err: syscall.ENOTDIR}
		}
		at = Name{Dir: ino, Base: base}
		ino, ok = s.names[at]
	}
	return at, ino, ok, nil
}

func (s *FS) isFile(ino Ino) bool { return s.file(ino) != nil }

// lookUp is find for a path that has to be there.
func (s *FS) lookUp(op, path string) (at Name, ino Ino, err error) {
	at, ino, ok, err := s.find(op, path)
	if err == nil && !ok {
		err = &fs.PathError{Op: op, Path: path, Err: syscall.ENOENT}
	}
	return at, ino, err
}

func (s *FS) reading() {
	if s.BeforeRead != nil {
		s.BeforeRead()
	}
}

// OpenFile is os.OpenFile.
func (s *FS) OpenFile(path string, flag int, _ fs.FileMode) (*File, error) {
	if flag&os.O_CREATE == 0 {
		s.reading()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ino, ok, err := s.find("open", path)
	switch {
	case err != nil:
		return nil, err
	case !ok && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
	case !ok:
		ino = s.next + 1
		s.change(Op{Kind: OpCreate, Ino: ino, At: at})
	case flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EEXIST}
	}
	n := s.file(ino)
	if n == nil && flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	}
	if n == nil {
		if n = s.files[-1-ino]; n == nil { // a folder has a node for its lock only
			n = &node{ino: ino}
			s.files[-1-ino] = n
		}
		return &File{s: s, n: n, path: path, folder: true}, nil
	}
	if flag&os.O_TRUNC != 0 && len(n.data) > 0 {
		s.change(Op{Kind: OpTruncate, Ino: ino})
	}
	return &File{s: s, n: n, path: path, silent: s.silent[at.Base], readOnly: flag&(os.O_WRONLY|os.O_RDWR) == 0}, nil
}

// Mkdir is os.Mkdir.
func (s *FS) Mkdir(path string, _ fs.FileMode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _, ok, err := s.find("mkdir", path)
	if err == nil && ok {
		err = &fs.PathError{Op: "mkdir", Path: path, Err: syscall.EEXIST}
	}
	if err == nil {
		s.change(Op{Kind: OpMkdir, Ino: s.next + 1, At: at})
	}
	return err
}

// Rename is os.Rename, of files.
func (s *FS) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fromAt, ino, there, err := s.find("rename", from)
	if err != nil {
		return err
	}
	at, old, ok, err := s.find("rename", to)
	if err == nil && !there {
		err = &fs.PathError{Op: "rename", Path: from, Err: syscall.ENOENT}
	}
	if err != nil {
		return err
	}
	if !s.isFile(ino) || (ok && !s.isFile(old)) {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EISDIR}
	}
	s.change(Op{Kind: OpRename, Ino: ino, At: at, From: fromAt})
	return nil
}

// Remove is os.Remove.
func (s *FS) Remove(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ino, err := s.lookUp("remove", path)
	if err != nil {
		return err
	}
	if !s.isFile(ino) && len(s.list(ino)) > 0 {
		return &fs.PathError{Op: "remove", Path: path, Err: syscall.ENOTEMPTY}
	}
	s.change(Op{Kind: OpRemove, Ino: ino, At: at})
	return nil
}

// SyncDir makes the names in a folder durable.
func (s *FS) SyncDir(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ino, err := s.lookUp("sync", path)
	if err == nil {
		s.change(Op{Kind: OpSync, Ino: ino})
	}
	return err
}

// Stat is os.Stat.
func (s *FS) Stat(path string) (fs.FileInfo, error) {
	s.reading()
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ino, err := s.lookUp("stat", path)
	if err != nil {
		return nil, err
	}
	return s.info(at.Base, ino), nil
}

// ReadDir is os.ReadDir.
func (s *FS) ReadDir(path string) ([]fs.DirEntry, error) {
	infos, err := s.readDir(path)
	entries := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		entries[i] = fs.FileInfoToDirEntry(info)
	}
	return entries, err
}

func (s *FS) readDir(path string) ([]fs.FileInfo, error) {
	s.reading()
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ino, err := s.lookUp("open", path)
	if err == nil && s.isFile(ino) {
		err = &fs.PathError{Op: "readdir", Path: path, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	infos := s.list(ino)
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	return infos, nil
}

func (s *FS) list(dir Ino) []fs.FileInfo {
	var infos []fs.FileInfo
	for at, ino := range s.names {
		if at.Dir == dir {
			infos = append(infos, s.info(at.Base, ino))
		}
	}
	return infos
}

func (s *FS) info(base string, ino Ino) *info {
	i := &info{name: base, mode: 0o700 | fs.ModeDir, changed: s.times[ino]}
	if n := s.file(ino); n != nil {
		i.mode, i.size = 0o600, int64(len(n.data))
	}
	return i
}

// info is what there is to know of a file or folder.
type info struct {
	name    string
	size    int64
	mode    fs.FileMode
	changed int64
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return time.Unix(1_700_000_000, i.changed) }
func (i *info) IsDir() bool        { return i.mode.IsDir() }
func (i *info) Sys() any           { return nil }
