package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// LOCK is the file whose advisory lock a writer holds for one transaction. Its
// content names the last holder, for messages only: pid, command and the time
// the lock was taken, a line each.
const lockFile = "LOCK"

// lockPoll is how long a waiting writer sleeps between two attempts. flock has
// no wait with an end that a context could break.
const lockPoll = time.Millisecond

// A turn is how long a writer has had the lock again and again, with pauses in
// which no other is likely to get it: those look once in lockPoll, and between
// two commits of one that is busy lie microseconds. On a slow disk they could
// wait for ever.
type turn struct {
	began    time.Time // the first lock of the turn
	released time.Time // the last one
}

// A turn lasts turnTime, and the pause behind it is long enough for the poll of
// another writer. It costs one that is alone less than a hundredth.
const (
	turnTime  = 250 * time.Millisecond
	turnPause = 3 * lockPoll / 2
)

// over reports, before the lock is taken at a time, whether it is the turn of
// others. If so a new turn begins.
func (t *turn) over(now time.Time) bool {
	paused := now.Sub(t.released) >= turnPause
	over := !paused && now.Sub(t.began) >= turnTime
	if paused || over {
		t.began = now
	}
	return over
}

// openLock opens LOCK of a database. One that is missing is made: it holds nothing
// but the lock.
func openLock(fsys FS, dir string) (File, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err == nil {
		keepOwnerEmpty(f, dir)
	}
	return f, err
}

// acquire takes the lock, waiting as long as wait. It returns a *BusyError if
// it was not had by then.
func acquire(ctx context.Context, f File, wait time.Duration, holder string) error {
	// The clock of the machine, not Options.Now: this is about waiting.
	deadline := time.Now().Add(wait)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := f.Lock()
		if err != nil {
			return err
		}
		if ok {
			break
		}
		left := time.Until(deadline)
		if left <= 0 {
			return readHolder(f)
		}
		timer := time.NewTimer(min(lockPoll, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	writeHolder(f, holder)
	return nil
}

// holderSize is fixed, so that writing a shorter holder leaves nothing of a
// longer one and needs no truncation.
const holderSize = 256

// writeHolder names this process in LOCK. That it may fail hurts nobody: it
// serves messages.
func writeHolder(f File, command string) {
	var b [holderSize]byte
	for i := range b {
		b[i] = ' '
	}
	n := copy(b[:holderSize-1], fmt.Sprintf("%d\n%s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339Nano)))
	command = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, command)
	copy(b[n:holderSize-1], command)
	b[holderSize-1] = '\n'
	_, _ = f.WriteAt(b[:], 0)
}

// readHolder makes the error that names who holds the lock.
func readHolder(f File) *BusyError {
	var b [holderSize]byte
	n, _ := f.ReadAt(b[:], 0)
	lines := strings.SplitN(string(b[:n]), "\n", 3)
	if len(lines) < 3 {
		return &BusyError{}
	}
	pid, _ := strconv.Atoi(lines[0])
	since, err := time.Parse(time.RFC3339Nano, lines[1])
	if err != nil {
		pid = 0
	}
	return &BusyError{Pid: pid, Since: since, Command: strings.TrimSpace(lines[2])}
}
