package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kvsh/engine"
)

// lockDir is the directory of the lock files, below the database. It is made
// by the first lock.
const lockDir = "locks"

// maxLockName is the bytes that the name of a lock has at most.
const maxLockName = 128

func newLock(s *Session) *cobra.Command {
	return &cobra.Command{
		Use:   "lock NAME -- CMD…",
		Short: "Run a program while no other holds the lock NAME",
		Long: `Runs CMD while holding the lock NAME of the database: of all programs run so
under one NAME, one runs at a time, and those that wait get their turns in the
order they came. --wait says how long to wait. The lock ends with kvsh, however
that ends, and where the system is Linux, CMD ends then too. It keeps nobody
from reading and writing keys.`,
		Example:     "kvsh lock backup -- true\nkvsh lock --wait 1m backup -- sh -c 'exit 0'",
		Args:        beforeProgram(1, 1, true),
		Annotations: exits("that of CMD, 5 the lock was not had in time, 126 CMD cannot be run, 127 CMD is not there"),
		RunE: func(c *cobra.Command, args []string) error {
			before, program := childWords(c, args)
			if !isLockName(before[0]) {
				return usageOf(c, "NAME has letters, digits, _, - and dots, at most %d of them, and begins with no dot: %s",
					maxLockName, quoted(before[0]))
			}
			if err := s.lock(c.Context(), before[0], program); err != nil {
				return fmt.Errorf("lock %s: %w", before[0], err)
			}
			return nil
		},
	}
}

// isLockName reports whether a name is safe as that of a file.
func isLockName(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return name != "" && name[0] != '.' && len(name) <= maxLockName
}

// lock runs a program while holding a lock.
func (s *Session) lock(ctx context.Context, name string, program []string) error {
	if err := s.otherFiles("a program"); err != nil {
		return err
	}
	if s.set.ReadOnly {
		return engine.ErrReadOnly
	}
	store, err := s.open(ctx, toRead)
	if err != nil {
		return err
	}
	if s.set.DryRun {
		s.remark("dry run: would run " + quoted(program[0]) + " holding " + name)
		return nil
	}
	if isMemory(s.path()) {
		// Nobody else can have it: the commands of a session come one by one.
		return s.run(ctx, child{words: program, stdin: s.childStdin()})
	}
	if !store.Capabilities().Has(engine.CanWrite) {
		return engine.ErrReadOnly // a snapshot
	}
	f, err := openLockFile(s.path(), name)
	if err != nil {
		return err
	}
	if err := takeLock(ctx, f, s.set.Wait); err != nil {
		return err // takeLock closes the file, perhaps later
	}
	defer f.Close() // which ends the lock
	writeLockHolder(f, program)
	defer forgetLockHolder(f)
	return s.run(ctx, child{words: program, stdin: s.childStdin(), dies: true})
}

// openLockFile opens the file of a lock. It is never removed: a lock on a file
// that has lost its name would be held beside one on the next of that name.
func openLockFile(database, name string) (*os.File, error) {
	dir := filepath.Join(database, lockDir)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|lockFlags, 0o600)
}

// takeLock takes the lock of a file, waiting as long as wait, in the order in
// which the kernel has those who wait. On an error it sees to it that the file
// is closed; the error is a *engine.BusyError if time was up.
//
// A wait in the kernel cannot be broken off, so one that is given up goes on in
// the background, and lets go of the lock as soon as it has it.
func takeLock(ctx context.Context, f *os.File, wait time.Duration) error {
	err := flock(f, false)
	if err == nil {
		return nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) || wait <= 0 {
		busy := lockHolder(f)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return busy
		}
		return fmt.Errorf("flock %s: %w", f.Name(), err)
	}
	taken := make(chan error, 1)
	go func() { taken <- flock(f, true) }()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err := <-taken:
		if err != nil {
			f.Close()
			return fmt.Errorf("flock %s: %w", f.Name(), err)
		}
		return nil
	case <-timer.C:
		err = lockHolder(f)
	case <-ctx.Done():
		err = ctx.Err()
	}
	go func() {
		<-taken
		f.Close()
	}()
	return err
}

// holderBytes is how much of a lock file is read: the pid, the moment and the
// command of who holds the lock, a line each, for messages only.
const holderBytes = 512

// writeLockHolder says in the lock file who holds the lock. That it may fail
// hurts nobody.
func writeLockHolder(f *os.File, program []string) {
	command := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.Join(program, " "))
	text := fmt.Sprintf("%d\n%s\n%s", os.Getpid(), time.Now().UTC().Format(time.RFC3339Nano), command)
	forgetLockHolder(f)
	_, _ = f.WriteAt([]byte(text[:min(len(text), holderBytes)]), 0)
}

// forgetLockHolder empties the lock file.
func forgetLockHolder(f *os.File) { _ = f.Truncate(0) }

// lockHolder is the error that names who holds a lock.
func lockHolder(f *os.File) error {
	b := make([]byte, holderBytes)
	n, _ := f.ReadAt(b, 0)
	lines := strings.SplitN(string(b[:n]), "\n", 3)
	if len(lines) < 3 {
		return &engine.BusyError{} // it has only just got the lock
	}
	pid, err := strconv.Atoi(lines[0])
	since, timeErr := time.Parse(time.RFC3339Nano, lines[1])
	if err != nil || timeErr != nil {
		return &engine.BusyError{}
	}
	return &engine.BusyError{Pid: pid, Since: since, Command: lines[2]}
}
