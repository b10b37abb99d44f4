// Command engine is package engine under the benchmark.
package main

import (
	"context"
	"iter"
	"unsafe"

	"kvsh/engine"
	"kvsh/scripts/bench/drive"
)

type store struct{ db *engine.DB }

func main() {
	drive.Main(func(path string, create bool) (drive.Store, error) {
		db, err := engine.Open(context.Background(), path, engine.Options{Create: create})
		return store{db}, err
	})
}

func (s store) Load(records iter.Seq2[[]byte, []byte], _ bool) error {
	_, err := s.db.Load(context.Background(), func(yield func(engine.Item, error) bool) {
		for key, value := range records {
			if !yield(engine.Item{Key: key, Value: value}, nil) {
				return
			}
		}
	}, engine.Replace)
	return err
}

func (s store) Set(key, value []byte) error {
	ctx := context.Background()
	_, err := s.db.Update(ctx, func(tx engine.Tx) error { return tx.Set(ctx, string(key), value) })
	return err
}

func (s store) Get(key []byte) (value []byte, err error) {
	ctx := context.Background()
	err = s.db.View(ctx, engine.Newest, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, string(key))
		value = e.Value
		return err
	})
	return value, err
}

func (s store) View(fn func(get func(key []byte) ([]byte, error)) error) error {
	ctx := context.Background()
	return s.db.View(ctx, engine.Newest, func(tx engine.Tx) error {
		return fn(func(key []byte) ([]byte, error) {
			e, err := tx.Get(ctx, string(key))
			return e.Value, err
		})
	})
}

// Scan lends values to fn, as bbolt does.
func (s store) Scan(from, prefix []byte, limit int, fn func(key, value []byte)) error {
	return s.scan(engine.Range{From: string(from), Prefix: string(prefix), Limit: limit, Lend: true}, fn)
}

func (s store) Keys(fn func(key []byte)) error {
	return s.scan(engine.Range{KeysOnly: true}, func(key, _ []byte) { fn(key) })
}

func (s store) Count(match func(key []byte) bool) (n int, err error) {
	err = s.scan(engine.Range{KeysOnly: true, Match: match}, func(_, _ []byte) { n++ })
	return n, err
}

func (s store) scan(r engine.Range, fn func(key, value []byte)) error {
	ctx := context.Background()
	return s.db.View(ctx, engine.Newest, func(tx engine.Tx) error {
		for e, err := range tx.Scan(ctx, r) {
			if err != nil {
				return err
			}
			// fn neither keeps nor changes the key, of which the others hand it bytes.
			fn(unsafe.Slice(unsafe.StringData(e.Key), len(e.Key)), e.Value)
		}
		return nil
	})
}

func (s store) Close() error { return s.db.Close() }
