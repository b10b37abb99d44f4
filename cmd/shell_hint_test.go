package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a hint says to type is about the database that the line was about: in
// the shell with -d where that is another one.
func TestHintsNameTheDatabaseOfTheLine(t *testing.T) {
	s, out, errs := promptSession(t)
	dir := t.TempDir()
	own, other := filepath.Join(dir, "own.kv"), filepath.Join(dir, "other.kv")
	for _, db := range []string{own, other} {
		if code, _, errs := invoke(t, "set a 1", "-d", db); code != exitYes {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		file := filepath.Join(db, "log", "00000000000000000001")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-5] ^= 1
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ line, want string }{
		{".open " + own + "; check", `hint: "repair" plans`},
		{"get a", `hint: "check" shows`},
		{"-d " + other + " get a", `hint: "-d ` + other + ` check" shows`},
		{"check -d " + other, `hint: "-d ` + other + ` repair" plans`},
		{"-d " + other + " doctor", "-d " + other + " repair"},
		{"get a", `hint: "check" shows`},
		{"doctor", "\trepair\n"},
		{"-d " + own + " get a", `hint: "check" shows`}, // which is the shell's own
		{"-d " + dir + "/none.kv get a", `so does "-d ` + dir + `/none.kv init"`},
		{".open " + other + "; get a", `hint: "check" shows`},
	} {
		data, remarks := prompted(t, s, out, errs, c.line)
		if all := data + remarks; !strings.Contains(all, c.want) || strings.Contains(all, "kvsh -d") || strings.Contains(all, `"kvsh `) {
			t.Errorf("%s says\n%s, want %q in it and no name of the program", c.line, all, c.want)
		}
	}
	// In a script the program is named, and the database of the line.
	if _, _, errs := invoke(t, "-d "+other+" get a", "-d", own); !strings.Contains(errs, `hint: "kvsh `+other+` check" shows`) {
		t.Errorf("a script says %s, want the database of the line", errs)
	}
}
