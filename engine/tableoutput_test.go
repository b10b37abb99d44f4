package engine

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// writeWide writes a table of some megabytes, much of which another goroutine
// writes, with a huge value in between.
func writeWide(fsys FS, path string) (err error) {
	w, err := newTableWriter(fsys, path, tableOptions{id: 1, kind: kindFold})
	if err != nil {
		return err
	}
	defer w.abort()
	for i := range 3000 {
		size := 1000
		if i == 1500 {
			size = 3 << 20
		}
		v := version{key: fmt.Appendf(nil, "%06d", i), value: bytes.Repeat([]byte("v"), size), size: size, rev: 1}
		if err := w.add(&v); err != nil {
			return err
		}
	}
	_, err = w.finish()
	return err
}

// Ensure that a call of the file system that fails while a table is written
// fails the table, whichever it is and whoever made it; that a panic there is
// one of the caller; and that neither leaves a goroutine or a file behind.
func TestTableOutputFaults(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, errno := range []syscall.Errno{syscall.EIO, 0} {
		for at := 1; ; at++ {
			path := filepath.Join(t.TempDir(), "t")
			fsys := &faultFS{FS: OS, fault: fault{at: at, times: 1, err: errno}}
			panicked := false
			err := func() (err error) {
				defer func() {
					if p := recover(); p != nil {
						if p != (killed{}) {
							panic(p)
						}
						err, panicked = errFault, true
					}
				}()
				return writeWide(fsys, path)
			}()
			fsys.end()
			if !fsys.hit() {
				if err != nil || at < 10 {
					t.Errorf("table of %d calls = %v, want none to fail, and 10 or more", at-1, err)
				}
				break
			}
			if !errors.Is(err, errFault) || panicked != (errno == 0) {
				t.Errorf("%v: table = %v, a panic %t, want the fault", fsys.fault, err, panicked)
			}
			if left := temporaryFiles(t, filepath.Dir(path)); errno != 0 && len(left) > 0 {
				t.Errorf("%v: %v are left", fsys.fault, left)
			}
		}
	}
	for range 100_000 { // the last ones may be on their way out
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
