// Command bbolt is go.etcd.io/bbolt under the benchmark.
package main

import (
	"bytes"
	"errors"
	"iter"

	bolt "go.etcd.io/bbolt"

	"kvsh/scripts/bench/drive"
)

var bucket = []byte("b")

type store struct{ db *bolt.DB }

func main() {
	drive.Main(func(path string, create bool) (drive.Store, error) {
		db, err := bolt.Open(path, 0o600, nil)
		if err == nil && create {
			err = db.Update(func(tx *bolt.Tx) error {
				_, err := tx.CreateBucketIfNotExists(bucket)
				return err
			})
		}
		return store{db}, err
	})
}

// loadBatch is the records of a transaction. Random keys of one transaction go
// into leaves that are split at the commit: ten times more take ten times as
// long each.
const loadBatch = 10_000

func (s store) Load(records iter.Seq2[[]byte, []byte], sorted bool) error {
	next, stop := iter.Pull2(records)
	defer stop()
	for more := true; more; {
		err := s.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucket)
			if sorted {
				b.FillPercent = 1
			}
			for range loadBatch {
				var key, value []byte
				if key, value, more = next(); !more {
					return nil
				}
				// bbolt keeps the value until the commit, and copies the key.
				if err := b.Put(key, bytes.Clone(value)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func put(key, value []byte) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(key, value) }
}

func (s store) Set(key, value []byte) error         { return s.db.Update(put(key, value)) }
func (s store) SetTogether(key, value []byte) error { return s.db.Batch(put(key, value)) }

func (s store) Get(key []byte) (value []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucket).Get(key)
		if v == nil {
			return errors.New("not found")
		}
		value = bytes.Clone(v)
		return nil
	})
	return value, err
}

func (s store) View(fn func(get func(key []byte) ([]byte, error)) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		return fn(func(key []byte) ([]byte, error) { return b.Get(key), nil })
	})
}

func (s store) Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error {
	return s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		start := from
		if bytes.Compare(prefix, from) > 0 {
			start = prefix
		}
		for k, v := c.Seek(start); k != nil && limit > 0 && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			fn(k, v)
			limit--
		}
		return nil
	})
}

func (s store) Keys(fn func(key []byte)) error {
	return s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			fn(k)
		}
		return nil
	})
}

func (s store) Close() error { return s.db.Close() }
