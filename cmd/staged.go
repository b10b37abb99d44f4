package cmd

import (
	"context"
	"fmt"
	"time"

	"kvsh/engine"
)

// A stagedTx holds back the writes of one command on an open transaction until
// the command has come to its end, so that a command that fails halfway leaves
// nothing in the transaction. Its reads do not see the writes held back: the
// commands read first.
type stagedTx struct {
	engine.Tx
	root   *stagedTx   // holds the writes, if this is another family of it
	one    stagedWrite // the first write, so that single writes allocate nothing
	more   []stagedWrite
	hasOne bool
}

type stagedWrite struct {
	tx      engine.Tx // the family
	key     string
	value   []byte
	expires time.Time
	remove  bool
}

// In implements engine.Tx.
func (t *stagedTx) In(family string) engine.Tx {
	root := t
	if t.root != nil {
		root = t.root
	}
	return &stagedTx{Tx: t.Tx.In(family), root: root}
}

func (t *stagedTx) add(w stagedWrite) error {
	w.tx = t.Tx
	if t.root != nil {
		t = t.root
	}
	switch {
	case w.key == "":
		return fmt.Errorf("empty key: %w", engine.ErrInvalid)
	case len(w.key) > engine.MaxKeySize:
		return fmt.Errorf("key of %d bytes, the limit is %d: %w", len(w.key), engine.MaxKeySize, engine.ErrTooLarge)
	case len(w.value) > engine.MaxValueSize:
		return fmt.Errorf("value of %d bytes, the limit is %d: %w", len(w.value), engine.MaxValueSize, engine.ErrTooLarge)
	case !t.hasOne:
		t.one, t.hasOne = w, true
	default:
		t.more = append(t.more, w)
	}
	return nil
}

// Set implements engine.Tx. The value must hold until apply.
func (t *stagedTx) Set(_ context.Context, key string, value []byte) error {
	return t.add(stagedWrite{key: key, value: value})
}

// SetExpiring implements engine.Tx. The value must hold until apply.
func (t *stagedTx) SetExpiring(_ context.Context, key string, value []byte, at time.Time) error {
	return t.add(stagedWrite{key: key, value: value, expires: at})
}

// Delete implements engine.Tx.
func (t *stagedTx) Delete(_ context.Context, key string) error {
	return t.add(stagedWrite{key: key, remove: true})
}

// apply makes the writes part of the transaction below.
func (t *stagedTx) apply(ctx context.Context) error {
	if !t.hasOne {
		return nil
	}
	if err := t.one.apply(ctx); err != nil {
		return err
	}
	for _, w := range t.more {
		if err := w.apply(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w stagedWrite) apply(ctx context.Context) error {
	switch {
	case w.remove:
		return w.tx.Delete(ctx, w.key)
	case w.expires.IsZero():
		return w.tx.Set(ctx, w.key, w.value)
	}
	return w.tx.SetExpiring(ctx, w.key, w.value, w.expires)
}
