package engine

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// Follow gives every committed record once and in order, those of history/ and
// those that are committed meanwhile.
func TestFollow(t *testing.T) {
	dir, o := richDir(t)
	db := openTest(t, dir, o)
	first := recordsTest(t, dir, 0, 0)[0].Rev
	const more = 50
	wrote := make(chan error, 1)
	other := openTest(t, dir, o)
	go func() {
		var err error
		for i := 0; i < more && err == nil; i++ {
			_, err = other.Update(t.Context(), func(tx Tx) error { return tx.Set(t.Context(), fmt.Sprint("new", i), []byte("v")) })
		}
		wrote <- err
	}()
	enough := errors.New("enough")
	next := first
	err := db.Follow(t.Context(), first, func(r RecordInfo) error {
		if r.Rev != next || r.Bad != "" || r.Length == 0 {
			t.Errorf("Follow gives %+v, want revision %d", r, next)
		}
		if next++; next > 162+more {
			return enough
		}
		return nil
	})
	if err != enough {
		t.Errorf("Follow = %v, want the error of its function", err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
}

// Before says of every operation in the log what the operations before it made
// of its key.
func TestBefore(t *testing.T) {
	dir, o := richDir(t)
	db := openTest(t, dir, o)
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type key struct{ family, key string }
	state := make(map[key]OpInfo)
	compared := 0
	for _, r := range recordsTest(t, dir, 0, 0) {
		for _, op := range r.Ops {
			if op.Op == OpIngest {
				clear(state) // what it wrote is not in the log
				continue
			}
			k := key{op.Family, op.Key}
			last, ok := state[k]
			if ok {
				compared++
				e, err := db.Before(t.Context(), r.Rev, r.Stamp, op.Family, op.Key)
				gone := last.Op == OpDelete || !last.Expires.IsZero() && !last.Expires.After(r.Stamp.Time())
				switch {
				case r.Rev < info.HistoryFrom:
					if !errors.Is(err, ErrHistoryGone) {
						t.Errorf("Before(%d, %q) = %v, want ErrHistoryGone", r.Rev, op.Key, err)
					}
				case gone && !errors.Is(err, ErrNotFound):
					t.Errorf("Before(%d, %q) = %q, %v, want ErrNotFound", r.Rev, op.Key, e.Value, err)
				case !gone && (err != nil || !bytes.Equal(e.Value, last.Value)):
					t.Errorf("Before(%d, %q) = %q, %v, want %q", r.Rev, op.Key, e.Value, err, last.Value)
				}
			}
			state[k] = op
		}
	}
	if compared < 20 {
		t.Errorf("%d operations compared, want 20 or more", compared)
	}
	if _, err := db.Before(t.Context(), 0, 0, "", "a"); !errors.Is(err, ErrInvalid) {
		t.Errorf("Before revision 0 = %v, want ErrInvalid", err)
	}
	if _, err := db.Before(t.Context(), 999, 0, "", "a"); !errors.Is(err, ErrNotYet) {
		t.Errorf("Before revision 999 = %v, want ErrNotYet", err)
	}
}
