package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"kvsh/engine"
)

// A store is written by transactions and read at one revision.
func ExampleMem() {
	ctx := context.Background()
	store := engine.NewMem(engine.MemOptions{})
	defer store.Close()

	res, err := store.Update(ctx, func(tx engine.Tx) error {
		if err := tx.Set(ctx, "user:1", []byte("Ada")); err != nil {
			return err
		}
		return tx.Set(ctx, "user:2", []byte("Grace"))
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Outcome, "as revision", res.Rev)

	err = store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		e, err := tx.Get(ctx, "user:1")
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", e.Value)
		_, err = tx.Get(ctx, "user:3")
		return err
	})
	fmt.Println(err)
	// Output:
	// committed as revision 1
	// Ada
	// key not found
}

// Scan yields the keys of a range, here the last two that begin with "user:".
func ExampleTx_Scan() {
	ctx := context.Background()
	store := engine.NewMem(engine.MemOptions{})
	defer store.Close()
	_, err := store.Update(ctx, func(tx engine.Tx) error {
		for _, name := range []string{"user:ada", "user:grace", "user:linus", "zone"} {
			if err := tx.Set(ctx, name, []byte("…")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	err = store.View(ctx, engine.Newest, func(tx engine.Tx) error {
		for e, err := range tx.Scan(ctx, engine.Range{Prefix: "user:", Reverse: true, Limit: 2}) {
			if err != nil {
				return err
			}
			fmt.Println(e.Key, e.Size, "bytes")
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// user:linus 3 bytes
	// user:grace 3 bytes
}

// The past stays readable.
func ExampleStore_View() {
	ctx := context.Background()
	store := engine.NewMem(engine.MemOptions{})
	defer store.Close()
	for _, v := range []string{"draft", "final"} {
		if _, err := store.Update(ctx, func(tx engine.Tx) error { return tx.Set(ctx, "text", []byte(v)) }); err != nil {
			log.Fatal(err)
		}
	}

	for _, at := range []engine.Rev{1, engine.Newest} {
		err := store.View(ctx, at, func(tx engine.Tx) error {
			e, err := tx.Get(ctx, "text")
			fmt.Printf("revision %d: %s\n", tx.Rev(), e.Value)
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// revision 1: draft
	// revision 2: final
}

// A transaction of Begin holds no lock. If something it read is changed before
// it commits, it writes nothing.
func ExampleStore_Begin() {
	ctx := context.Background()
	store := engine.NewMem(engine.MemOptions{})
	defer store.Close()

	tx, err := store.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Get(ctx, "seat"); errors.Is(err, engine.ErrNotFound) {
		err = tx.Set(ctx, "seat", []byte("mine"))
		if err != nil {
			log.Fatal(err)
		}
	}

	// Somebody else is faster.
	if _, err := store.Update(ctx, func(tx engine.Tx) error { return tx.Set(ctx, "seat", []byte("theirs")) }); err != nil {
		log.Fatal(err)
	}

	res, err := tx.Commit(ctx)
	fmt.Println(res.Outcome)
	fmt.Println(err)
	fmt.Println(errors.Is(err, engine.ErrConflict))
	// Output:
	// not committed
	// key "seat": changed by another transaction meanwhile
	// true
}
