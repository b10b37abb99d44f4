package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
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

// Ensure that files look as documented, byte for byte.
func TestForeignGolden(t *testing.T) {
	a := Record{Key: []byte("a"), Value: []byte("it's\n")}
	b := Record{Key: []byte("b"), Value: []byte{0xff}, Family: "x"}
	c := Record{Key: []byte("c"), Expires: mustTime(t, "2026-12-01T00:00:00Z"), Rev: 7, Time: mustTime(t, "2026-11-21T08:00:00Z")}
	for _, test := range []struct {
		f       Format
		records []Record
		want    string
	}{
		{FormatEnv, nil, ""},
		{FormatEnv, []Record{a}, "a='it'\\''s\n'\n"},
		{FormatDump, nil, "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\nDATA=END\n"},
		{FormatDump, []Record{a, b}, "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n 61\n 697427730a\nDATA=END\n" +
			"VERSION=3\nformat=bytevalue\ndatabase=x\ntype=btree\nHEADER=END\n 62\n ff\nDATA=END\n"},
		{FormatRESP, nil, ""},
		{FormatRESP, []Record{a, c}, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nit's\n\r\n" +
			"*5\r\n$3\r\nSET\r\n$1\r\nc\r\n$0\r\n\r\n$4\r\nPXAT\r\n$13\r\n1796083200000\r\n"},
		{FormatSQL, nil, sqlHeader + "COMMIT;\n"},
		{FormatSQL, []Record{b, c}, sqlHeader + "INSERT OR REPLACE INTO kv VALUES ('x',X'62',X'ff',NULL,NULL,NULL);\n" +
			"INSERT OR REPLACE INTO kv VALUES ('',X'63',X'',7,'2026-11-21T08:00:00.000Z','2026-12-01T00:00:00.000Z');\nCOMMIT;\n"},
	} {
		if got := string(exported(t, test.f, test.records)); got != test.want {
			t.Errorf("%s: export = %q\nwant %q", test.f, got, test.want)
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
