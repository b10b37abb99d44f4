// Command buntdb is github.com/tidwall/buntdb under the benchmark.
package main

import (
	"iter"
	"strings"

	"github.com/tidwall/buntdb"

	"kvsh/scripts/bench/drive"
)

type store struct{ db *buntdb.DB }

func main() {
	drive.Main(func(path string, _ bool) (drive.Store, error) {
		db, err := buntdb.Open(path)
		if err != nil {
			return nil, err
		}
		var c buntdb.Config
		if err := db.ReadConfig(&c); err != nil {
			return nil, err
		}
		c.SyncPolicy = buntdb.Always
		return store{db}, db.SetConfig(c)
	})
}

func (s store) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	return s.db.Update(func(tx *buntdb.Tx) error {
		for key, value := range records {
			if _, _, err := tx.Set(string(key), string(value), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s store) Set(key, value []byte) error {
	return s.db.Update(func(tx *buntdb.Tx) error {
		_, _, err := tx.Set(string(key), string(value), nil)
		return err
	})
}

func (s store) Get(key []byte) (value []byte, err error) {
	err = s.db.View(func(tx *buntdb.Tx) error {
		v, err := tx.Get(string(key))
		value = []byte(v)
		return err
	})
	return value, err
}

func (s store) View(fn func(get func(key []byte) ([]byte, error)) error) error {
	return s.db.View(func(tx *buntdb.Tx) error {
		return fn(func(key []byte) ([]byte, error) {
			v, err := tx.Get(string(key))
			return []byte(v), err
		})
	})
}

func (s store) Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error {
	start := max(string(from), string(prefix))
	return s.db.View(func(tx *buntdb.Tx) error {
		return tx.AscendGreaterOrEqual("", start, func(key, value string) bool {
			if limit == 0 || !strings.HasPrefix(key, string(prefix)) {
				return false
			}
			fn([]byte(key), []byte(value))
			limit--
			return true
		})
	})
}

func (s store) Keys(fn func(key []byte)) error {
	return s.db.View(func(tx *buntdb.Tx) error {
		return tx.AscendKeys("*", func(key, _ string) bool {
			fn([]byte(key))
			return true
		})
	})
}

func (s store) Close() error { return s.db.Close() }
