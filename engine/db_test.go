package engine_test

import (
	"path/filepath"
	"testing"
	"time"

	"kvsh/engine"
	"kvsh/engine/enginetest"
)

// A database in a directory is a Store.
func TestDB(t *testing.T) {
	enginetest.Run(t, func(t *testing.T, now func() time.Time) engine.Store {
		db, err := engine.Open(t.Context(), filepath.Join(t.TempDir(), "test.kv"), engine.Options{Create: true, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}
