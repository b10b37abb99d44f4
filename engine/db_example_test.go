package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kvsh/engine"
)

// A database is made by its first commit. What Update returned without an
// error is on the disk.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := engine.Open(ctx, filepath.Join(dir, "notes.kv"), engine.Options{Create: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	res, err := db.Update(ctx, func(tx engine.Tx) error {
		if err := tx.Set(ctx, "user:1", []byte("Ada")); err != nil {
			return err
		}
		return tx.SetExpiring(ctx, "session:9", []byte("user:1"), time.Now().Add(time.Hour))
	})
	fmt.Println(res.Outcome, res.Rev, err)

	err = db.View(ctx, engine.Newest, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, "user:1")
		fmt.Printf("%s at revision %d\n", e.Value, e.Rev)
		return err
	})
	fmt.Println(err)
	// Output:
	// committed 1 <nil>
	// Ada at revision 1
	// <nil>
}

// Begin holds no lock: another write to what was read makes the commit fail.
func ExampleDB_Begin() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := engine.Open(ctx, filepath.Join(dir, "notes.kv"), engine.Options{Create: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	tx, err := db.Begin(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tx.Rollback()
	_, err = tx.Get(ctx, "balance")
	fmt.Println(errors.Is(err, engine.ErrNotFound))
	_ = tx.Set(ctx, "balance", []byte("10"))

	_, _ = db.Update(ctx, func(other engine.Tx) error { return other.Set(ctx, "balance", []byte("99")) })

	res, err := tx.Commit(ctx)
	fmt.Println(res.Outcome, errors.Is(err, engine.ErrConflict))
	// Output:
	// true
	// not committed true
}

// Watch goes on where it was left: it takes the revision to begin with.
func ExampleDB_Watch() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := engine.Open(ctx, filepath.Join(dir, "notes.kv"), engine.Options{Create: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	for _, key := range []string{"a", "b"} {
		_, _ = db.Update(ctx, func(tx engine.Tx) error { return tx.Set(ctx, key, []byte("1")) })
	}

	for change, err := range db.Watch(ctx, 1) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for event, err := range change.Events {
			fmt.Println(change.Rev, event.Op, event.Key, string(event.Value), err)
		}
		if change.Rev == 2 {
			break
		}
	}
	// Output:
	// 1 set a 1 <nil>
	// 2 set b 1 <nil>
}
