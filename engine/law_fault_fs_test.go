package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// A fault says which calls of a file system go wrong, and how.
type fault struct {
	reads bool          // count calls that read; else those that change something
	at    int           // the call that goes wrong, from 1; 0: none
	times int           // how many calls from there on do; forever: all
	err   syscall.Errno // what they return; 0: the process ends at the first of them
	part  part          // of the first one that is done all the same
}

const forever = 1 << 30

// A part is how much of a call is done that then fails or is the last one. A
// call that cannot be done in part is done whole, or not for partNone.
type part int

const (
	partNone part = iota // nothing
	partByte             // one byte
	partHalf
	partMost // all but one byte
	partAll
)

func (p part) of(size int) int {
	switch p {
	case partByte:
		return min(1, size)
	case partHalf:
		return size / 2
	case partMost:
		return max(size-1, 0)
	case partAll:
		return size
	}
	return 0
}

func (f fault) String() string {
	kind := "change"
	if f.reads {
		kind = "read"
	}
	how := fmt.Sprint("fails with ", f.err)
	if f.err == 0 {
		how = "is the last of its process"
	}
	times := fmt.Sprint(f.times, " times")
	if f.times == forever {
		times = "for ever"
	}
	done := [...]string{"nothing", "a byte", "half", "all but a byte", "all"}[f.part]
	return fmt.Sprintf("%s %d %s, %s, with %s done", kind, f.at, how, times, done)
}

// errFault is in every error that a fault makes.
var errFault = errors.New("injected fault")

// killed is the panic of a process that ends.
type killed struct{}

// A faultFS counts the calls that read files and those that change them, those
// of the log library among them, and lets some go wrong. Once killed nothing
// has any effect: deferred functions run, as they would not.
//
// Whatever changes something is called by one goroutine.
type faultFS struct {
	FS
	fault   fault
	changes int
	reads   int
	names   []string // of the calls that the fault counts, for messages
	writes  []bool   // whether each can be done in part
	dead    bool
	files   []File         // all that were opened
	before  func(call int) // is called before each call, with its number from 1; may be nil

	mu sync.Mutex // guards the counts, names and files: a check opens tables at once
}

// end does what the system does for a process that was killed: it closes the
// files, and so releases the locks.
func (s *faultFS) end() {
	for _, f := range s.files {
		f.Close()
	}
	s.files = nil
}

// hit reports whether the fault came to pass.
func (s *faultFS) hit() bool { return s.fault.at > 0 && len(s.names) >= s.fault.at }

// count counts a call and says whether it goes wrong, and whether it is the
// first that does.
func (s *faultFS) count(read, write bool, what string) (wrong, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before(s.changes + s.reads + 1)
	}
	n := &s.changes
	if read {
		n = &s.reads
	}
	*n++
	if read != s.fault.reads {
		return false, false
	}
	s.names = append(s.names, what)
	s.writes = append(s.writes, write)
	f := s.fault
	return f.at > 0 && *n >= f.at && *n-f.at < f.times, *n == f.at
}

// wrong is what a call that goes wrong returns.
func (s *faultFS) wrong() error {
	if s.fault.err == 0 {
		s.dead = true
		panic(killed{})
	}
	return fmt.Errorf("%w: %w", errFault, s.fault.err)
}

// change runs a call that changes something, or does not.
func (s *faultFS) change(what string, do func() error) error {
	if s.dead {
		return errFault
	}
	wrong, first := s.count(false, false, what)
	if !wrong {
		return do()
	}
	if first && s.fault.part != partNone {
		_ = do()
	}
	return s.wrong()
}

// write runs a call that writes size bytes, or fewer.
func (s *faultFS) write(what string, size int, do func(size int) (int, error)) (int, error) {
	if s.dead {
		return 0, errFault
	}
	wrong, first := s.count(false, true, what)
	if !wrong {
		return do(size)
	}
	n := 0
	if first {
		if n = s.fault.part.of(size); n > 0 {
			n, _ = do(n)
		}
	}
	return n, s.wrong()
}

// read runs a call that reads, or does not.
func (s *faultFS) read(what string, do func() error) error {
	if s.dead {
		return errFault
	}
	if wrong, _ := s.count(true, false, what); wrong {
		return s.wrong()
	}
	return do()
}

func (s *faultFS) Open(name string) (File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s *faultFS) OpenFile(name string, flag int, perm fs.FileMode) (f File, err error) {
	open := func() error {
		f, err = s.FS.OpenFile(name, flag, perm)
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.files = append(s.files, f)
		}
		return err
	}
	if flag&os.O_CREATE != 0 {
		err = s.change("create "+filepath.Base(name), open)
	} else {
		err = s.read("open "+filepath.Base(name), open)
	}
	if err != nil {
		return nil, err
	}
	return &faultFile{f, s, filepath.Base(name)}, nil
}

func (s *faultFS) createNameless(dir string) (f File, err error) {
	under, ok := s.FS.(namelessFS)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	err = s.change("create a nameless file", func() error {
		if f, err = under.createNameless(dir); err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.files = append(s.files, f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &faultFile{f, s, "nameless"}, nil
}

func (s *faultFS) link(f File, name string) error {
	return s.change("link "+filepath.Base(name), func() error {
		return s.FS.(namelessFS).link(f.(*faultFile).File, name)
	})
}

func (s *faultFS) Mkdir(name string, perm fs.FileMode) error {
	return s.change("mkdir "+filepath.Base(name), func() error { return s.FS.Mkdir(name, perm) })
}

func (s *faultFS) Rename(from, to string) error {
	return s.change("rename "+filepath.Base(from), func() error { return s.FS.Rename(from, to) })
}

func (s *faultFS) Remove(name string) error {
	return s.change("remove "+filepath.Base(name), func() error { return s.FS.Remove(name) })
}

func (s *faultFS) SyncDir(name string) error {
	return s.change("syncdir "+filepath.Base(name), func() error { return nil })
}

func (s *faultFS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = s.read("readdir "+filepath.Base(name), func() error {
		entries, err = s.FS.ReadDir(name)
		return err
	})
	return entries, err
}

func (s *faultFS) Stat(name string) (info fs.FileInfo, err error) {
	err = s.read("stat "+filepath.Base(name), func() error {
		info, err = s.FS.Stat(name)
		return err
	})
	return info, err
}

type faultFile struct {
	File
	s    *faultFS
	name string
}

func (f *faultFile) ReadAt(b []byte, offset int64) (n int, err error) {
	if f.name == lockFile {
		return f.File.ReadAt(b, offset) // for messages only
	}
	err = f.s.read("read "+f.name, func() error {
		n, err = f.File.ReadAt(b, offset)
		return err
	})
	if errors.Is(err, errFault) && f.s.fault.part != partNone {
		n, _ = f.File.ReadAt(b[:f.s.fault.part.of(len(b))], offset)
	}
	return n, err
}

func (f *faultFile) Stat() (info fs.FileInfo, err error) {
	err = f.s.read("fstat "+f.name, func() error {
		info, err = f.File.Stat()
		return err
	})
	return info, err
}

func (f *faultFile) Map(size int, whole bool) (data []byte, unmap func() error, err error) {
	err = f.s.read("map "+f.name, func() error {
		data, unmap, err = f.File.Map(size, whole)
		return err
	})
	return data, unmap, err
}

func (f *faultFile) WriteAt(b []byte, offset int64) (int, error) {
	if f.name == lockFile {
		return f.File.WriteAt(b, offset) // for messages only
	}
	if f.name == markFile && f.s.fault.err == 0 {
		// It fits a sector: a process that ends leaves it whole.
		n := 0
		err := f.s.change("write "+f.name, func() (err error) { n, err = f.File.WriteAt(b, offset); return err })
		return n, err
	}
	return f.s.write("write "+f.name, len(b), func(size int) (int, error) { return f.File.WriteAt(b[:size], offset) })
}

func (f *faultFile) Write(b []byte) (int, error) {
	return f.s.write("write "+f.name, len(b), func(size int) (int, error) { return f.File.Write(b[:size]) })
}

func (f *faultFile) Sync() error {
	return f.s.change("sync "+f.name, func() error { return nil })
}

func (f *faultFile) Truncate(size int64) error {
	return f.s.change("truncate "+f.name, func() error { return f.File.Truncate(size) })
}

// A faultAppender brings the log library, which calls package os by itself,
// under the same count: its write, which may be cut short, and its sync. After
// either the records are in its memory all the same.
type faultAppender struct {
	appender
	s   *faultFS
	dir string
}

func (s *faultFS) openAppender(dir string, sync bool, segmentSize int64) (appender, error) {
	var a appender
	err := s.change("open log", func() (err error) {
		a, err = openAppender(dir, sync, segmentSize)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &faultAppender{a, s, dir}, nil
}

func (a *faultAppender) append(first Rev, records [][]byte) error {
	var all []byte
	for _, r := range records {
		all = appendFrame(all, r)
	}
	_, err := a.s.write("append", len(all), func(size int) (int, error) {
		if size == len(all) {
			return size, a.appender.append(first, records)
		}
		return size, a.short(all[:size])
	})
	if err != nil {
		return err
	}
	return a.s.change("sync of an append", func() error { return nil })
}

func (a *faultAppender) sync() error {
	return a.s.change("sync log", a.appender.sync)
}

// short writes bytes behind the last segment, as a write that is cut would.
func (a *faultAppender) short(b []byte) error {
	firsts, _, err := listSegments(OS, a.dir)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(a.dir, segmentName(firsts[len(firsts)-1])), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// Ensure that the parts of a write are what they are called.
func TestFaultParts(t *testing.T) {
	for p, want := range map[part][3]int{partNone: {}, partByte: {0, 1, 1}, partHalf: {0, 0, 5}, partMost: {0, 0, 9}, partAll: {0, 1, 10}} {
		if got := [3]int{p.of(0), p.of(1), p.of(10)}; got != want {
			t.Errorf("part %d of 0, 1 and 10 bytes = %v, want %v", p, got, want)
		}
	}
}
