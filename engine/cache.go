package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
)

// A tableCache holds the open tables of a database, so that several states
// share them, with what was verified of each.
type tableCache struct {
	fsys FS
	dir  string

	mu     sync.Mutex
	tables map[uint64]*table
}

var errDigest = errors.New("is not the table that was written: its digest differs")

// open returns a table with a reference for the caller.
func (c *tableCache) open(ref tableRef, as assigned) (*table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tables[ref.id]; t != nil {
		t.retain()
		return t, nil
	}
	name := tableName(ref.id)
	t, err := openTable(c.fsys, filepath.Join(c.dir, filepath.FromSlash(name)), name, as)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	if i := t.info(); i.id != ref.id || i.size != ref.size || i.sum != ref.sum {
		t.release()
		return nil, &CorruptError{File: name, Reason: errDigest.Error()}
	}
	if c.tables == nil {
		c.tables = make(map[uint64]*table)
	}
	t.retain() // the cache's own
	c.tables[ref.id] = t
	return t, nil
}

// keep closes the tables that are in no manifest any more.
func (c *tableCache) keep(live func(id uint64) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, t := range c.tables {
		if !live(id) {
			delete(c.tables, id)
			t.release()
		}
	}
}
