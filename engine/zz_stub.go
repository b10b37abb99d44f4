package engine

import (
	"context"
	"iter"
)

const foldSize = 4 << 20

func (db *DB) maintainAfter(ctx context.Context) {}
func (db *DB) Load(ctx context.Context, items iter.Seq2[Item, error], on OnConflict) (LoadResult, error) {
	return LoadResult{}, ErrUnsupported
}
func (db *DB) Watch(ctx context.Context, from Rev) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) { yield(Change{}, ErrUnsupported) }
}
func (db *DB) identifySnapshot() error { return ErrNoDatabase }
func (db *DB) isSnapshot() bool        { return false }
func (db *DB) refreshSnapshot() error  { return nil }
