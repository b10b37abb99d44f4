package format

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// resp is commands, one in each line of text, whose words are split by blanks.
func resp(text string) string {
	var b []byte
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		b = fmt.Appendf(b, "*%d\r\n", len(words))
		for _, w := range words {
			b = appendRESPString(b, []byte(w))
		}
	}
	return string(b)
}

// Ensure that commands come to what Redis would make of them.
func TestRESPCommands(t *testing.T) {
	now := mustTime(t, "2026-11-21T08:00:00Z")
	for _, test := range []struct{ commands, want string }{
		{"SET a 1", "a=1"},
		{"set a 1 EX 10", "a=1@2026-11-21T08:00:10.000Z"},
		{"SETEX a 10 1\nPSETEX b 10 2", "a=1@2026-11-21T08:00:10.000Z b=2@2026-11-21T08:00:00.010Z"},
		{"SET a 1 PXAT 1795248000123\nSET a 2 KEEPTTL", "a=2@2026-11-21T08:00:00.123Z"},
		{"SET a 1 EXAT 1795248000\nSET a 2", "a=2"},
		{"SET a 1\nSET a 2 NX\nSET b 3 NX GET\nSETNX a 4\nSETNX c 5\nSET a 6 XX", "a=6 b=3 c=5"},
		{"SET a 1\nEXPIRE a 10\nEXPIRE a 20 NX\nEXPIRE a 5 GT\nEXPIRE a 15 XX GT", "a=1@2026-11-21T08:00:15.000Z"},
		{"SET a 1\nEXPIRE a 10\nPERSIST a", "a=1"},
		{"SET a 1\nEXPIRE a -1", ""},
		{"SET a 1\nPEXPIREAT a -5", ""},
		{"MSET a 1 b 2\nDEL a c\nUNLINK d", "b=2"},
		{"INCR a\nINCRBY a 41\nDECR b\nDECRBY b 9", "a=42 b=-10"},
		{"SET a 1 EX 10\nINCR a\nAPPEND a x", "a=2x@2026-11-21T08:00:10.000Z"},
		{"SETRANGE a 2 x\nSETRANGE a 0 yz\nSETRANGE a 1 w", "a=ywx"},
		{"SELECT 1\nSET a 1\nSELECT 0\nSET a 0\nSELECT 12\nSET a 12", "a=0 db1/a=1 db12/a=12"},
		{"SET a 1\nSELECT 1\nSET a 1\nFLUSHDB\nSET b 2", "a=1 db1/b=2"},
		{"SET a 1\nSELECT 1\nSET a 1\nFLUSHALL ASYNC\nINCR b", "db1/b=1"},
		{"MULTI\nSET a 1\nEXEC", "a=1"},
		{"SET a 1\nMSETNX b 2 a 3\nMSETNX b 4 c 5", "a=1 b=4 c=5"},
		{"GETSET a 1\nGETSET a 2\nSET b 1\nGETDEL b", "a=2"},
	} {
		var all []Record
		for r, err := range NewImporter(strings.NewReader(resp(test.commands)), FormatRESP, ImportOptions{Now: now}).Records() {
			if err != nil {
				t.Fatalf("import of %q = %v, want nil", test.commands, err)
			}
			r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
			all = append(all, r)
		}
		got := slices.DeleteFunc(lastRecords(all), func(r Record) bool {
			return !r.Expires.IsZero() && r.Expires.Before(now) // as a database does
		})
		if text := show(got); text != test.want {
			t.Errorf("import of %q = %q, want %q", test.commands, text, test.want)
		}
	}
	const noted = "#TS:1000000000\r\n# hello\r\n"
	if got := show(mustImport(t, FormatRESP, []byte(noted+resp("SETEX a 5 1")))); got != "a=1@2001-09-09T01:46:45.000Z" {
		t.Errorf("import with a note of the time = %q", got)
	}
}

// Ensure that what is left out of other types leaves the strings right.
func TestRESPSkip(t *testing.T) {
	file := resp("SET a 1\nSET b 2\nSADD s x\nEXPIRE s 100\nSUNIONSTORE a s\nSADD s y")
	m := NewImporter(strings.NewReader(file), FormatRESP, ImportOptions{SkipUnsupported: true})
	var all []Record
	for r, err := range m.Records() {
		if err != nil {
			t.Fatalf("import that skips = %v, want nil", err)
		}
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		all = append(all, r)
	}
	if got := show(lastRecords(all)); got != "b=2" {
		t.Errorf("import that skips = %q, want %q", got, "b=2")
	}
	if got, want := fmt.Sprint(m.Skipped()), "[{EXPIRE 1} {SADD 2} {SUNIONSTORE 1}]"; got != want {
		t.Errorf("Skipped() = %s, want %s", got, want)
	}
	for range NewImporter(strings.NewReader(resp("EVAL x 0")), FormatRESP, ImportOptions{SkipUnsupported: true}).Records() {
		return // its error
	}
	t.Error("EVAL, which may set a string, was skipped")
}

// Ensure that what is no file of commands, or cannot be carried out, is refused
// with its place.
func TestRESPErrors(t *testing.T) {
	for _, test := range []struct{ commands, want string }{
		{"SET a", "data: byte 23: SET with 1 arguments"},
		{"SET a 1 EX", "data: byte 23: SET with EX and no time"},
		{"SET a 1 EX x", "data: byte 23: SET with the time \"x\""},
		{"SET a 1 EX 99999999999999", "data: byte 23: SET with the time"},
		{"SET a 1 EX 253402300799", "data: byte 23: expires in the year 1"},
		{"SET a 1 PXAT 9223372036854775807", "data: byte 23: SET with the time"},
		{"SET a 1 NX XX", "data: byte 23: SET with options that exclude each other"},
		{"SET a 1 SOON", "data: byte 23: SET with an unknown option \"SOON\""},
		{"EXPIRE k 5", "data: byte 23: EXPIRE of \"k\", which nothing before has set"},
		{"SET a 1 XX", "data: byte 23: SET XX of \"a\", which nothing before has set"},
		{"PERSIST k", "data: byte 23: PERSIST of \"k\""},
		{"INCRBY a 1.5", "data: byte 23: INCRBY by \"1.5\""},
		{"SET a x\nINCR a", "data: byte 50: INCR of \"a\", which is no number"},
		{"SET a 9223372036854775807\nINCR a", "data: byte 69: INCR of \"a\" passes 64 bits"},
		{"SET a 01\nINCR a", "data: byte 51: INCR of \"a\", which is no number"},
		{"MSET a 1 b", "data: byte 23: MSET with a key and no value"},
		{"SETRANGE a 33554432 x", "data: byte 23: SETRANGE at \"33554432\", and a value has at most"},
		{"SELECT x", "data: byte 23: SELECT of \"x\""},
		{"EXEC", "data: byte 23: EXEC in the wrong place"},
		{"MULTI\nSET a 1", "data: byte 65: cut off: MULTI without EXEC"},
		{"HSET h f v\nSET a 1\nHSET h g v\nSADD s a", "data: byte 23: HSET of key \"h\", and only strings can be imported; in all HSET (2), SADD (1)"},
		{"EVAL x 0", "data: byte 23: EVAL cannot be imported"},
		{"PING", "data: byte 23: PING cannot be imported"},
	} {
		wantRefused(t, FormatRESP, resp("SELECT 0")+resp(test.commands), test.want)
	}
	for _, test := range []struct{ file, want string }{
		{"SET a b\r\n", "data: byte 0: want * and a number, as in a command of the Redis protocol"},
		{"*0\r\n", "data: byte 0: a command of no words"},
		{"*x\r\n", "data: byte 0: no number after *"},
		{"*1x\r\n", "data: byte 0: no number after *"},
		{"*1\rx", "data: byte 0: a carriage return without a line feed"},
		{"*9999999\r\n", "data: byte 0: more than 1048576 after *"},
		{"*1\r\n+OK\r\n", "data: byte 4: want $ and a number"},
		{"*1\r\n$-1\r\n", "data: byte 4: no number after $"},
		{"*1\r\n$1\r\nabc", "data: byte 9: want \\r\\n after 1 bytes of a string"},
		{"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n", "data: byte 0: empty key"},
		{"#TS:x\r\n", "data: byte 0: no time after #TS:"},
		{"*1\r\n", "data: byte 4: cut off inside a command"},
	} {
		wantRefused(t, FormatRESP, test.file, test.want)
	}
}

// Ensure that a value of long ago is not guessed at: what is forgotten is
// refused, and what is touched again is not forgotten.
func TestRESPMemory(t *testing.T) {
	big := strings.Repeat("x", redisMemorySize/8)
	var file strings.Builder
	file.WriteString(resp("SET old 1\nSET kept 1"))
	for range redisMemorySize / len(big) {
		file.WriteString(resp("SET big " + big + "\nINCR kept"))
	}
	got := lastRecords(mustImport(t, FormatRESP, []byte(file.String())))
	if want := fmt.Sprint(1 + redisMemorySize/len(big)); len(got) != 3 || string(got[1].Value) != want {
		t.Errorf("import of %d records, kept = %q, want 3 and %s", len(got), got[1].Value, want)
	}
	for _, command := range []string{"INCR old", "APPEND old x", "EXPIRE old 10", "SET old 1 NX", "FLUSHALL"} {
		_, err := imported(t, FormatRESP, strings.NewReader(file.String()+resp(command)))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d MiB of keys and values", redisMemorySize>>20)) {
			t.Errorf("%s = %v, want an error of what is forgotten", command, err)
		}
	}
	mustImport(t, FormatRESP, []byte(file.String()+resp("SET old 5\nINCR old\nDEL older")))
}
