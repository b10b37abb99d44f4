package engine

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// A snapshot of a revision, also of the newest, reads as that revision does,
// whatever expired before it was made; so does the database restored from it.
func TestSnapshotIsTheRevision(t *testing.T) {
	clock := newLawClock()
	ctx := t.Context()
	dir := t.TempDir()
	o := Options{Create: true, Now: clock.now}
	db := mustOpen(t, filepath.Join(dir, "t.kv"), o)
	defer db.Close()
	for i, write := range []func(tx Tx) error{
		func(tx Tx) error { return tx.SetExpiring(ctx, "brief", []byte("1"), clock.now().Add(time.Second)) },
		func(tx Tx) error { return tx.Set(ctx, "a", []byte("2")) },
		func(tx Tx) error { return tx.In("f").Set(ctx, "b", []byte("3")) },
		func(tx Tx) error { return tx.Delete(ctx, "a") },
	} {
		clock.ms += 10
		if res, err := db.Update(ctx, write); err != nil || res.Rev != Rev(i+1) {
			t.Fatalf("Update = %+v, %v", res, err)
		}
	}
	clock.ms += 60_000 // brief is gone by now
	hash := func(db *DB, at Rev) (Digest, int64) {
		t.Helper()
		var d Digest
		var n int64
		err := db.View(ctx, at, func(tx Tx) (err error) {
			d, n, err = Hash(ctx, tx)
			return err
		})
		if err != nil {
			t.Fatalf("hash of revision %d: %v", at, err)
		}
		return d, n
	}
	for rev, keys := range []int64{0, 1, 2, 3, 2} {
		at := Rev(rev)
		if at == 0 {
			continue
		}
		file, copied := filepath.Join(dir, "s"+string(rune('0'+rev))+".kvs"), filepath.Join(dir, "r"+string(rune('0'+rev))+".kv")
		info, err := db.SnapshotAt(ctx, file, at)
		if err != nil || info.Rev != at || info.Keys != keys {
			t.Fatalf("SnapshotAt(%d) = %+v, %v, want %d keys", at, info, err, keys)
		}
		if _, err := Restore(ctx, file, copied, o); err != nil {
			t.Fatal(err)
		}
		want, n := hash(db, at)
		if n != keys {
			t.Errorf("revision %d has %d keys, want %d", at, n, keys)
		}
		for _, path := range []string{file, copied} {
			other := mustOpen(t, path, Options{Now: clock.now})
			if got, _ := hash(other, at); got != want {
				t.Errorf("%s: digest of revision %d = %s, want %s", filepath.Base(path), at, got, want)
			}
			if first, _, err := other.Beginning(ctx); first != at || err != nil {
				t.Errorf("%s: Beginning() = %d, %v, want %d", filepath.Base(path), first, err, at)
			}
			if err := other.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	want, _ := hash(db, Newest)
	file := filepath.Join(dir, "newest.kvs")
	if info, err := db.Snapshot(ctx, file); err != nil || info.Rev != 4 || info.Keys != 2 {
		t.Fatalf("Snapshot = %+v, %v, want revision 4 with the key that has expired since", info, err)
	}
	saved := mustOpen(t, file, Options{Now: clock.now})
	defer saved.Close()
	if got, n := hash(saved, Newest); got != want || n != 1 {
		t.Errorf("the newest state of the snapshot has the digest %s of %d keys, want %s of 1", got, n, want)
	}
	for at, want := range map[Rev]error{4: ErrExists, 5: ErrNotYet} {
		name := map[Rev]string{4: file, 5: filepath.Join(dir, "none.kvs")}[at]
		if _, err := db.SnapshotAt(ctx, name, at); !errors.Is(err, want) {
			t.Errorf("SnapshotAt(%d) = %v, want %v", at, err, want)
		}
	}
}
