package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// In a shell that made itself read-only since the database is damaged, a write
// says why, and what leads out of it.
func TestWriteInADamagedShell(t *testing.T) {
	s, out, errs := promptSession(t)
	db := filepath.Join(t.TempDir(), "t.kv")
	if code, _, errs := invoke(t, "set a 1\nset b 2", "-d", db); code != exitYes {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	file := filepath.Join(db, "log", "00000000000000000001")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[40] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	prompted(t, s, out, errs, ".open "+db)
	s.openDamaged(t.Context())
	_, remarks := prompted(t, s, out, errs, "set c 3")
	if want := "kvsh: set \"c\": read-only, since the database is damaged\nhint: \"repair\" plans the way out\n"; remarks != want {
		t.Errorf("a write says %q, want %q", remarks, want)
	}
	data, remarks := prompted(t, s, out, errs, "doctor")
	if strings.Contains(data+remarks, "nothing to save") {
		t.Errorf("the doctor of a damaged database says that there is nothing to save:\n%s", data)
	}
	s.damaged = false
	if _, remarks = prompted(t, s, out, errs, "set c 3"); remarks != "kvsh: set \"c\": read-only\n" {
		t.Errorf("in a shell that is read-only by choice a write says %q", remarks)
	}
}
