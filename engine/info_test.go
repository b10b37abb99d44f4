package engine

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

// Info tells what is there and changes nothing.
func TestInfo(t *testing.T) {
	dir, o := richDir(t)
	before := treeOf(t, dir)
	db := openTest(t, dir, o)
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("Info changed the directory from\n%s\nto\n%s", before, after)
	}
	var keys, bytes int64
	err = db.View(t.Context(), Newest, func(tx Tx) error {
		families, err := tx.Families(t.Context())
		if err != nil {
			return err
		}
		for _, f := range append(families, "") {
			for e, err := range tx.In(f).Scan(t.Context(), Range{}) {
				if err != nil {
					return err
				}
				keys++
				bytes += int64(len(e.Value))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if info.Keys != keys || info.ValueBytes != bytes || info.Rev != 162 {
		t.Errorf("Info = %d keys, %d bytes, revision %d, want %d, %d, 162", info.Keys, info.ValueBytes, info.Rev, keys, bytes)
	}
	if info.Tables == 0 || info.TableBytes == 0 || info.Log.Files == 0 || info.History.Files == 0 || info.Quarantine.Files != 1 {
		t.Errorf("Info = %+v, want files of every kind", info)
	}
	snap, err := openTest(t, snapshotTest(t, db).Path, o).Info(t.Context())
	if err != nil || !snap.Snapshot || snap.Keys != keys || snap.Rev != 162 || snap.Database != info.Database {
		t.Errorf("Info of a snapshot = %+v, %v", snap, err)
	}
}

// A setting holds for every handle from the next commit on, and what is no
// setting is refused without a change.
func TestSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s.kv")
	db := openTest(t, dir, Options{Create: true})
	set := func(ctx context.Context, tx Tx) error { return tx.Set(ctx, "k", []byte("v")) }
	updateTest(t, db, set)
	other := openTest(t, dir, Options{})
	updateTest(t, other, set)
	for _, c := range []struct {
		name, value string
		want        error
	}{
		{"sync", "never", nil},
		{"sync", "sometimes", ErrInvalid},
		{"colour", "red", ErrInvalid},
		{"history.keep", "3d", nil},
		{"history.keep", "0", nil},
		{"history.keep", "-1h", ErrInvalid},
		{"sync", "interval", nil},
		{"sync", "always", nil},
	} {
		before, err := db.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = db.SetSetting(t.Context(), c.name, c.value)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("SetSetting(%q, %q) = %v, want %v", c.name, c.value, err, c.want)
		}
		for _, h := range []*DB{db, other} {
			updateTest(t, h, set)
			after, err := h.Settings(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range after {
				want := before[i].Value
				if s.Name == c.name && c.want == nil {
					want = c.value
				}
				if s.Value != want {
					t.Errorf("after SetSetting(%q, %q) %s is %q, want %q", c.name, c.value, s.Name, s.Value, want)
				}
			}
		}
		if want := db.w.man.setting("sync", syncAlways) == syncAlways; db.w.walSync != want {
			t.Errorf("after SetSetting(%q, %q) the log syncs: %v, want %v", c.name, c.value, db.w.walSync, want)
		}
	}
	if rep, err := Check(t.Context(), nil, dir, true); err != nil || rep.Verdict != VerdictClean {
		t.Errorf("Check = %+v, %v, want clean", rep, err)
	}
}
