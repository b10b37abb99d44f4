// Command wal is github.com/tidwall/wal under the benchmark, raw but for group
// commit: writers that wait together share one write and one fsync. It can only
// write.
package main

import (
	"bytes"
	"errors"
	"iter"
	"sync"

	"github.com/tidwall/wal"

	"kvsh/scripts/bench/drive"
)

type store struct {
	log *wal.Log

	mu      sync.Mutex // guards pending
	pending *group     // that takes writers
	turn    sync.Mutex // held while a group is written
	next    uint64     // index; guarded by turn
}

// A group is writers that share a commit.
type group struct {
	entries [][]byte
	done    bool // under turn
	err     error
}

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		log, err := wal.Open(path, nil)
		if err != nil {
			return nil, err
		}
		last, err := log.LastIndex()
		return &store{log: log, next: last + 1}, err
	})
}

func (s *store) Set(key, value []byte) error {
	s.mu.Lock()
	if s.pending == nil {
		s.pending = new(group)
	}
	g := s.pending
	g.entries = append(g.entries, append(bytes.Clone(key), value...))
	s.mu.Unlock()

	s.turn.Lock()
	defer s.turn.Unlock()
	if g.done {
		return g.err
	}
	s.mu.Lock()
	s.pending = nil // g is closed: whoever comes now makes the next one
	s.mu.Unlock()
	g.err, g.done = s.write(g.entries), true
	return g.err
}

func (s *store) write(entries [][]byte) error {
	var b wal.Batch
	for _, e := range entries {
		b.Write(s.next, e)
		s.next++
	}
	return s.log.WriteBatch(&b)
}

func (s *store) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	for key, value := range records {
		if err := s.write([][]byte{append(bytes.Clone(key), value...)}); err != nil {
			return err
		}
	}
	return nil
}

var errWriteOnly = errors.New("a log only writes")

func (s *store) Get([]byte) ([]byte, error)                              { return nil, errWriteOnly }
func (s *store) Scan([]byte, []byte, int, func(key, value []byte)) error { return errWriteOnly }
func (s *store) Keys(func(key []byte)) error                             { return errWriteOnly }
func (s *store) Close() error                                            { return s.log.Close() }
