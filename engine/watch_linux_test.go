package engine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// Ensure that notices come for what a commit changes and for the end of the
// directory, not for what else writers do, and that closing leaves nothing.
func TestNotices(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(markFile)
	n, err := listen(dir)
	if err != nil {
		t.Skipf("no inotify here: %v", err)
	}
	defer n.close()
	// Events come in order: what was told by the third of these was MARK.
	write(lockFile)
	write(manifestFile)
	write(markFile)
	<-n.wake
	if n.ended.Load() {
		t.Error("notices ended with a change of MARK")
	}
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	for !n.ended.Load() {
		<-n.wake
	}
}

func TestWeighEvents(t *testing.T) {
	event := func(mask uint32, name string) []byte {
		ne := binary.NativeEndian
		b := ne.AppendUint32(make([]byte, 4, 32), mask)
		b = ne.AppendUint32(ne.AppendUint32(b, 0), 16)
		return append(append(b, name...), make([]byte, 16-len(name))...)
	}
	const modify, moveSelf, overflow = 0x2, 0x800, 0x4000
	for _, c := range []struct {
		name        string
		events      []byte
		told, ended bool
	}{
		{"nothing", nil, false, false},
		{"others", append(event(modify, lockFile), event(modify, manifestFile)...), false, false},
		{"MARK among others", append(event(modify, lockFile), append(event(modify, markFile), event(modify, lockFile)...)...), true, false},
		{"the directory moved", event(moveSelf, ""), false, true},
		{"too many", event(overflow, ""), true, false},
		{"FORMAT", event(modify, formatFile), false, true},
	} {
		if told, ended := weighEvents(c.events); told != c.told || ended != c.ended {
			t.Errorf("weighEvents(%s) = %v, %v, want %v, %v", c.name, told, ended, c.told, c.ended)
		}
	}
}
