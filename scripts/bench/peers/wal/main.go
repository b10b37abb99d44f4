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
	log  *wal.Log
	next uint64        // index; of whoever writes
	work chan struct{} // says that a group waits

	mu      sync.Mutex // guards pending
	pending *group     // that takes writers
}

// A group is writers that share a commit.
type group struct {
	entries [][]byte
	done    chan struct{} // closed when err is there
	err     error
}

func newGroup() *group { return &group{done: make(chan struct{})} }

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		log, err := wal.Open(path, nil)
		if err != nil {
			return nil, err
		}
		last, err := log.LastIndex()
		s := &store{log: log, next: last + 1, work: make(chan struct{}, 1), pending: newGroup()}
		return s, err
	})
}

// Set writes alone: with one writer a group is a detour.
func (s *store) Set(key, value []byte) error {
	return s.write([][]byte{append(bytes.Clone(key), value...)})
}

var startGroups sync.Once

// SetTogether lets one goroutine write for all that wait meanwhile.
func (s *store) SetTogether(key, value []byte) error {
	startGroups.Do(func() { go s.writeGroups() })
	s.mu.Lock()
	g := s.pending
	g.entries = append(g.entries, append(bytes.Clone(key), value...))
	s.mu.Unlock()
	select {
	case s.work <- struct{}{}:
	default: // it is said already
	}
	<-g.done
	return g.err
}

func (s *store) writeGroups() {
	for range s.work {
		s.mu.Lock()
		g := s.pending
		s.pending = newGroup()
		s.mu.Unlock()
		if len(g.entries) > 0 {
			g.err = s.write(g.entries)
		}
		close(g.done)
	}
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
