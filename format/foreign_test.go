package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// foreignFormats are the formats of other programs that are both written and
// read.
var foreignFormats = []Format{FormatEnv, FormatDump, FormatRESP}

// foreignRecords are records that the format can hold, with keys that differ.
func foreignRecords(rnd *rand.Rand, f Format, n int) []Record {
	if f == FormatEnv {
		return envRecords(rnd, n)
	}
	records := distinctRecords(rnd, n, 20)
	for i := range records {
		switch {
		case f == FormatDump && rnd.IntN(3) == 0:
			records[i].Family = [...]string{"a", "pictures", strings.Repeat("f", MaxFamilySize)}[rnd.IntN(3)]
		case f == FormatRESP && rnd.IntN(3) == 0:
			records[i].Expires = time.UnixMilli(1 + rnd.Int64N(4e12)).UTC()
		}
	}
	return records
}

// Ensure that what is exported is imported again, byte for byte.
func TestForeignRoundTrip(t *testing.T) {
	for _, f := range foreignFormats {
		rnd := newRand(t)
		for range 100 {
			want := foreignRecords(rnd, f, rnd.IntN(30))
			file := exported(t, f, want)
			var r io.Reader = bytes.NewReader(file)
			if rnd.IntN(2) == 0 {
				r = iotest.HalfReader(r)
			}
			got, err := imported(t, f, r)
			if err != nil {
				t.Fatalf("%s: import of\n%q= %v, want nil", f, file, err)
			}
			if d := diffRecords(got, want); d != "" {
				t.Fatalf("%s: %s in\n%q", f, d, file)
			}
		}
	}
}

// Ensure that a file cut anywhere is refused, or holds exactly the records
// before the cut.
func TestForeignCut(t *testing.T) {
	for _, f := range foreignFormats {
		rnd := newRand(t)
		want := foreignRecords(rnd, f, 8)
		if f == FormatDump {
			sortRecords(want) // a block for each family
		}
		file := exported(t, f, want)
		refused := 0
		for i := range file {
			got, err := imported(t, f, bytes.NewReader(file[:i]))
			if err != nil {
				refused++
				continue
			}
			if len(got) > len(want) || diffRecords(got, want[:len(got)]) != "" {
				t.Errorf("%s: a file cut after %d bytes holds %.300q", f, i, show(got))
			}
			isBetween := bytes.HasSuffix(file[:i], []byte("\n")) || f == FormatEnv && file[i] == '\n' || i == 0
			if f == FormatDump {
				isBetween = bytes.HasSuffix(file[:i], []byte(dumpDataEnd+"\n"))
			}
			if !isBetween {
				t.Errorf("%s: a file cut after %d bytes was accepted: %q", f, i, file[max(0, i-50):i])
			}
		}
		// Between records of env and resp a cut cannot show.
		if least := len(file) - 2*len(want) - 2; f != FormatEnv && refused < least {
			t.Errorf("%s: %d of %d cuts were refused, want at least %d", f, refused, len(file), least)
		}
	}
}

// Ensure that large values and the longest keys pass, in small reads too.
func TestForeignLarge(t *testing.T) {
	large := bytes.Repeat([]byte("\"\r\n\\\x01\xff'"), 1<<18)
	for _, f := range foreignFormats {
		want := []Record{
			{Key: []byte("a"), Value: large},
			{Key: bytes.Repeat([]byte("k"), MaxKeySize), Value: []byte{}},
			{Key: []byte("b"), Value: []byte("small")},
		}
		got, err := imported(t, f, iotest.HalfReader(bytes.NewReader(exported(t, f, want))))
		if err != nil {
			t.Fatalf("%s: import = %v, want nil", f, err)
		}
		if d := diffRecords(got, want); d != "" {
			t.Errorf("%s: %s", f, d)
		}
		long := strings.Replace(string(exported(t, f, []Record{{Key: []byte("kkk")}})), "kkk", strings.Repeat("k", MaxKeySize+1), 1)
		switch f {
		case FormatDump:
			long = strings.Replace(long, "6b6b6b", strings.Repeat("6b", MaxKeySize+1), 1)
		case FormatRESP:
			long = strings.Replace(long, "$3\r\nk", fmt.Sprintf("$%d\r\nk", MaxKeySize+1), 1)
		}
		if _, err := imported(t, f, strings.NewReader(long)); err == nil || !strings.Contains(err.Error(), "key of 65536 bytes, the limit is 65535") {
			t.Errorf("%s: import of a longer key = %v", f, err)
		}
	}
}

// Ensure that an error of the reader comes up as it is, and that the caller may
// stop at any record.
func TestForeignReadErrorAndStop(t *testing.T) {
	broken := errors.New("disk on fire")
	files := map[Format][]byte{FormatRDB: rdbFile(9, "\x00\x01a\x01b\x00\x01c\x01d\x00\x01e\x01f")}
	for _, f := range foreignFormats {
		files[f] = exported(t, f, foreignRecords(newRand(t), f, 5))
	}
	for f, file := range files {
		for _, n := range []int{0, len(file) / 2, len(file)} {
			_, err := imported(t, f, io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) {
				t.Errorf("%s: import from a reader that fails after %d of %d bytes = %v, want %v", f, n, len(file), err, broken)
			}
		}
		n := 0
		for range NewImporter(bytes.NewReader(file), f, ImportOptions{}).Records() {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Errorf("%s: %d records before the break, want 2", f, n)
		}
	}
}

// Ensure that records that name no family get the one of the options.
func TestForeignFamily(t *testing.T) {
	record := []Record{{Key: []byte("a")}}
	for f, file := range map[Format][]byte{
		FormatEnv:  exported(t, FormatEnv, record),
		FormatDump: exported(t, FormatDump, record),
		FormatRESP: exported(t, FormatRESP, record),
		FormatRDB:  rdbFile(9, "\x00\x01a\x00"),
	} {
		for r, err := range NewImporter(bytes.NewReader(file), f, ImportOptions{Family: "given"}).Records() {
			if err != nil || r.Family != "given" {
				t.Errorf("%s: family %q, %v, want %q", f, r.Family, err, "given")
			}
		}
	}
}

// Ensure that dumps of other programs are read for what they mean.
func TestDumpForeign(t *testing.T) {
	const head, end = "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n", "DATA=END\n"
	const printed, lmdb = "VERSION=3\nformat=print\ntype=hash\nh_nelem=1\nHEADER=END\n", "VERSION=3\nformat=print\nmapsize=1\nHEADER=END\n"
	for _, test := range []struct{ file, want string }{
		{head + end, ""},
		{head + " 61\n 4A4b\n" + end + "\n", "a=JK"},
		{head + " 61\n \n" + end, "a="},
		{printed + "  a\n \\0a\\\\b\\c3\\a9\n" + end, " a=\n\\bé"},
		{lmdb + " a\n \\5c\\00\n" + end, "a=\\\x00"},
		{"VERSION=3\ndatabase=x\nHEADER=END\n 61\n 62\n" + end + head + " 61\n 63\n" + end, "x/a=b a=c"},
	} {
		if got := show(mustImport(t, FormatDump, []byte(test.file))); got != test.want {
			t.Errorf("import of %q = %q, want %q", test.file, got, test.want)
		}
	}
	for _, test := range []struct{ file, want string }{
		{"", "data:1: the input is empty"},
		{"\n", "data:1: want VERSION=3"},
		{"VERSION=2\n", "data:1: want VERSION=3"},
		{"VERSION=3", "data:1: cut off: no line feed"},
		{"VERSION=3\n", "data:2: cut off: no HEADER=END"},
		{"VERSION=3\nx\n", "data:2: a line of the header without ="},
		{"VERSION=3\nformat=x\n", "data:2: format is \"x\": want bytevalue or print (column 8)"},
		{"VERSION=3\ntype=recno\n", "data:2: type is \"recno\", which has no keys"},
		{"VERSION=3\nkeys=0\n", "data:2: a dump without keys"},
		{"VERSION=3\ndatabase=a b\n", "data:2: column family \"a b\": a name has"},
		{head, "data:5: cut off: no DATA=END"},
		{head + " 61\n" + end, "data:6: the last key has no value"},
		{head + " 61\n 62\n", "data:7: cut off: no DATA=END"},
		{head + " 61\n62\n", "data:6: want a line that begins with a space, or DATA=END"},
		{head + " 6\n", "data:5: an odd number of hexadecimal digits"},
		{head + " 6g\n", "data:5: no hexadecimal digit (column 2)"},
		{head + " \n", "data:5: empty key"},
		{head + " 61\n 62\n 61\n 63\n" + end, "data:7: the key \"a\" a second time"},
		{head + end + "x\n", "data:6: want VERSION=3"},
		{printed + " a\\x\n", "data:6: a backslash without two hexadecimal digits (a backslash is written \\\\) (column 3)"},
		{lmdb + " \\A\n", "data:5: a backslash that is no escape"},
		{lmdb + " \\41\n", "data:5: a backslash that is no escape"},
		{lmdb + " \\\\00\n", "data:5: a backslash that is no escape"},
	} {
		wantRefused(t, FormatDump, test.file, test.want)
	}
}

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
	big := strings.Repeat("x", 8<<20)
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
		if err == nil || !strings.Contains(err.Error(), "64 MiB of keys and values") {
			t.Errorf("%s = %v, want an error of 64 MiB", command, err)
		}
	}
	mustImport(t, FormatRESP, []byte(file.String()+resp("SET old 5\nINCR old\nDEL older")))
}

// rdbFile is a dump with its checksum.
func rdbFile(version int, body string) []byte {
	file := fmt.Appendf(nil, "REDIS%04d%s\xff", version, body)
	sum := ^crc64.Update(^uint64(0), crc64.MakeTable(rdbPolynomial), file)
	return binary.LittleEndian.AppendUint64(file, sum)
}

// rdbBody holds strings in every encoding, expiries, other databases, and all
// that is passed over.
const rdbBody = "\xfa\x09redis-ver\x057.2.4\xfa\x0aredis-bits\xc0\x40" + // aux
	"\xf5\x03lib" + "\xfe\x00\xfb\x02\x01" + // function, select, resize
	"\x00\x01a\xc0\xff" + // -1 in a byte
	"\xf9\x05\x00\x01b\xc1\x00\x80" + // frequency, -32768 in two
	"\xf8\x40\xff\x00\x01c\xc2\xff\xff\xff\x7f" + // idle, 2147483647 in four
	"\xfc\x7b\x8c\x1e\xfd\xa1\x01\x00\x00\x00\x01d\x40\x01x" + // expiry in ms, length in 14 bits
	"\xfd\x80\x4f\x01\x6b\x00\x01e\x80\x00\x00\x00\x01y" + // in seconds, length in 32 bits
	"\x00\x01f\xc3\x05\x0a\x00z\xe0\x00\x00" + // LZF: z and nine more
	"\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x05\x01q\x00" + // data of a module
	"\xfe\x03\x00\x01g\x01h" // database 3

// Ensure that a dump is read for what it means.
func TestRDBStrings(t *testing.T) {
	got := show(mustImport(t, FormatRDB, rdbFile(11, rdbBody)))
	const want = "a=-1 b=-32768 c=2147483647 d=x@2026-11-21T08:00:00.123Z e=y@2026-11-21T08:00:00.000Z f=zzzzzzzzzz db3/g=h"
	if got != want {
		t.Errorf("import = %q\nwant %q", got, want)
	}
	if got := show(mustImport(t, FormatRESP, append(rdbFile(11, rdbBody), resp("INCR a\nSELECT 3\nAPPEND g i")...))); !strings.HasSuffix(got, "db3/g=h a=0 db3/g=hi") {
		t.Errorf("import with commands after the dump = %q", got)
	}
	unsummed := append(fmt.Appendf(nil, "REDIS0011%s\xff", rdbBody), make([]byte, 8)...)
	if got := show(mustImport(t, FormatRDB, unsummed)); got != want {
		t.Errorf("import without a checksum = %q", got)
	}
	if got := show(mustImport(t, FormatRDB, []byte("REDIS0003\x00\x01a\x01b\xff"))); got != "a=b" {
		t.Errorf("import of version 3 = %q", got)
	}
}

// Ensure that a dump that was cut, or in which any bit is another, is refused.
func TestRDBDamage(t *testing.T) {
	file := rdbFile(11, rdbBody)
	for i := range file {
		if got, err := imported(t, FormatRDB, bytes.NewReader(file[:i])); err == nil {
			t.Errorf("a dump cut after %d of %d bytes was accepted: %q", i, len(file), show(got))
		}
		for bit := range 8 {
			bad := bytes.Clone(file)
			bad[i] ^= 1 << bit
			if got, err := imported(t, FormatRDB, bytes.NewReader(bad)); err == nil {
				t.Errorf("a dump with bit %d of byte %d changed was accepted: %q", bit, i, show(got))
			}
		}
	}
}

// Ensure that bad dumps are refused with what is wrong.
func TestRDBErrors(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"", "data: byte 0: want REDIS"},
		{"REDIS0013", `data: byte 9: version "0013" of the dump, this program reads 1 to 12`},
		{"REDISabcd", `data: byte 9: version "abcd" of the dump`},
		{"REDIS0000", `data: byte 9: version "0000" of the dump`},
		{"REDIS0011\xff12345678", "data: byte 18: checksum mismatch"},
		{string(rdbFile(11, "\x08\x01a")), `data: byte 12: key "a" has the unknown type 8`},
		{string(rdbFile(11, "\xf6")), `data: byte 10: unknown opcode 246`},
		{string(rdbFile(11, "\x00\x00\x01b")), `data: byte 13: empty key`},
		{string(rdbFile(11, "\x00\x80\x00\x01\x00\x00")), `data: byte 15: key of 65536 bytes, the limit is 65535`},
		{string(rdbFile(11, "\x00\x01a\x81\x00\x00\x00\x00\x02\x00\x00\x01")), `data: byte 21: value of 33554433 bytes, the limit is 33554432`},
		{string(rdbFile(11, "\x00\x01a\xc4")), `data: byte 13: byte 0xc4 where a length begins`},
		{string(rdbFile(11, "\x00\x01a\xc3\x02\x0a\x00z")), `data: byte 17: bad LZF data in a value`},
		{string(rdbFile(11, "\xfc\xff\xff\xff\xff\xff\xff\xff\x7f")), `data: byte 18: a key expires 9223372036854775807 ms after 1970`},
		{string(rdbFile(11, "\xfe\xc0")), `data: byte 11: an encoded string where a length should be`},
		{string(rdbFile(11, "\x02\x01s\x02\x01a\x01b\x04\x01h\x01\x01f\x01v")), `data: byte 12: set of key "s", and only strings can be imported; in all hash (1), set (1)`},
		{string(rdbFile(11, "")) + "x", `data: byte 18: want * and a number`},
	} {
		wantRefused(t, FormatRDB, test.file, test.want)
	}
}

// Ensure that LZF data is taken for one text, or refused.
func TestLZF(t *testing.T) {
	for _, test := range []struct {
		data string
		n    int
		want string
		ok   bool
	}{
		{"", 0, "", true},
		{"\x02abc", 3, "abc", true},
		{"\x01ab\x20\x01", 5, "ababa", true},
		{"\x00a\xe0\x05\x00", 15, strings.Repeat("a", 15), true},
		{"\x02abc", 2, "", false},
		{"\x02abc", 4, "", false},
		{"\x02ab", 3, "", false},
		{"\x00a\x20\x01", 4, "", false},
		{"\x00a\x20", 4, "", false},
		{"\x00a\xe0", 9, "", false},
		{"\x00a\x20\x00", 3, "", false},
	} {
		got, ok := appendLZF([]byte("x"), []byte(test.data), test.n)
		if ok != test.ok || ok && string(got) != "x"+test.want {
			t.Errorf("appendLZF(%q, %d) = %q, %v, want %q, %v", test.data, test.n, got, ok, "x"+test.want, test.ok)
		}
	}
}

// Ensure that the files of other programs are known by name and content.
func TestDetectForeign(t *testing.T) {
	for _, test := range []struct {
		name, head string
		want       Format
	}{
		{".env", "", FormatEnv},
		{"prod.env", "A=1\n", FormatEnv},
		{"a.dump", "", FormatDump},
		{"a.resp", "", FormatRESP},
		{"appendonly.aof", "REDIS0011", FormatRESP},
		{"appendonly.aof.1.base.rdb", "", FormatRDB},
		{"a.sql", "", FormatSQL},
		{"", dumpVersion + "\nformat=print\n", FormatDump},
		{"", "*3\r\n$3\r\nSET\r\n", FormatRESP},
		{"", "#TS:1700000000\r\n*3\r\n", FormatRESP},
		{"", "REDIS0011\xfa\x00\x00", FormatRDB},
		{"", "* item\r\n$", FormatUnknown},
	} {
		if got, _, _ := Detect(test.name, []byte(test.head)); got != test.want {
			t.Errorf("Detect(%q, %q) = %s, want %s", test.name, test.head, got, test.want)
		}
	}
	if f, err := ParseFormat("aof"); f != FormatRESP || err != nil {
		t.Errorf("ParseFormat(%q) = %s, %v, want %s", "aof", f, err, FormatRESP)
	}
	if _, err := NewExporter(io.Discard, FormatRDB, ExportOptions{}); !errors.Is(err, ErrFormat) {
		t.Errorf("NewExporter(rdb) = %v, want %v", err, ErrFormat)
	}
	wantRefused(t, FormatSQL, "BEGIN;", "data: byte 0: import from format sql is not supported")
}

// FuzzForeign checks that any input is refused as importers promise or is taken,
// and that what is taken can be written and read again.
func FuzzForeign(f *testing.F) {
	for _, file := range []string{
		"export A='x' B=\"\\$\"\n", "# c\nA=\\'\n",
		"VERSION=3\nformat=print\nHEADER=END\n a\n \\00\nDATA=END\n", "VERSION=3\ndatabase=x\nHEADER=END\n 61\n 62\nDATA=END\n",
		resp("SET a 1 PXAT 5\nSELECT 1\nINCR a\nMULTI\nSETRANGE b 2 x\nEXEC\nFLUSHALL"), resp("HSET a b c"),
		string(rdbFile(11, rdbBody)), string(rdbFile(9, "\x02\x01s\x01\x01a")),
		"REDIS0003\x05\x01z\x01\x01a12345678\x0f\x01x\x00\x00\x00\x00\x00\xff",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if bytes.HasPrefix(file, []byte(rdbMagic)) && len(file) > 17 {
			// Mutants need a good checksum to get anywhere.
			body := file[:len(file)-8]
			file = binary.LittleEndian.AppendUint64(bytes.Clone(body), ^crc64.Update(^uint64(0), crc64.MakeTable(rdbPolynomial), body))
		}
		for _, format := range []Format{FormatEnv, FormatDump, FormatRESP, FormatRDB} {
			records, err := imported(t, format, bytes.NewReader(file))
			if err != nil || format == FormatRDB {
				continue
			}
			left := lastRecords(records)
			if format == FormatRESP {
				for i := range left {
					left[i].Family = ""
					left[i].Key = append(left[i].Key, byte(i))
					if left[i].Expires.UnixMilli() == 0 {
						left[i].Expires = time.UnixMilli(1)
					}
				}
			}
			for _, r := range left {
				if len(r.Key) > MaxKeySize {
					return
				}
			}
			if d := diffRecords(mustImport(t, format, exported(t, format, left)), left); d != "" {
				t.Fatalf("%s: %s", format, d)
			}
		}
	})
}
