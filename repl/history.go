package repl

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Limits on the history.
const (
	maxHistory      = 10_000   // commands that are looked through
	maxHistoryBytes = 2 << 20  // size of the file at which its older half is dropped
	maxHistoryEntry = 64 << 10 // bytes of a command that goes to the file
)

// historyWait is how long a command waits to be written to the history while
// others write there. Then it is remembered by this shell alone.
const historyWait = 2 * time.Second

// A history is the commands that were typed before, here and in other shells.
//
// Its file has a line per command, oldest first; in it a newline is \n and a
// backslash is \\. Shells append to it one at a time, under a flock of the file.
type history struct {
	file    string // empty: nowhere
	entries []string
}

// openHistory reads what is remembered in a file. It makes the file's directory;
// an error leaves a history that remembers until the shell ends.
func openHistory(file string) (*history, error) {
	h := &history{file: file}
	if file == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		h.file = ""
		return h, err
	}
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.file = ""
		return h, err
	}
	for line := range bytes.Lines(b) {
		// A line without an end is one that another shell is writing, or did
		// not get to write whole.
		if text, whole := bytes.CutSuffix(line, []byte{'\n'}); whole && len(text) > 0 {
			h.entries = append(h.entries, decodeEntry(string(text)))
		}
	}
	h.bound()
	return h, nil
}

func (h *history) bound() {
	if n := len(h.entries) - maxHistory; n > 0 {
		h.entries = append([]string(nil), h.entries[n:]...)
	}
}

// add remembers a command, unless it is the one before once more. An error
// concerns the file only.
func (h *history) add(entry string) error {
	if strings.TrimSpace(entry) == "" {
		return nil
	}
	if n := len(h.entries); n > 0 && h.entries[n-1] == entry {
		return nil
	}
	h.entries = append(h.entries, entry)
	h.bound()
	if h.file == "" || len(entry) > maxHistoryEntry {
		return nil
	}
	return appendHistory(h.file, encodeEntry(entry)+"\n", maxHistoryBytes)
}

// find returns the place of the newest entry before a place for which match
// holds, or -1.
func (h *history) find(before int, match func(entry string) bool) int {
	for i := min(before, len(h.entries)) - 1; i >= 0; i-- {
		if match(h.entries[i]) {
			return i
		}
	}
	return -1
}

// findNext returns the place of the oldest entry behind a place for which match
// holds, or the number of entries.
func (h *history) findNext(behind int, match func(entry string) bool) int {
	for i := behind + 1; i < len(h.entries); i++ {
		if match(h.entries[i]) {
			return i
		}
	}
	return len(h.entries)
}

func encodeEntry(entry string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(entry)
}

func decodeEntry(line string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(line)
}

// appendHistory appends a line to the file, in one write, while no other shell
// does. A crash leaves the lines before it whole. A file of more than maxBytes
// loses its older half.
func appendHistory(name, line string, maxBytes int64) error {
	f, err := lockHistory(name)
	if err != nil {
		return err
	}
	defer f.Close() // which ends the lock
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = "\n" + line // the last one was not written whole
		}
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Size() > maxBytes {
		return shortenHistory(f, name, int(maxBytes/2))
	}
	return nil
}

// errHistoryBusy is a history to which others wrote all the time.
var errHistoryBusy = errors.New("the history is locked by another shell")

// lockHistory opens the file under its lock, for its owner alone.
func lockHistory(name string) (*os.File, error) {
	for deadline := time.Now().Add(historyWait); ; {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		had, err := tryLock(f)
		if had && isNamed(f, name) {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
				_ = f.Chmod(0o600) // older versions made it for all to read
			}
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, errHistoryBusy
		}
		time.Sleep(time.Millisecond)
	}
}

// isNamed reports whether the name is still that of the file: shortening puts a
// new one in its place.
func isNamed(f *os.File, name string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(name)
	return err == nil && os.SameFile(open, now)
}

// shortenHistory replaces the file by its end, of at most keep bytes, whole or
// not at all. The lock of the file is held: whoever waits for it finds the new
// one.
func shortenHistory(f *os.File, name string, keep int) error {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		return err
	}
	b = b[len(b)-min(len(b), keep):]
	b = b[bytes.IndexByte(b, '\n')+1:]
	t, err := os.CreateTemp(filepath.Dir(target), ".history-")
	if err != nil {
		return err
	}
	_, err = t.Write(b)
	if err = errors.Join(err, t.Close()); err == nil {
		err = os.Rename(t.Name(), target)
	}
	if err != nil {
		os.Remove(t.Name())
	}
	return err
}
