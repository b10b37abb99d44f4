package cmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// diagnose runs the doctor on a database and returns its exit code and its
// findings by what they are about. It changes nothing, and its screen fits a
// terminal of 24 lines and 80 columns, with a line left for the prompt.
func diagnose(t *testing.T, db string) (code int, found map[string]finding) {
	t.Helper()
	before := files(t, db)
	_, screen, _ := invoke(t, "", "-d", db, "doctor", "-m", "pretty")
	if n := strings.Count(screen, "\n"); n < 2 || n > 23 {
		t.Errorf("the screen has %d lines, want 2 to 23:\n%s", n, screen)
	}
	for line := range strings.Lines(screen) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	code, out, errs := invoke(t, "", "-d", db, "doctor", "--json")
	found = make(map[string]finding)
	for line := range strings.Lines(out) {
		var row struct{ State, What, Text, Command string }
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&row); err != nil || row.State == "" || row.What == "" || row.Text == "" {
			t.Fatalf("row %q: %v", line, err)
		}
		if _, ok := found[row.What]; !ok {
			found[row.What] = finding{healthState(row.State), row.What, row.Text, row.Command}
		}
	}
	if !maps.Equal(before, files(t, db)) {
		t.Error("the doctor changed the database")
	}
	bad := false
	for _, f := range found {
		bad = bad || f.state == broken
	}
	if bad != (code == exitDamaged) {
		t.Errorf("exit code %d with %+v: %s", code, found, errs)
	}
	return code, found
}

// wants fails the test unless a finding is as it should be; empty is not
// looked at.
func wants(t *testing.T, found map[string]finding, state healthState, what, text, command string) {
	t.Helper()
	f := found[what]
	if f.state != state || !strings.Contains(f.text, text) || !strings.Contains(f.command, command) || command == "" && f.command != "" {
		t.Errorf("finding %q = %+v, want %s, %q, %q", what, f, state, text, command)
	}
}

func TestDoctorFresh(t *testing.T) {
	db := filepath.Join(t.TempDir(), "t.kv")
	invoke(t, "", "-d", db, "init")
	code, found := diagnose(t, db)
	if code != exitYes {
		t.Errorf("exit code %d", code)
	}
	for _, what := range []string{"path", "lock", "format", "check", "quarantine", "leftovers", "tables", "history", "sync", "snapshot"} {
		wants(t, found, healthy, what, "", "")
	}
	invoke(t, "", "-d", db, "config", "sync", "never")
	invoke(t, "", "-d", db, "set", "a", "1")
	_, found = diagnose(t, db)
	wants(t, found, attention, "sync", "power cut", "config sync always")
	wants(t, found, attention, "snapshot", "none", "snapshot save")
	wants(t, found, healthy, "clock", "after the newest change", "")
	invoke(t, "", "-d", db, "snapshot", "save", db+".kvs")
	_, found = diagnose(t, db)
	wants(t, found, healthy, "snapshot", "t.kv.kvs, the newest of 1", "")
}

// Somebody holds the lock: the doctor says who, and does not wait.
func TestDoctorBusy(t *testing.T) {
	_, db := readable(t)
	f, err := os.OpenFile(filepath.Join(db, "LOCK"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, known := holderOf(f.Name()); !known {
		t.Skip("this system does not tell who holds a lock")
	}
	code, found := diagnose(t, db)
	if code != exitYes {
		t.Errorf("exit code %d", code)
	}
	wants(t, found, attention, "lock", fmt.Sprintf("process %d", os.Getpid()), "--wait")
	wants(t, found, healthy, "check", "clean", "")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, found = diagnose(t, db)
	wants(t, found, healthy, "lock", "free", "")
}

// lastSegment is the segment of log/ that is written to.
func lastSegment(t *testing.T, db string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(db, "log", "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("segments: %v, %v", names, err)
	}
	return names[len(names)-1]
}

func TestDoctorTorn(t *testing.T) {
	_, db := readable(t)
	f, err := os.OpenFile(lastSegment(t, db), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\x70kv\x01 unfinished"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	code, found := diagnose(t, db)
	if code != exitYes {
		t.Errorf("exit code %d", code)
	}
	wants(t, found, attention, "check", "the next write mends it", "repair")
	wants(t, found, attention, "tail", "log/…", "")
	invoke(t, "", "-d", db, "set", "z", "1") // which cuts it
	code, found = diagnose(t, db)
	wants(t, found, attention, "quarantine", "1 file", "quarantine ls")
	wants(t, found, healthy, "check", "clean", "")
	if code != exitYes {
		t.Errorf("exit code %d", code)
	}
}

// Every file damaged at once still fits the screen.
func TestDoctorDamaged(t *testing.T) {
	_, db := readable(t)
	if err := os.WriteFile(filepath.Join(db, "stranger"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(db, "tables", "0.tmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, found := diagnose(t, db)
	wants(t, found, attention, "foreign", "stranger", "")
	wants(t, found, attention, "leftovers", "1 temporary file", "compact")
	tables, err := filepath.Glob(filepath.Join(db, "tables", "*.kvt"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	history, err := filepath.Glob(filepath.Join(db, "history", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(append(tables, history...), lastSegment(t, db), filepath.Join(db, "MARK")) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 40; i < len(b); i += 60 {
			b[i] ^= 4
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, found := diagnose(t, db)
	if code != exitDamaged {
		t.Errorf("exit code %d, want %d", code, exitDamaged)
	}
	wants(t, found, broken, "check", "damaged", "repair")
	wants(t, found, broken, "fault", "", "")
	for _, name := range []string{"FORMAT", "MANIFEST"} {
		if err := os.WriteFile(filepath.Join(db, name), []byte("gone"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, found = diagnose(t, db); code != exitDamaged {
			t.Errorf("exit code %d without %s, want %d", code, name, exitDamaged)
		}
	}
	wants(t, found, broken, "format", "FORMAT", "repair")
}

// Whatever is found, the screen has room: what is well gives way.
func TestDoctorScreen(t *testing.T) {
	var found []finding
	for i := range 30 {
		state := []healthState{healthy, attention, broken}[i%3]
		found = append(found, finding{state, "word", strings.Repeat("é", i*5), "kvsh -d " + strings.Repeat("x", i) + " repair"})
		lines := screen(found, strings.Repeat("x", i))
		last := lines[len(lines)-1]
		if want := fmt.Sprintf(", %d to look at, %d bad", (i+2)/3, (i+1)/3); !strings.HasSuffix(last, want) {
			t.Errorf("%d findings end in %q, want %q", i+1, last, want)
		}
		if i < 15 && len(lines) > doctorHeight-1 {
			t.Errorf("%d findings take %d lines", i+1, len(lines))
		}
	}
}
