package engine_test

import (
	"errors"
	"testing"
	"time"

	"kvsh/engine"
	"kvsh/engine/enginetest"
)

func TestMem(t *testing.T) {
	enginetest.Run(t, func(_ *testing.T, now func() time.Time) engine.Store {
		return engine.NewMem(engine.MemOptions{Now: now})
	})
}

func TestMemZeroOptions(t *testing.T) {
	m := engine.NewMem(engine.MemOptions{})
	before := time.Now().Truncate(time.Millisecond)
	res, err := m.Update(t.Context(), func(tx engine.Tx) error { return tx.Set(t.Context(), "a", nil) })
	if err != nil {
		t.Fatalf("Update() = %v, want no error", err)
	}
	if at := res.Stamp.Time(); at.Before(before) || at.After(time.Now()) {
		t.Errorf("the stamp says %v, want the time of the commit", at)
	}
	for c, err := range m.Watch(t.Context(), 1) {
		if err != nil || c.Writer != "mem" {
			t.Errorf("the writer is %q, %v, want %q", c.Writer, err, "mem")
		}
		break
	}
}

// A key that expired since it was read would not be read the same again.
func TestMemExpiryIsAConflict(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	ctx := t.Context()
	m := engine.NewMem(engine.MemOptions{Now: func() time.Time { return now }})
	_, err := m.Update(ctx, func(tx engine.Tx) error { return tx.SetExpiring(ctx, "a", nil, now.Add(time.Second)) })
	if err != nil {
		t.Fatalf("Update() = %v, want no error", err)
	}
	for _, read := range []func(tx engine.Tx) error{
		func(tx engine.Tx) error { _, err := tx.Get(ctx, "a"); return err },
		func(tx engine.Tx) error { _, err := tx.Count(ctx, engine.Range{}); return err },
	} {
		tx, err := m.Begin(ctx)
		if err != nil {
			t.Fatalf("Begin() = %v, want no error", err)
		}
		if err := errors.Join(read(tx), tx.Set(ctx, "b", nil)); err != nil {
			t.Fatalf("reading and writing = %v, want no error", err)
		}
		now = now.Add(time.Second)
		if _, err := tx.Commit(ctx); !errors.Is(err, engine.ErrConflict) {
			t.Errorf("Commit() after a key expired = %v, want ErrConflict", err)
		}
		now = now.Add(-time.Second)
	}
}

// Close ends a Watch that waits, which is on no one's way to end by itself.
func TestMemCloseEndsWatch(t *testing.T) {
	m := engine.NewMem(engine.MemOptions{})
	ended := make(chan error)
	go func() {
		for _, err := range m.Watch(t.Context(), 1) {
			ended <- err
		}
	}()
	if err := m.Close(); err != nil {
		t.Errorf("Close() = %v, want no error", err)
	}
	if err := <-ended; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Watch ended with %v, want ErrClosed", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("a second Close() = %v, want no error", err)
	}
}
