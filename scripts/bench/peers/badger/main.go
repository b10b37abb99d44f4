// Command badger is github.com/dgraph-io/badger under the benchmark.
package main

import (
	"bytes"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"kvsh/scripts/bench/drive"
)

type store struct{ db *badger.DB }

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		db, err := badger.Open(badger.DefaultOptions(path).WithSyncWrites(true).WithLogger(nil))
		return store{db}, err
	})
}

func (s store) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	b := s.db.NewWriteBatch()
	for key, value := range records {
		if err := b.Set(bytes.Clone(key), bytes.Clone(value)); err != nil {
			return err
		}
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return s.db.Sync()
}

func (s store) Set(key, value []byte) error {
	return s.db.Update(func(tx *badger.Txn) error { return tx.Set(key, value) })
}

func (s store) Get(key []byte) (value []byte, err error) {
	err = s.db.View(func(tx *badger.Txn) error {
		item, err := tx.Get(key)
		if err == nil {
			value, err = item.ValueCopy(nil)
		}
		return err
	})
	return value, err
}

func (s store) View(fn func(get func(key []byte) ([]byte, error)) error) error {
	return s.db.View(func(tx *badger.Txn) error {
		return fn(func(key []byte) ([]byte, error) {
			item, err := tx.Get(key)
			if err != nil {
				return nil, err
			}
			return item.ValueCopy(nil)
		})
	})
}

func (s store) Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error {
	start := from
	if bytes.Compare(prefix, from) > 0 {
		start = prefix
	}
	return s.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.IteratorOptions{PrefetchValues: true, PrefetchSize: 100, Prefix: prefix})
		defer it.Close()
		for it.Seek(start); it.Valid() && limit > 0; it.Next() {
			key := it.Item().Key()
			if err := it.Item().Value(func(value []byte) error {
				fn(key, value)
				return nil
			}); err != nil {
				return err
			}
			limit--
		}
		return nil
	})
}

func (s store) Keys(fn func(key []byte)) error {
	return s.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			fn(it.Item().Key())
		}
		return nil
	})
}

func (s store) Close() error { return s.db.Close() }
