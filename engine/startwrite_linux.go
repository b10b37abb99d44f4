package engine

import "golang.org/x/sys/unix"

// startWrite implements writeStarter. It promises nothing: only Sync does.
func (f osFile) startWrite(off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
