package cmd

import (
	"context"
	"iter"
	"sync/atomic"

	"kvsh/engine"
)

// scanning shows how many entries of a transaction were read, by a command that
// says nothing before it has read them all.
func (p *progress) scanning(tx engine.Tx) engine.Tx {
	if p == nil {
		return tx
	}
	counted := &countingTx{tx, new(atomic.Int64)}
	p.follow(engine.Progress{Doing: "read"}, counted.n.Load)
	return counted
}

// counting shows how many entries were read, by a command that counts them by
// itself; nil if nobody sees it.
func (p *progress) counting() *atomic.Int64 {
	if p == nil {
		return nil
	}
	n := new(atomic.Int64)
	p.follow(engine.Progress{Doing: "read"}, n.Load)
	return n
}

// A countingTx counts the entries that are read.
type countingTx struct {
	engine.Tx
	n *atomic.Int64 // of all families
}

func (t *countingTx) In(family string) engine.Tx { return &countingTx{t.Tx.In(family), t.n} }

func (t *countingTx) Scan(ctx context.Context, r engine.Range) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for e, err := range t.Tx.Scan(ctx, r) {
			t.n.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}
