package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Ensure that a void can be given any checksum, and is a record like others.
func TestVoid(t *testing.T) {
	r := lawRand(t)
	for range effort(200, 2000, 20000) {
		want := rand.Uint32()
		text := strings.Repeat("x", 1+r.IntN(300))
		data, sum, err := appendSealed([]byte("before"), &record{rev: 7, stamp: 9, origin: 1, prev: 5}, voidOperation(text), &want)
		if err != nil || sum != want {
			t.Fatalf("appendSealed(%08x) = %08x, %v", want, sum, err)
		}
		var rec record
		if err := rec.parse(data[len("before"):]); err != nil || rec.sum != want || rec.rev != 7 || rec.prev != 5 {
			t.Fatalf("parse = %v, %+v, want a record of revision 7 with checksum %08x", err, rec, want)
		}
		if !rec.isVoid() || strings.Trim(strings.TrimPrefix(string(rec.writer), repairWriter), "hijklmno") != "" {
			t.Fatalf("record with writer %q: isVoid() = %t, want letters and true", rec.writer, rec.isVoid())
		}
	}
	if data, _ := appendRecord(nil, &record{rev: 1, writer: []byte("w")}, []operation{{op: OpDelete, key: []byte("k")}}); data != nil {
		var rec record
		if err := rec.parse(data); err != nil || rec.isVoid() {
			t.Errorf("a delete by %q: isVoid() = true, %v", rec.writer, err)
		}
	}
}
