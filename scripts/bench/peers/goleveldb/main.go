// Command goleveldb is github.com/syndtr/goleveldb under the benchmark.
package main

import (
	"bytes"
	"iter"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"kvsh/scripts/bench/drive"
)

type store struct{ db *leveldb.DB }

var durable = &opt.WriteOptions{Sync: true}

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		db, err := leveldb.OpenFile(path, &opt.Options{
			BlockCacheCapacity: 128 << 20, WriteBuffer: 64 << 20, Filter: filter.NewBloomFilter(10),
		})
		return store{db}, err
	})
}

// loadBatch is the records of a batch.
const loadBatch = 10_000

func (s store) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	b := new(leveldb.Batch)
	for key, value := range records {
		b.Put(key, value)
		if b.Len() == loadBatch {
			if err := s.db.Write(b, nil); err != nil {
				return err
			}
			b.Reset()
		}
	}
	return s.db.Write(b, durable)
}

func (s store) Set(key, value []byte) error { return s.db.Put(key, value, durable) }

func (s store) Get(key []byte) ([]byte, error) { return s.db.Get(key, nil) }

func (s store) Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error {
	start := from
	if bytes.Compare(prefix, from) > 0 {
		start = prefix
	}
	it := s.db.NewIterator(&util.Range{Start: start}, nil)
	defer it.Release()
	for it.Next() && limit > 0 && bytes.HasPrefix(it.Key(), prefix) {
		fn(it.Key(), it.Value())
		limit--
	}
	return it.Error()
}

func (s store) Keys(fn func(key []byte)) error {
	it := s.db.NewIterator(nil, nil)
	defer it.Release()
	for it.Next() {
		fn(it.Key())
	}
	return it.Error()
}

func (s store) Close() error { return s.db.Close() }
