package engine

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Ensure that what an operation tells grows within each step, stays within its
// total, and gets near it.
func TestProgress(t *testing.T) {
	const keys = 20_000
	dir := filepath.Join(t.TempDir(), "t.kv")
	db := openTest(t, dir, Options{Create: true, Now: newLawClock().now})
	items := func() iter.Seq2[Item, error] {
		return func(yield func(Item, error) bool) {
			value := []byte(strings.Repeat("v", 100))
			for i := range keys {
				if !yield(Item{Key: fmt.Appendf(nil, "k%06d", i), Value: value}, nil) {
					return
				}
			}
		}
	}
	for _, c := range []struct {
		name  string
		steps string // what it tells of, in order
		run   func(ctx context.Context) error
	}{
		{"Load", "write", func(ctx context.Context) error {
			_, err := db.Load(ctx, items(), Replace)
			return err
		}},
		{"Snapshot", "write verify", func(ctx context.Context) error {
			_, err := db.Snapshot(ctx, dir+"s")
			return err
		}},
		{"Restore", "verify copy", func(ctx context.Context) error {
			_, err := Restore(ctx, dir+"s", dir+".restored", Options{})
			return err
		}},
		{"Compact", "merge", func(ctx context.Context) error {
			_, err := db.Compact(ctx, CompactOptions{})
			return err
		}},
		{"Check", "verify verify read", func(ctx context.Context) error {
			r, err := Check(ctx, nil, dir, true)
			if err == nil {
				err = r.Err()
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var (
				mu   sync.Mutex
				seen []string
				last Progress
			)
			ended := func() {
				if last.Total > 0 && last.Done < last.Total/2 && last.Total > 1<<10 {
					t.Errorf("%s ended with %+v", c.name, last)
				}
			}
			ctx := WithProgress(t.Context(), func(p Progress) {
				mu.Lock()
				defer mu.Unlock()
				if p.Done == 0 && p.Doing != "" && (last == Progress{} || last.Done > 0 || last.Doing != p.Doing) {
					ended()
					seen, last = append(seen, p.Doing), p
				}
				if p.Doing != last.Doing || p.Total > 0 && p.Done > p.Total {
					t.Errorf("%s tells %+v after %+v", c.name, p, last)
				}
				last.Done = max(last.Done, p.Done) // of several goroutines, so not in order
			})
			if err := c.run(ctx); err != nil {
				t.Fatal(err)
			}
			ended()
			if got := strings.Join(seen, " "); got != c.steps {
				t.Errorf("%s tells of %q, want %q", c.name, got, c.steps)
			}
		})
	}
}
