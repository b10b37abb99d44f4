package format

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// envRecords are records that an env file can hold, with names that differ.
func envRecords(rnd *rand.Rand, n int) []Record {
	records := make([]Record, n)
	for i := range records {
		name := fmt.Sprintf("%c_%d", [...]rune{'a', 'Z', '_'}[rnd.IntN(3)], i)
		value := bytes.ReplaceAll(randomBytes(rnd, 60), []byte{0}, []byte{'\''})
		records[i] = Record{Key: []byte(name), Value: value}
	}
	return records
}

// Ensure that what is exported is imported again, and is what sh reads.
func TestEnvRoundTrip(t *testing.T) {
	rnd := newRand(t)
	for range 200 {
		want := envRecords(rnd, rnd.IntN(20))
		file := exported(t, FormatEnv, want)
		if d := diffRecords(mustImport(t, FormatEnv, file), want); d != "" {
			t.Fatalf("%s in\n%q", d, file)
		}
	}
	needPrograms(t, "sh reads an export", "sh")
	want := envRecords(rnd, 300)
	values := readBySh(t, "sh", exported(t, FormatEnv, want), want)
	for i, r := range want {
		if !bytes.Equal(values[i], r.Value) {
			t.Errorf("sh reads %s as %q, want %q", r.Key, values[i], r.Value)
		}
	}
}

// readBySh returns the values that a shell has for the keys of records after it
// read a file; nil if the shell finds a fault in it.
func readBySh(t *testing.T, shell string, file []byte, records []Record) [][]byte {
	t.Helper()
	script := append(bytes.Clone(file), '\n')
	for _, r := range records {
		script = fmt.Appendf(script, "printf '%%s\\0' \"$%s\"\n", r.Key)
	}
	c := exec.Command(shell)
	c.Stdin = bytes.NewReader(script)
	c.Env = []string{"LC_ALL=C", "HOME=/home", "PATH="}
	c.Dir = t.TempDir()
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	values := bytes.Split(out, []byte{0})
	if err != nil || errs.Len() > 0 || len(values) != len(records)+1 {
		return nil
	}
	return values[:len(records)]
}

// Ensure that whatever the importer takes means the same to every sh there is.
func TestEnvMeansWhatShReads(t *testing.T) {
	shells := []string{"sh"}
	if _, err := exec.LookPath("bash"); err == nil {
		shells = append(shells, "bash")
	}
	needPrograms(t, "the importer reads what sh reads", shells...)
	rnd := newRand(t)
	pieces := []string{"A=", "B=", "c", "export ", " ", "\n", ";", "'", "\"", "\\", "#", "~", ":", "*", "?", "{a,b}", "=", "é", "\t", "\\\n", "'x y'", "\"z\"", "!", "%", "^", "]", "~root", "-"}
	taken := 0
	for range 8000 {
		var file []byte
		for range 1 + rnd.IntN(9) {
			file = append(file, pieces[rnd.IntN(len(pieces))]...)
		}
		file = append(file, '\n')
		records, err := imported(t, FormatEnv, bytes.NewReader(file))
		if err != nil || len(records) == 0 || rnd.IntN(10) > 0 {
			continue
		}
		taken++
		last := map[string]string{}
		for _, r := range records {
			last[string(r.Key)] = string(r.Value)
		}
		for _, shell := range shells {
			values := readBySh(t, shell, file, records)
			if values == nil {
				t.Fatalf("%s finds a fault in %q, which the importer takes", shell, file)
			}
			for i, value := range values {
				if want := last[string(records[i].Key)]; string(value) != want {
					t.Fatalf("%s reads %s of %q as %q, the importer as %q", shell, records[i].Key, file, value, want)
				}
			}
		}
	}
	if taken < 20 {
		t.Errorf("only %d files were compared: the test shows nothing", taken)
	}
}

// Ensure that what other programs write is read for what it means.
func TestEnvForeign(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"", ""},
		{"# all\n\nA=1\n", "A=1"},
		{"\xef\xbb\xbfA=\n", "A="},
		{"export A='x y' B=\"z\" # c\n\tC=d#e;D=f\n", "A=x y B=z C=d#e D=f"},
		{`A="\$\"\\\a'"'"'"\'"a" b"c` + "\n", `A=$"\\a'"\'a bc`},
		{"A='1\n2'\\\n3 B=\"4\\\n5\"\n", "A=1\n23 B=45"},
		{"A=a~b:c=*?[x]{1,2}%^!\n", "A=a~b:c=*?[x]{1,2}%^!"},
		{"A='$x`y`~'\n", "A=$x`y`~"},
		{"a_1=1\nexported=2\nexport=3\n", "a_1=1 exported=2 export=3"},
	} {
		if got := show(mustImport(t, FormatEnv, []byte(test.file))); got != test.want {
			t.Errorf("import of %q = %q, want %q", test.file, got, test.want)
		}
	}
}

// Ensure that bad data is refused with its place and what is wrong there.
func TestEnvErrors(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"A=1", `data:1: cut off: no line feed at the end, or an open quote (column 4)`},
		{"A=1\nB", `data:2: cut off: no line feed`},
		{"# x", `data:1: cut off: no line feed`},
		{"A='1\n2\n", `data:3: cut off: no line feed at the end, or an open quote (column 1)`},
		{"A=\"1\n", `data:2: cut off: `},
		{"A=\\", `data:1: cut off: `},
		{"A=1\nB=$x\n", `data:2: sh would replace this: put it in '…' (column 3)`},
		{"A=\"1`x`\"\n", `data:1: sh would replace this: put it in '…' (column 5)`},
		{"A=\"$x\"\n", `data:1: sh would replace this`},
		{"A=~/x\n", `data:1: sh would replace this`},
		{"A=x:~/x\n", `data:1: sh would replace this`},
		{"export A=*\n", `data:1: sh would replace this: put it in '…' (column 10)`},
		{"export A={b,c}\n", `data:1: sh would replace this`},
		{"A=1 && B=2\n", `data:1: want NAME=value, where a name has letters, digits and _ (column 5)`},
		{"A=1|x\n", `data:1: sh would run this: put it in '…' (column 4)`},
		{"A=(1)\n", `data:1: sh would run this`},
		{"ls\n", `data:1: want NAME=value`},
		{"export A\n", `data:1: want NAME=value`},
		{"1A=2\n", `data:1: want NAME=value`},
		{"A+=2\n", `data:1: want NAME=value`},
		{"A =2\n", `data:1: want NAME=value`},
		{"=2\n", `data:1: want NAME=value`},
		{"é=2\n", `data:1: want NAME=value`},
		{";A=2\n", `data:1: want NAME=value`},
		{"A=1;;\n", `data:1: want NAME=value`},
		{"export \n", `data:1: want NAME=value`},
		{"A=1 export B=2\n", `data:1: want NAME=value`},
		{"export ", `data:1: cut off: `},
		{"A=1\r\n", `data:1: a carriage return`},
		{"A=x\x00\n", `data:1: a NUL byte, which no variable can hold (column 4)`},
		{"A='x\x00'\n", `data:1: a NUL byte`},
		{"A=\"\x00\"\n", `data:1: a NUL byte`},
		{"A=\\\x00\n", `data:1: a NUL byte`},
	} {
		wantRefused(t, FormatEnv, test.file, test.want)
	}
}

// wantRefused checks the message of an import, which begins with want.
func wantRefused(t *testing.T, f Format, file, want string) {
	t.Helper()
	got, err := imported(t, f, strings.NewReader(file))
	if err == nil {
		t.Errorf("%s: import of %.100q = %q, want %s", f, file, show(got), want)
	} else if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%s: import of %.100q: %v\nwant %s", f, file, err, want)
	}
}

// Ensure that env refuses what it cannot hold, and that nothing is written then.
func TestEnvExportRefuses(t *testing.T) {
	expires := mustTime(t, "2026-12-01T00:00:00Z")
	for _, test := range []struct {
		r    Record
		want error
		bare bool // whether Bare lets it pass
	}{
		{Record{Key: []byte("a-b")}, ErrEnvName, false},
		{Record{Key: []byte("1")}, ErrEnvName, false},
		{Record{Key: []byte("a"), Value: []byte{0}}, ErrNUL, false},
		{Record{Key: []byte("a"), Family: "x"}, ErrNotHeld, true},
		{Record{Key: []byte("a"), Expires: expires}, ErrNotHeld, true},
	} {
		wantExportRefused(t, FormatEnv, test.r, test.want, test.bare)
	}
	wantExportRefused(t, FormatDump, Record{Key: []byte("a"), Expires: expires}, ErrNotHeld, true)
	wantExportRefused(t, FormatRESP, Record{Key: []byte("a"), Family: "x"}, ErrNotHeld, true)
	wantExportRefused(t, FormatSQL, Record{Key: []byte("a"), Rev: 1 << 63}, ErrNotHeld, false)
	for _, f := range []Format{FormatJSONL, FormatEnv, FormatDump, FormatRESP, FormatSQL} {
		wantExportRefused(t, f, Record{Key: []byte("a"), Delete: true}, nil, false)
	}
}

// wantExportRefused checks that a record is refused with an error, of any kind
// if want is nil, that nothing is written after it, and whether Bare helps.
func wantExportRefused(t *testing.T, f Format, r Record, want error, bareHelps bool) {
	t.Helper()
	var out bytes.Buffer
	e, _ := NewExporter(&out, f, ExportOptions{})
	err := e.Write(r)
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Errorf("%s: Write(%q) = %v, want %v", f, r.Key, err, want)
	}
	if again := e.Write(Record{Key: []byte("b")}); again != err {
		t.Errorf("%s: Write after an error = %v, want %v", f, again, err)
	}
	if closed := e.Close(); closed != err || out.Len() > 0 {
		t.Errorf("%s: Close after an error = %v with %q written, want %v and nothing", f, closed, out.Bytes(), err)
	}
	e, _ = NewExporter(&out, f, ExportOptions{Bare: true})
	if err := e.Write(r); (err == nil) != bareHelps {
		t.Errorf("%s: bare Write(%q) = %v, want success %v", f, r.Key, err, bareHelps)
	}
}
