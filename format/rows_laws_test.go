package format

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/clipperhouse/displaywidth"
)

var keyValue = []Column{{Name: "key", Kind: Bytes}, {Name: "value", Kind: Bytes}}

// writeRows writes pairs of keys and values and returns the output.
func writeRows(t *testing.T, o Options, pairs [][2][]byte) string {
	t.Helper()
	o.Now = testNow
	var out bytes.Buffer
	r := NewRows(&out, o, keyValue...)
	for _, p := range pairs {
		if err := r.Row(p[0], p[1]); err != nil {
			t.Fatalf("mode %v: Row(%q) = %v", o.Mode, p, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatalf("mode %v: Close() = %v", o.Mode, err)
	}
	return out.String()
}

// randomPairs returns pairs with keys that are not empty. Some runs have only
// clean text, which decides the header of CSV.
func randomPairs(rnd *rand.Rand) [][2][]byte {
	pairs := make([][2][]byte, rnd.IntN(5)+1)
	clean := rnd.IntN(3) == 0
	for i := range pairs {
		for j := range pairs[i] {
			b := randomBytes(rnd, 60)
			if clean {
				b = []byte(strings.Map(func(r rune) rune {
					if r == '\r' || r == 0 {
						return '_'
					}
					return r
				}, strings.ToValidUTF8(string(b), "?")))
			}
			pairs[i][j] = b
		}
		pairs[i][0] = append(pairs[i][0], 'k')
	}
	return pairs
}

// What people and terminals see holds no control byte but the line feed, no
// escape sequence and no rune that reorders text, and keeps to the width.
func TestTerminalSafety(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 400 {
		pairs := randomPairs(rnd)
		for _, mode := range []Mode{Pretty, Table, Quoted} {
			for _, width := range []int{0, 48, 80} {
				out := writeRows(t, Options{Mode: mode, Width: width}, pairs)
				checkRowsSafe(t, mode, out, pairs)
				if width == 0 || mode == Quoted {
					continue
				}
				for line := range strings.Lines(out) {
					if w := displaywidth.String(strings.TrimSuffix(line, "\n")); w > width {
						t.Fatalf("mode %v: a line of %d columns, want at most %d: %q for %q", mode, w, width, line, pairs)
					}
				}
			}
		}
		var out bytes.Buffer
		if err := WriteValue(&out, Options{Mode: Pretty}, "k", pairs[0][1]); err != nil {
			t.Fatal(err)
		}
		checkSafe(t, pairs[0][1], out.String())
		for _, mode := range []Mode{JSONL, JSON, Kvsh, Hex, TSV} {
			checkRowsSafe(t, mode, writeRows(t, Options{Mode: mode}, pairs), pairs)
		}
	}
}

// checkRowsSafe is checkSafe for rows. In three modes there is one tab in a
// row, between key and value.
func checkRowsSafe(t *testing.T, mode Mode, out string, pairs [][2][]byte) {
	t.Helper()
	if mode == Quoted || mode == Hex || mode == TSV {
		if got, want := strings.Count(out, "\t"), len(pairs); got != want {
			t.Fatalf("mode %v: %d tabs, want %d: %q", mode, got, want, out)
		}
		out = strings.ReplaceAll(out, "\t", " ")
	}
	checkSafe(t, pairs[0][1], out)
	if t.Failed() {
		t.Fatalf("mode %v of %q", mode, pairs)
	}
}

// Every line of a box is as wide as every other.
func TestTableLines(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		pairs := randomPairs(rnd)
		out := writeRows(t, Options{Mode: Table, Width: rnd.IntN(2) * 60}, pairs)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if got, want := len(lines), len(pairs)+4; got != want {
			t.Fatalf("%d lines, want %d, for %q:\n%s", got, want, pairs, out)
		}
		for _, line := range lines {
			if got, want := displaywidth.String(line), displaywidth.String(lines[0]); got != want {
				t.Fatalf("a line of %d columns, want %d, for %q:\n%s", got, want, pairs, out)
			}
		}
	}
}

// Any bytes can be had back from the modes for programs.
func TestRowsLossless(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		pairs := randomPairs(rnd)
		for _, c := range []struct {
			mode Mode
			read func(*testing.T, string) [][2][]byte
		}{{Quoted, readQuotedLines}, {TSV, readTSVLines}, {JSONL, readJSONLines}, {JSON, readJSONArray}, {CSV, readCSVLines}} {
			out := writeRows(t, Options{Mode: c.mode}, pairs)
			got := c.read(t, out)
			if len(got) != len(pairs) {
				t.Fatalf("mode %v: %d rows, want %d:\n%s", c.mode, len(got), len(pairs), out)
			}
			for i := range got {
				if !bytes.Equal(got[i][0], pairs[i][0]) || !bytes.Equal(got[i][1], pairs[i][1]) {
					t.Fatalf("mode %v: row %d = %q, want %q", c.mode, i, got[i], pairs[i])
				}
			}
		}
	}
}

func readQuotedLines(t *testing.T, out string) (pairs [][2][]byte) {
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		pairs = append(pairs, [2][]byte{mustUnquote(t, key), mustUnquote(t, value)})
	}
	return pairs
}

func readTSVLines(t *testing.T, out string) (pairs [][2][]byte) {
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		// The escapes are those of literals, but quotes stand bare.
		quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
		pairs = append(pairs, [2][]byte{mustUnquote(t, quote(key)), mustUnquote(t, quote(value))})
	}
	return pairs
}

func mustUnquote(t *testing.T, s string) []byte {
	t.Helper()
	b, err := Unquote(s)
	if err != nil {
		t.Fatalf("Unquote(%s): %v", s, err)
	}
	return b
}

func readJSONLines(t *testing.T, out string) (pairs [][2][]byte) {
	return readJSONArray(t, "["+strings.ReplaceAll(strings.TrimSuffix(out, "\n"), "\n", ",")+"]")
}

func readJSONArray(t *testing.T, out string) (pairs [][2][]byte) {
	t.Helper()
	var rows []map[string]string
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, row := range rows {
		pairs = append(pairs, [2][]byte{plainOrBase64(t, row, "key"), plainOrBase64(t, row, "value")})
	}
	return pairs
}

func readCSVLines(t *testing.T, out string) (pairs [][2][]byte) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, fields := range rows[1:] {
		row := map[string]string{}
		for i, name := range rows[0] {
			if fields[i] != "" || !strings.HasSuffix(name, "_b64") {
				row[name] = fields[i]
			}
		}
		pairs = append(pairs, [2][]byte{plainOrBase64(t, row, "key"), plainOrBase64(t, row, "value")})
	}
	return pairs
}

func plainOrBase64(t *testing.T, row map[string]string, name string) []byte {
	t.Helper()
	coded, ok := row[name+"_b64"]
	if !ok {
		return []byte(row[name])
	}
	if row[name] != "" {
		t.Errorf("%s and %s_b64 are both there: %q", name, name, row)
	}
	b, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		t.Errorf("%s_b64: %v", name, err)
	}
	return b
}

// What mode env writes, sh reads back equal.
func TestEnvInShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	value := "it's \"$HOME\" `x` \\ \n\t end"
	script := writeRows(t, Options{Mode: Env}, [][2][]byte{{[]byte("A_1"), []byte(value)}})
	out, err := exec.Command(sh, "-c", script+`printf %s "$A_1"`).Output()
	if err != nil || string(out) != value {
		t.Errorf("sh read %q, %v, want %q", out, err, value)
	}
}

// Rows that cannot be shown are refused with their error, those before them
// stand, and the output does not end as if it were whole.
func TestRowsRefuse(t *testing.T) {
	for _, c := range []struct {
		mode       Mode
		key, value any
		want       error
		out        string
	}{
		{NUL, "a", "x\x00y", ErrNUL, "ok\x00v\x00"},
		{Env, "a-b", "x", ErrEnvName, "ok='v'\n"},
		{Env, "1", "x", ErrEnvName, "ok='v'\n"},
		{Env, "a", "x\x00y", ErrNUL, "ok='v'\n"},
		{Kvsh, "a", nil, ErrMode, "set \"ok\" \"v\"\n"},
	} {
		var out bytes.Buffer
		r := NewRows(&out, Options{Mode: c.mode}, keyValue...)
		if err := r.Row("ok", "v"); err != nil {
			t.Fatal(err)
		}
		if err := r.Row(c.key, c.value); !errors.Is(err, c.want) {
			t.Errorf("mode %v: Row(%q, %q) = %v, want %v", c.mode, c.key, c.value, err, c.want)
		}
		if err := r.Row("more", "v"); !errors.Is(err, c.want) {
			t.Errorf("mode %v: Row after an error = %v, want %v", c.mode, err, c.want)
		}
		if err := r.Close(); !errors.Is(err, c.want) || out.String() != c.out {
			t.Errorf("mode %v: Close() = %v with %q, want %v with %q", c.mode, err, out.String(), c.want, c.out)
		}
	}
}

var errFull = errors.New("disk full")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestRowsReportWriteErrors(t *testing.T) {
	for mode := Raw; mode <= Env; mode++ {
		r := NewRows(fullWriter{}, Options{Mode: mode}, keyValue...)
		_ = r.Row("a", "b")
		if err := r.Close(); !errors.Is(err, errFull) {
			t.Errorf("mode %v: Close() = %v, want %v", mode, err, errFull)
		}
	}
}

func TestNoRows(t *testing.T) {
	for mode, want := range map[Mode]string{
		Raw: "", Pretty: "", JSONL: "", JSON: "[]\n", CSV: "key,value\n", TSV: "", NUL: "", Kvsh: "",
		Table: "┌─────┬───────┐\n│ key │ value │\n└─────┴───────┘\n",
	} {
		if got := writeRows(t, Options{Mode: mode}, nil); got != want {
			t.Errorf("no rows in mode %v = %q, want %q", mode, got, want)
		}
	}
}

// A row that comes after the sample is shown too: shortened to a box, whole
// where pretty has room, and as raw bytes under a CSV header that was clean.
func TestRowsAfterSample(t *testing.T) {
	pairs := make([][2][]byte, sampleRows+1)
	for i := range pairs {
		pairs[i] = [2][]byte{[]byte("k"), []byte("v")}
	}
	pairs[sampleRows][1] = []byte("late\r\n\xff and long, and longer")
	if got := writeRows(t, Options{Mode: CSV}, pairs); !strings.HasSuffix(got, "k,v\nk,\"late\r\n\xff and long, and longer\"\n") {
		t.Errorf("csv ends in %q", got[len(got)-60:])
	}
	if got := writeRows(t, Options{Mode: Pretty, Width: 80}, pairs); !strings.HasSuffix(got, "k    v\nk    \"late\\r\\n\\xff and long, and longer\"\n") {
		t.Errorf("pretty ends in %q", got[len(got)-60:])
	}
	want := "│ k   │ v     │\n└─────┴───────┘\n" +
		"┌─────┬──────────────────┐\n│ key │ value            │\n├─────┼──────────────────┤\n" +
		"│ k   │ \"late\\r\\n\"…+22 B │\n└─────┴──────────────────┘\n"
	if got := writeRows(t, Options{Mode: Table}, pairs); !strings.HasSuffix(got, want) {
		t.Errorf("table ends in %s, want %s", got[len(got)-len(want):], want)
	}
}

// No cell of a box is cut in silence, also where a number grows after the first
// rows fixed the widths.
func TestTableNumbersGrow(t *testing.T) {
	var out bytes.Buffer
	r := NewRows(&out, Options{Mode: Table}, Column{Name: "rev", Kind: Int})
	for _, rev := range []int{1, 123456789} {
		if err := r.Row(rev); err != nil {
			t.Fatal(err)
		}
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "│ 123456789 │\n") {
		t.Errorf("the number is not there:\n%s", out.String())
	}
}

// Flush shows the rows so far, and later rows go on under the same header.
func TestFlush(t *testing.T) {
	var out bytes.Buffer
	r := NewRows(&out, Options{Mode: Pretty}, keyValue...)
	for _, step := range []struct{ key, want string }{
		{"", ""},
		{"abc", "key  value\nabc  v\n"},
		{"abcdef", "key  value\nabc  v\nabcdef  v\n"},
	} {
		if step.key != "" {
			if err := r.Row(step.key, "v"); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Flush(); err != nil || out.String() != step.want {
			t.Errorf("after %q: Flush() = %v with %q, want %q", step.key, err, out.String(), step.want)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestAutoMode(t *testing.T) {
	for _, c := range []struct {
		o    Options
		n    int
		want Mode
	}{
		{Options{}, 1, Raw},
		{Options{}, 2, TSV},
		{Options{Terminal: true}, 1, Pretty},
		{Options{NUL: true}, 2, NUL},
		{Options{NUL: true, Terminal: true}, 1, NUL},
		{Options{NUL: true, Mode: JSONL}, 1, JSONL},
		{Options{Mode: Raw, Terminal: true}, 2, Raw},
	} {
		if got := c.o.resolve(c.n); got != c.want {
			t.Errorf("%+v with %d columns is %v, want %v", c.o, c.n, got, c.want)
		}
	}
	for i, name := range ModeNames() {
		if m, err := ParseMode(name); err != nil || m != Mode(i) || m.String() != name {
			t.Errorf("ParseMode(%q) = %v, %v, want %d", name, m, err, i)
		}
	}
	if _, err := ParseMode("xml"); !errors.Is(err, ErrMode) {
		t.Errorf("ParseMode(xml) = %v, want ErrMode", err)
	}
}

func BenchmarkRows(b *testing.B) {
	for _, mode := range []Mode{Raw, TSV, JSONL, CSV, Pretty, Table} {
		b.Run(mode.String(), func(b *testing.B) {
			r := NewRows(io.Discard, Options{Mode: mode, Width: 100}, keyValue...)
			value := bytes.Repeat([]byte("v"), 100)
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Row("user:000000000001", value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A name that people copy is never shortened, however narrow the terminal.
func TestWholeColumns(t *testing.T) {
	name := strings.Repeat("segment-", 12) + "end"
	long := strings.Repeat("reason ", 30)
	for _, mode := range []Mode{Pretty, Table} {
		for _, width := range []int{1, 20, 60, 100, 130, 400} {
			for rows := range 2 * sampleRows { // in the sample and behind it
				if rows != 1 && rows != sampleRows+1 {
					continue
				}
				var out strings.Builder
				r := NewRows(&out, Options{Mode: mode, Terminal: true, Width: width}, Column{Name: "name", Kind: Text, Whole: true}, Column{Name: "reason", Kind: Text})
				for range rows {
					if err := r.Row(name, long); err != nil {
						t.Fatal(err)
					}
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(out.String(), name); n != rows {
					t.Errorf("mode %v, width %d: the name stands %d times in %d rows:\n%.600s", mode, width, n, rows, out.String())
				}
				if width < 300 && !strings.Contains(out.String(), "…+") {
					t.Errorf("mode %v, width %d: the other column is not shortened", mode, width)
				}
			}
		}
	}
}
