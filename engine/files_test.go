package engine

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func someManifest() *manifest {
	return &manifest{
		database: [16]byte{1, 2, 3, 0xff}, generation: 12,
		folded:      position{rev: 913, sum: 0x8d3f2a11, stamp: 78},
		historyFrom: 4, historyStamp: 5, historyBytes: 6,
		settings: []setting{{"sync", "never"}, {"odd", "a \"b\"\n"}},
		merge:    &mergeState{out: 9, in: []uint64{4, 5}},
		tables: []tableLine{
			{ref: tableRef{id: 1, size: 2, sum: 3, entries: 4}, run: 4, minRev: 1, maxRev: 7, lower: "\x00k ", first: "\x00", last: "f\x00\xff\" \n"},
			{ref: tableRef{id: 1<<64 - 1, size: 1 << 40, sum: 1<<32 - 1, entries: 1}, run: 5, as: assigned{rev: 3, stamp: 4, origin: 1<<64 - 1}},
		},
	}
}

// MANIFEST, MARK and FORMAT read back as they were written, and no bit of them
// can be changed, no byte cut off or added, unseen.
func TestSmallFiles(t *testing.T) {
	man := someManifest()
	restored := &manifest{historyFrom: 8, folded: position{rev: 7, anySum: true, stamp: 9}}
	id := identity{id: [16]byte{9, 8}, copy: 77, created: time.Date(2026, 11, 21, 7, 43, 58, 0, time.UTC)}
	mk := mark{copy: 1, boot: bootID{2}, pos: position{rev: 3, sum: 4, stamp: 5, segment: 1, offset: 99}, durable: 3, syncedAt: 6, generation: 7}
	anyMark := mark{copy: 1, pos: position{rev: 3, anySum: true, segment: 4}}
	encodeMark := func(m mark) []byte { b := m.encode(); return b[:] }
	for _, c := range []struct {
		name   string
		bytes  []byte
		decode func([]byte) (any, error)
		want   any
	}{
		{"MANIFEST", man.encode(), func(b []byte) (any, error) { return decodeManifest(b) }, man},
		{"MANIFEST of a restored database", restored.encode(), func(b []byte) (any, error) { return decodeManifest(b) }, restored},
		{"FORMAT", id.encode(), func(b []byte) (any, error) { return decodeIdentity(b) }, id},
		{"MARK", encodeMark(mk), decodeMarkError, mk},
		{"MARK without a checksum", encodeMark(anyMark), decodeMarkError, anyMark},
	} {
		got, err := c.decode(c.bytes)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s reads back as %+v, %v, want %+v", c.name, got, err, c.want)
		}
		for n := range c.bytes {
			if _, err := c.decode(c.bytes[:n]); err == nil {
				t.Errorf("%s cut to %d bytes reads", c.name, n)
			}
			for bit := range 8 {
				damaged := bytes.Clone(c.bytes)
				damaged[n] ^= 1 << bit
				if _, err := c.decode(damaged); !errors.Is(err, ErrDamaged) {
					t.Errorf("%s with bit %d of byte %d flipped = %v, want ErrDamaged", c.name, bit, n, err)
				}
			}
		}
		if _, err := c.decode(append(bytes.Clone(c.bytes), 'x')); err == nil {
			t.Errorf("%s with a byte behind it reads", c.name)
		}
	}
}

func decodeMarkError(b []byte) (any, error) {
	m, reason := decodeMark(b)
	if reason != "" {
		return m, &CorruptError{File: markFile, Reason: reason}
	}
	return m, nil
}

// A newer version says so, and is no damage.
func TestNewerFiles(t *testing.T) {
	later := func(b []byte, from, to string) []byte {
		n := len(b) - sealSize
		return sealText(strings.Replace(string(b[:n]), from, to, 1))
	}
	id := newIdentity(time.Now())
	if _, err := decodeIdentity(later(id.encode(), "format 1", "format 2")); !errors.Is(err, ErrNewer) || errors.Is(err, ErrDamaged) {
		t.Errorf("FORMAT of version 2 = %v, want ErrNewer", err)
	}
	if _, err := decodeManifest(later(someManifest().encode(), "version 1", "version 2")); !errors.Is(err, ErrNewer) || errors.Is(err, ErrDamaged) {
		t.Errorf("MANIFEST of version 2 = %v, want ErrNewer", err)
	}
}

// Stamps grow whatever the clock does.
func TestStampNext(t *testing.T) {
	s := Stamp(0).Next(time.UnixMilli(1000))
	if got := s.Time(); !got.Equal(time.UnixMilli(1000)) {
		t.Errorf("Next(1s).Time() = %v, want 1s", got)
	}
	for _, now := range []int64{1000, 999, 0, -5, 1 << 50} {
		next := s.Next(time.UnixMilli(now))
		if next <= s {
			t.Errorf("Next(%d ms) = %d, want more than %d", now, next, s)
		}
		s = next
	}
}
