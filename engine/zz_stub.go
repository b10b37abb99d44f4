package engine

import (
	"context"
	"iter"
)

func (db *DB) Load(ctx context.Context, items iter.Seq2[Item, error], on OnConflict) (LoadResult, error) {
	return LoadResult{}, ErrUnsupported
}
func (db *DB) identifySnapshot() error { return ErrNoDatabase }
func (db *DB) isSnapshot() bool        { return false }
func (db *DB) refreshSnapshot() error  { return nil }
