package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"strings"
	"testing"
)

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
