package engine

import (
	"bytes"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// noticed are the events at a directory that may mean something to a watch.
// One for the directory tells of the files in it too, whoever makes them anew.
const noticed = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// listen has inotify tell of changes in the directory of a database. It fails
// where the limits of the user or of the process are reached.
func listen(dir string) (*notices, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	// Not blocking, it is read by way of the poller, and closing it ends that.
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, noticed); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "inotify_add_watch", Path: dir, Err: err}
	}
	n, done := newNotices(), make(chan struct{})
	n.close = func() {
		f.Close()
		<-done
	}
	go func() {
		defer close(done)
		n.readEvents(f)
	}()
	return n, nil
}

// readEvents passes on what inotify tells, until its file is closed.
func (n *notices) readEvents(f *os.File) {
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		size, err := f.Read(buf)
		if err != nil {
			n.ended.Store(true)
			n.tell()
			return
		}
		told, ended := weighEvents(buf[:size])
		if ended {
			n.ended.Store(true)
		}
		if told || ended {
			n.tell()
		}
	}
}

// weighEvents says of a batch of events whether a commit may be among them, or
// whether the directory was moved or removed. Every writer also writes LOCK and
// now and then MANIFEST, which tell nothing that MARK does not.
//
//	offset  size  field
//	0       4     watch descriptor
//	4       4     mask: what happened
//	8       4     cookie
//	12      4     length of the name
//	16      n     name, padded with zeros; empty: the directory itself
func weighEvents(b []byte) (told, ended bool) {
	ne := binary.NativeEndian
	for len(b) >= unix.SizeofInotifyEvent {
		mask, end := ne.Uint32(b[4:]), unix.SizeofInotifyEvent+int(ne.Uint32(b[12:]))
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		switch {
		case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT|unix.IN_IGNORED) != 0:
			ended = true
		case mask&unix.IN_Q_OVERFLOW != 0, string(name) == markFile:
			told = true
		case string(name) == formatFile:
			ended = true // of this database: verify says so
		}
		b = b[end:]
	}
	return told, ended
}
