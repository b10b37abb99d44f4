package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"kvsh/engine"
)

// pipe runs the program on a script, as a pipe would feed it.
func pipe(tb testing.TB, db string, script io.Reader) {
	tb.Helper()
	var errs bytes.Buffer
	code := Run(context.Background(), []string{"-q", "-d", db}, Streams{
		In: script, Out: io.Discard, Err: &errs, Getenv: func(string) string { return "" },
	})
	if code != exitYes {
		tb.Fatalf("exit code %d: %s", code, &errs)
	}
}

func benchKey(i int) string { return fmt.Sprintf("key:%012d", i) }

// BenchmarkPipeGet is get lines down a pipe, on 1,000,000 keys.
func BenchmarkPipeGet(b *testing.B) {
	const keys = 1_000_000
	path := filepath.Join(b.TempDir(), "b.kv")
	db, err := engine.Open(b.Context(), path, engine.Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	var items iter.Seq2[engine.Item, error] = func(yield func(engine.Item, error) bool) {
		value := bytes.Repeat([]byte("v"), 100)
		for i := range keys {
			if !yield(engine.Item{Key: []byte(benchKey(i)), Value: value}, nil) {
				return
			}
		}
	}
	if _, err := db.Load(b.Context(), items, engine.Replace); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	var script strings.Builder
	for range b.N {
		fmt.Fprintf(&script, "get %s\n", benchKey(rand.IntN(keys)))
	}
	b.ResetTimer()
	pipe(b, path, strings.NewReader(script.String()))
}

// BenchmarkPipeTx is a transaction of 100,000 set lines.
func BenchmarkPipeTx(b *testing.B) {
	const sets = 100_000
	var script strings.Builder
	script.WriteString("begin\n")
	for range sets {
		fmt.Fprintf(&script, "set %s %s\n", benchKey(rand.IntN(1_000_000_000)), strings.Repeat("v", 100))
	}
	script.WriteString("commit\n")
	for b.Loop() {
		b.StopTimer()
		path := filepath.Join(b.TempDir(), "b.kv")
		b.StartTimer()
		pipe(b, path, strings.NewReader(script.String()))
	}
}
