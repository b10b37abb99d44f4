package engine

import (
	"bytes"
	"context"
	"fmt"
	"iter"
)

// Load implements Store. It takes all items before it waits for its turn, so
// their iterator may use the store. An item that has expired when the load
// commits counts as a deletion. Keep leaves every key that is there as it is,
// and Fail refuses every one, also where the item would delete it or says what
// it is already.
func (m *Mem) Load(ctx context.Context, items iter.Seq2[Item, error], on OnConflict) (LoadResult, error) {
	return m.load(ctx, items, on, nil)
}

// loadIf implements loaderIf.
func (m *Mem) loadIf(ctx context.Context, items iter.Seq2[Item, error], newest Rev) (LoadResult, error) {
	return m.load(ctx, items, Replace, &newest)
}

// load loads on condition that a revision is the newest, if one is given.
func (m *Mem) load(ctx context.Context, items iter.Seq2[Item, error], on OnConflict, newest *Rev) (LoadResult, error) {
	refused := LoadResult{Result: Result{Outcome: NotCommitted}}
	if err := m.enter(ctx); err != nil {
		return refused, err
	}
	defer m.calls.Done()
	if on > Fail {
		return refused, fmt.Errorf("load: rule %d for keys that are there: %w", on, ErrInvalid)
	}
	staged, err := stageMem(ctx, items)
	if err != nil {
		return refused, err
	}
	if err := m.takeTurn(ctx); err != nil {
		return refused, err
	}
	defer m.endTurn()
	refused.Rev = m.newest()
	if newest != nil && refused.Rev != *newest {
		return refused, fmt.Errorf("revision %d came meanwhile: %w", refused.Rev, ErrConflict)
	}
	writes, res, err := m.settle(staged, on)
	if err != nil {
		return refused, err
	}
	res.Result = m.commit(writes)
	return res, nil
}

// stageMem collects the items. Of items with one key the last is left.
func stageMem(ctx context.Context, items iter.Seq2[Item, error]) (memWrites, error) {
	staged := memWrites{}
	number := Rev(0)
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		number++
		key := string(item.Key)
		if err := checkMemItem(item, key); err != nil {
			return nil, fmt.Errorf("item %d: %w", number, err)
		}
		w := memWrite{deleted: true}
		if !item.Delete {
			value := append([]byte{}, item.Value...)
			w = memWrite{value: value}
			if !item.Expires.IsZero() {
				w = newMemExpiring(value, item.Expires)
			}
		}
		n := staged.node(item.Family, key)
		n.versions.Store(nil)
		n.add(memVersion{memWrite: w, rev: number})
	}
	return staged, nil
}

// checkMemItem refuses an item that no store takes.
func checkMemItem(item Item, key string) error {
	if err := checkFamily(item.Family); err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	return checkValue(item.Value)
}

// settle compares the staged items with the newest state: it returns those to
// write, and counts. It is called in turn.
func (m *Mem) settle(staged memWrites, on OnConflict) (memWrites, LoadResult, error) {
	var res LoadResult
	writes := memWrites{}
	t := m.newTx(false)
	now := t.now.UnixMilli()
	for family, list := range staged {
		base := m.family(family)
		for n := list.head.following(); n != nil; n = n.following() {
			w := n.at(memLastWrite).asOf(now)
			is := base.find(n.key).liveAt(t.rev, now)
			switch {
			case is == nil && w.deleted:
				continue // nothing there, nothing to do
			case is == nil:
				res.Added++
			case on == Fail:
				return nil, LoadResult{}, fmt.Errorf("key %q: %w", n.key, ErrExists)
			case on == Keep:
				res.Kept++
				continue
			case w.deleted:
				res.Deleted++
			case w.expires == is.expires && bytes.Equal(w.value, is.value):
				res.Same++
				continue
			default:
				res.Changed++
			}
			writes.node(family, n.key).add(memVersion{memWrite: w})
		}
	}
	return writes, res, nil
}
