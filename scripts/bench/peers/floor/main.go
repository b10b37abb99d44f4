// Command floor is what the disk gives under the benchmark: a file that is
// locked, appended to and synced by hand. It can only write.
package main

import (
	"errors"
	"iter"
	"os"
	"sync"
	"syscall"

	"kvsh/scripts/bench/drive"
)

type store struct {
	f  *os.File
	mu *sync.Mutex
}

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
		return store{f, new(sync.Mutex)}, err
	})
}

func (s store) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	var all []byte
	for key, value := range records {
		if all = append(append(all, key...), value...); len(all) >= 1<<20 {
			if _, err := s.f.Write(all); err != nil {
				return err
			}
			all = all[:0]
		}
	}
	if _, err := s.f.Write(all); err != nil {
		return err
	}
	return s.f.Sync()
}

func (s store) Set(key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := syscall.Flock(int(s.f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := s.f.Write(append(append([]byte{}, key...), value...)); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	return syscall.Flock(int(s.f.Fd()), syscall.LOCK_UN)
}

var errWriteOnly = errors.New("the floor only writes")

func (s store) Get([]byte) ([]byte, error)                              { return nil, errWriteOnly }
func (s store) Scan([]byte, []byte, int, func(key, value []byte)) error { return errWriteOnly }
func (s store) Keys(func(key []byte)) error                             { return errWriteOnly }
func (s store) Close() error                                            { return s.f.Close() }
