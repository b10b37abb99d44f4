//go:build unix

package repl

import (
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// escapeTimeout is how long a lone Escape waits to become the beginning of a
// sequence. Terminals send sequences in one piece; a slow line may cut them.
const escapeTimeout = 50 * time.Millisecond

// An input is the Stdin of the library: it reads a terminal and yields keys, a
// rune in UTF-8 each. It reads nothing behind a key of which what follows may
// be meant for another program until proceed is called, and it yields keyIdle
// when the reader would have to wait. So it takes a byte at a time, also of
// what was typed ahead; only what begins within a paste comes in larger pieces.
type input struct {
	fd    int
	alarm [2]int // a pipe: a byte in it interrupts the wait

	// Used by Read alone.
	decoder decoder
	keys    []rune // decoded, and not yet yielded
	encoded []byte // what is yielded but was not yet read
	idle    bool   // keyIdle was the last to be yielded
	buffer  []byte // that the terminal is read into

	mu      sync.Mutex // guards all below
	changed sync.Cond
	held    bool // nothing is read until proceed
	closed  bool
}

// newInput reads the terminal fd, which stays the caller's, from the first call
// of proceed on.
func newInput(fd int) (*input, error) {
	in := &input{fd: fd, held: true, buffer: make([]byte, 4096)}
	in.changed.L = &in.mu
	if err := unix.Pipe(in.alarm[:]); err != nil {
		return nil, err
	}
	for _, end := range in.alarm {
		unix.CloseOnExec(end)
		if err := unix.SetNonblock(end, true); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// proceed lets Read go on behind a key that held it.
func (in *input) proceed() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.held = false
	in.changed.Broadcast()
}

// notify makes Read yield keyWake soon. It never waits.
func (in *input) notify() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.closed {
		// A full pipe has the byte that is needed.
		_, _ = unix.Write(in.alarm[1], []byte{0})
	}
}

// Close makes Read return io.EOF. It leaves the terminal open.
func (in *input) Close() error {
	in.notify()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.changed.Broadcast()
	return nil
}

// release gives back what the input holds, once nobody is in Read any more.
func (in *input) release() error {
	return errors.Join(unix.Close(in.alarm[0]), unix.Close(in.alarm[1]))
}

// Read reads the UTF-8 of keys. The end of the terminal is io.EOF.
func (in *input) Read(p []byte) (int, error) {
	if len(in.encoded) == 0 {
		if !in.wait() {
			return 0, io.EOF
		}
		for len(in.keys) == 0 {
			if err := in.fill(); err != nil {
				return 0, err
			}
		}
		in.encode()
	}
	n := copy(p, in.encoded)
	in.encoded = in.encoded[n:]
	return n, nil
}

// wait returns when reading may go on; false if it never will.
func (in *input) wait() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.held && !in.closed {
		in.changed.Wait()
	}
	return !in.closed
}

// encode yields the keys up to one that holds what is behind it.
func (in *input) encode() {
	in.encoded = in.encoded[:0]
	for i, key := range in.keys {
		in.encoded = utf8.AppendRune(in.encoded, key)
		if endsReading(key) {
			in.mu.Lock()
			in.held = true
			in.mu.Unlock()
			in.keys = in.keys[i+1:]
			return
		}
	}
	in.keys = in.keys[:0]
}

// fill waits for the terminal and decodes what it sends.
func (in *input) fill() error {
	timeout := -1 // for ever
	switch {
	case !in.idle:
		timeout = 0
	case in.decoder.waits():
		timeout = int(escapeTimeout / time.Millisecond)
	}
	fds := []unix.PollFd{{Fd: int32(in.fd), Events: unix.POLLIN}, {Fd: int32(in.alarm[0]), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, timeout)
	switch {
	case err == unix.EINTR:
		return nil
	case err != nil:
		return err
	case n == 0 && !in.idle:
		in.idle = true
		in.keys = append(in.keys, keyIdle)
		return nil
	case n == 0:
		in.idle = false
		in.keys = in.decoder.flush(in.keys)
		return nil
	}
	if fds[1].Revents != 0 {
		return in.wakened()
	}
	in.idle = false
	buffer := in.buffer[:1]
	if in.decoder.pasting {
		buffer = in.buffer
	}
	n, err = unix.Read(in.fd, buffer)
	switch {
	case err == unix.EINTR || err == unix.EAGAIN:
		return nil
	case err != nil || n <= 0:
		return io.EOF // a terminal that is gone
	}
	in.keys = in.decoder.feed(in.keys, buffer[:n])
	return nil
}

// wakened takes what notify wrote.
func (in *input) wakened() error {
	var b [64]byte
	for {
		if n, err := unix.Read(in.alarm[0], b[:]); err == unix.EINTR || n == len(b) {
			continue
		}
		break
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return io.EOF
	}
	in.idle = false
	in.keys = append(in.keys, keyWake)
	return nil
}
