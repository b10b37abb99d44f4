package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk that is nearly full deserves attention.
func TestDoctorFull(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount: %v", err)
	}
	defer func() {
		// Detached, for the log library keeps its file open until it is collected.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	db := filepath.Join(dir, "t.kv")
	if code, _, errs := invoke(t, "", "-d", db, "set", "a", strings.Repeat("x", 1000)); code != exitYes {
		t.Fatalf("set: %s", errs)
	}
	_, found := diagnose(t, db)
	wants(t, found, attention, "disk", "tmpfs", "")
	if err := os.WriteFile(filepath.Join(dir, "ballast"), bytes.Repeat([]byte{1}, 230<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	code, found := diagnose(t, db)
	wants(t, found, attention, "disk", "nearly full", "compact")
	if code != exitYes {
		t.Errorf("exit code %d", code)
	}
}
