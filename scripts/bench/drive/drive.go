package drive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Store is a store in its usual setting, but for one thing: Set and Load
// return when what they wrote is on the disk, by fsync.
type Store interface {
	// Load writes records, which may be sorted, in the way the store is fastest.
	Load(records iter.Seq2[[]byte, []byte], sorted bool) error
	Set(key, value []byte) error
	// Get returns a copy of the value, or an error if there is none.
	Get(key []byte) ([]byte, error)
	// Scan reads at most limit keys with their values, from the first one not
	// below from on that begin with prefix, and calls fn with each.
	Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error
	// Keys calls fn with each key, and need not read values.
	Keys(fn func(key []byte)) error
	Close() error
}

// A Grouper is a store with a call of its own for writers of which there are
// many at once.
type Grouper interface {
	SetTogether(key, value []byte) error
}

// A Viewer is a store with transactions to read in: fn gets many keys of one
// state, by get, whose answers it does not keep.
type Viewer interface {
	View(fn func(get func(key []byte) ([]byte, error)) error) error
}

// A Counter is a store that can select keys by itself.
type Counter interface {
	Count(match func(key []byte) bool) (int, error)
}

// Main is the main function of the program of a store. Its arguments are
//
//	get DB KEY                            print a value
//	set DB KEY VALUE                      durably set it
//	load DB N SIZE ORDER                  load records 0 to N-1: random, sorted, ordered (see Records)
//	measure DB N SIZE ROW TIME            do what the row says for the time
//
// measure prints the number of operations, the seconds that they took, and the
// seconds of processor time, of all threads. Rows
// are get, gets (100 in one transaction), scan and scan100k (100 and 100,000 keys and values from a random key on),
// prefix (100 at most), suffix and contains (of all keys), open (once more, and close), and durable writes by so many goroutines at once: set1,
// set32.
func Main(open func(path string, create bool) (Store, error)) {
	if err := run(open, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(1)
	}
}

func run(open func(string, bool) (Store, error), args []string, out io.Writer) (err error) {
	want := map[string]int{"get": 3, "set": 4, "load": 5, "measure": 6}
	if len(args) == 0 || want[args[0]] != len(args) {
		return fmt.Errorf("bad arguments %q", args)
	}
	s, err := open(args[1], args[0] == "load" || args[0] == "set")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	switch args[0] {
	case "get":
		value, err := s.Get([]byte(args[2]))
		if err != nil {
			return err
		}
		_, err = out.Write(value)
		return err
	case "set":
		return s.Set([]byte(args[2]), []byte(args[3]))
	}
	var r Records
	if r.N, err = strconv.Atoi(args[2]); err != nil {
		return err
	}
	if r.ValueSize, err = strconv.Atoi(args[3]); err != nil {
		return err
	}
	if args[0] == "load" {
		r.Sorted = args[4] == "sorted"
		if args[4] == "ordered" {
			return s.Load(r.Ordered(), true)
		}
		return s.Load(r.All(), r.Sorted)
	}
	limit, err := time.ParseDuration(args[5])
	if err != nil {
		return err
	}
	reopen := func() error {
		again, err := open(args[1], false)
		if err != nil {
			return err
		}
		return again.Close()
	}
	m, err := measure(s, r, args[4], limit, reopen)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d %.6f %.6f\n", m.n, m.took.Seconds(), m.cpu.Seconds())
	return err
}

// measured is what operations took.
type measured struct {
	n    int64
	took time.Duration
	cpu  time.Duration // user and system time, of all threads
}

// measure does one thing again and again until the time is over, and at least
// once; reopen opens and closes the store. Before, it reads everything if the row
// reads, so that caches are full and what a store does but once is done.
func measure(s Store, r Records, row string, limit time.Duration, reopen func() error) (measured, error) {
	workers := 1
	var op func() error
	switch row {
	case "get":
		op = func() error { return checkedGet(s.Get, r) }
	case "gets":
		op = func() error { return get100(s, r) }
	case "scan", "prefix":
		op = func() error { return scan(s, r, row, 100) }
	case "scan100k":
		op = func() error { return scan(s, r, row, 100_000) }
	case "suffix":
		op = func() error { return count(s, r, bytes.HasSuffix) }
	case "contains":
		op = func() error { return count(s, r, bytes.Contains) }
	case "open":
		op = reopen
	case "set1", "set32":
		set := s.Set
		if row == "set32" {
			workers = 32
			if g, ok := s.(Grouper); ok {
				set = g.SetTogether
			}
		}
		op = func() error {
			i := rand.IntN(r.N)
			return set(r.AppendKey(nil, i), r.AppendValue(nil, i))
		}
	default:
		return measured{}, fmt.Errorf("no row %q", row)
	}
	warm := func() error { return s.Scan(nil, nil, r.N, func(_, _ []byte) {}) }
	if strings.HasPrefix(row, "set") || row == "open" {
		warm = op
	}
	if err := warm(); err != nil {
		return measured{}, err
	}
	return repeat(op, workers, limit)
}

func repeat(op func() error, workers int, limit time.Duration) (measured, error) {
	var n atomic.Int64
	cpu := processorTime()
	errs := make([]error, workers)
	var wg sync.WaitGroup
	begin := time.Now()
	for w := range workers {
		wg.Go(func() {
			for errs[w] == nil {
				if errs[w] = op(); errs[w] == nil {
					n.Add(1)
				}
				if time.Since(begin) >= limit {
					return
				}
			}
		})
	}
	wg.Wait()
	return measured{n.Load(), time.Since(begin), processorTime() - cpu}, errors.Join(errs...)
}

// processorTime is what this process took so far; 0 if the system does not say.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// checkedGet gets a record by the function of a store.
func checkedGet(get func(key []byte) ([]byte, error), r Records) error {
	var key [16]byte
	i := rand.IntN(r.N)
	value, err := get(r.AppendKey(key[:0], i))
	switch {
	case err != nil:
	case len(value) != r.ValueSize:
		err = fmt.Errorf("record %d has a value of %d bytes, want %d", i, len(value), r.ValueSize)
	case value[0] != r.first(i): // a store that only says where the value is has not read it
		err = fmt.Errorf("record %d has a wrong value", i)
	}
	return err
}

// get100 gets 100 records, in one transaction where there are such.
func get100(s Store, r Records) error {
	all := func(get func(key []byte) ([]byte, error)) error {
		for range 100 {
			if err := checkedGet(get, r); err != nil {
				return err
			}
		}
		return nil
	}
	if v, ok := s.(Viewer); ok {
		return v.View(all)
	}
	return all(s.Get)
}

// scan reads up to limit records, keys and values, in order.
func scan(s Store, r Records, row string, limit int) error {
	key := r.AppendKey(nil, rand.IntN(r.N))
	from, prefix := key, []byte(nil)
	if row == "prefix" {
		// As many digits as leave a hundred keys or more.
		digits := 0
		for left := r.N / 16; left >= 100; left /= 16 {
			digits++
		}
		from, prefix = nil, key[:digits]
	}
	n, sum := 0, 0
	err := s.Scan(from, prefix, limit, func(k, v []byte) {
		n++
		sum += int(k[len(k)-1]) + int(v[0])
	})
	if err == nil && (n == 0 || sum == 0) {
		err = fmt.Errorf("scan from %q with prefix %q reads nothing", from, prefix)
	}
	return err
}

// count counts the keys that hold the last four digits of one of them where is
// says, among all.
func count(s Store, r Records, is func(key, part []byte) bool) error {
	key := r.AppendKey(nil, rand.IntN(r.N))
	match := func(k []byte) bool { return is(k, key[12:]) }
	n := 0
	var err error
	if c, ok := s.(Counter); ok {
		n, err = c.Count(match)
	} else {
		err = s.Keys(func(k []byte) {
			if match(k) {
				n++
			}
		})
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("no key holds %q", key[12:])
	}
	return err
}
