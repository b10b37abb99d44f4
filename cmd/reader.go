package cmd

import "io"

// flushingReader sends out what was said before it waits for more input.
type flushingReader struct {
	s *Session
	r io.Reader
}

func (r *flushingReader) Read(p []byte) (int, error) {
	if err := r.s.out.Flush(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// An interruptibleReader gives up waiting for input when the context of the session ends. The
// read that is under way goes on in the background into a buffer of its own.
type interruptibleReader struct {
	s      *Session
	r      io.Reader
	buffer []byte
	rest   []byte // of buffer, read and not yet taken
	done   chan readResult
}

type readResult struct {
	n   int
	err error
}

func (r *interruptibleReader) Read(p []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	if err := r.s.running.Err(); err != nil {
		return 0, err
	}
	if r.done == nil {
		r.buffer = make([]byte, 64<<10)
		r.done = make(chan readResult, 1)
	}
	go func() {
		n, err := r.r.Read(r.buffer)
		r.done <- readResult{n, err}
	}()
	select {
	case <-r.s.running.Done():
		return 0, r.s.running.Err()
	case result := <-r.done:
		n := copy(p, r.buffer[:result.n])
		r.rest = r.buffer[n:result.n]
		if len(r.rest) > 0 && result.err == io.EOF {
			result.err = nil // the next read says so again
		}
		return n, result.err
	}
}
