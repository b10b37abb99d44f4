// Command pebble is github.com/cockroachdb/pebble under the benchmark.
package main

import (
	"bytes"
	"iter"
	"os"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/sstable"
	"github.com/cockroachdb/pebble/vfs"

	"kvsh/scripts/bench/drive"
)

type store struct {
	db   *pebble.DB
	path string
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) { os.Exit(1) }

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		// A cache and a memtable as large as in its own benchmarks.
		cache := pebble.NewCache(128 << 20)
		defer cache.Unref()
		db, err := pebble.Open(path, &pebble.Options{
			Cache: cache, MemTableSize: 64 << 20, Logger: silent{},
			FormatMajorVersion: pebble.FormatNewest,
		})
		return store{db, path}, err
	})
}

// loadBatch is the records of a batch.
const loadBatch = 10_000

func (s store) Load(records iter.Seq2[[]byte, []byte], sorted bool) error {
	if sorted {
		return s.ingest(records)
	}
	b := s.db.NewBatch()
	n := 0
	for key, value := range records {
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
		if n++; n%loadBatch == 0 {
			if err := b.Commit(pebble.NoSync); err != nil {
				return err
			}
			b = s.db.NewBatch()
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	return s.db.Flush()
}

// ingest writes sorted records as one table and takes that in.
func (s store) ingest(records iter.Seq2[[]byte, []byte]) error {
	name := s.path + ".sst"
	f, err := vfs.Default.Create(name)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), sstable.WriterOptions{
		TableFormat: s.db.FormatMajorVersion().MaxTableFormat(),
	})
	for key, value := range records {
		if err := w.Set(key, value); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.db.Ingest([]string{name})
}

func (s store) Set(key, value []byte) error { return s.db.Set(key, value, pebble.Sync) }

func (s store) Get(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if err != nil {
		return nil, err
	}
	v = bytes.Clone(v)
	return v, closer.Close()
}

func (s store) Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error {
	start := from
	if bytes.Compare(prefix, from) > 0 {
		start = prefix
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: start})
	if err != nil {
		return err
	}
	for it.First(); it.Valid() && limit > 0 && bytes.HasPrefix(it.Key(), prefix); it.Next() {
		fn(it.Key(), it.Value())
		limit--
	}
	return it.Close()
}

func (s store) Keys(fn func(key []byte)) error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		fn(it.Key())
	}
	return it.Close()
}

func (s store) Close() error { return s.db.Close() }
