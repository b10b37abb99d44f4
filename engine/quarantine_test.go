package engine

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Ensure that what goes into quarantine/ comes out byte for byte, whatever the
// bytes, and that a file whose head is damaged is given back whole.
func TestQuarantine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a.kv")
	mustUpdate(t, mustOpen(t, dir, Options{Create: true}), map[string]*cell{userIKey("k"): {value: "v"}})
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	segment := logDir + "/" + segmentName(1)
	for i, data := range [][]byte{[]byte("\n\nfile x\n\n"), nil, bytes.Repeat([]byte{0, 0xff}, 1<<20)} {
		name, err := quarantine(OS, dir, segment, 7, data, "a reason\nof two lines", now.Add(time.Duration(i)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		info, err := ReadQuarantine(nil, dir, filepath.Base(name), &got)
		if err != nil || !bytes.Equal(got.Bytes(), data) || info.File != segment || info.Offset != 7 || info.Bytes != int64(len(data)) {
			t.Errorf("ReadQuarantine(%q) = %+v, %v with %d bytes, want those %d of %s", name, info, err, got.Len(), len(data), segment)
		}
	}
	if err := writeNew(OS, filepath.Join(dir, quarantineDir, "odd"), []byte("no head")); err != nil {
		t.Fatal(err)
	}
	all, err := Quarantine(nil, dir)
	if err != nil || len(all) != 4 || !all[0].Bad || all[1].Bytes != 10 || all[1].Reason != "a reason of two lines" {
		t.Fatalf("Quarantine = %+v, %v, want 4 files, the one without a time first", all, err)
	}
	var got bytes.Buffer
	if info, err := ReadQuarantine(nil, dir, "odd", &got); err != nil || !info.Bad || got.String() != "no head" {
		t.Errorf("ReadQuarantine of a file without a head = %+v, %v, %q, want all of it", info, err, got.String())
	}
	for _, name := range []string{"../FORMAT", "..", "", "a/b"} {
		if _, err := ReadQuarantine(nil, dir, name, &got); !errors.Is(err, ErrInvalid) {
			t.Errorf("ReadQuarantine(%q) = %v, want ErrInvalid", name, err)
		}
	}
	if err := RemoveQuarantined(nil, dir, []string{"odd", "none"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("RemoveQuarantined with a name that is not there = %v, want ErrNotFound", err)
	}
	if all, _ := Quarantine(nil, dir); len(all) != 4 {
		t.Errorf("after that %d files are left, want all 4", len(all))
	}
	if err := RemoveQuarantined(nil, dir, []string{"odd"}); err != nil {
		t.Error(err)
	}
	if all, _ := Quarantine(nil, dir); len(all) != 3 || slices.ContainsFunc(all, func(q QuarantineInfo) bool { return q.Bad }) {
		t.Errorf("after RemoveQuarantined %+v are left, want 3 good ones", all)
	}
}

// Ensure that every change of one byte of FORMAT and MANIFEST is healed to the
// very text, and that none of two bytes is healed to another one.
func TestHealText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) // always the same: of many texts one may well fit by chance
	id := identity{id: [16]byte{0x7f, 3: 0x0c}, copy: 0x91d2, created: time.Unix(1_770_000_000, 0).UTC()}
	text := id.encode()
	good := func(b []byte) bool { _, err := decodeIdentity(b); return err == nil }
	for at := range text {
		b := bytes.Clone(text)
		b[at] ^= byte(1 + r.IntN(255))
		if healed, change := healText(b, good); !bytes.Equal(healed, text) || change == "" {
			t.Fatalf("healText of byte %d changed to %q = %q, %q, want the text", at, b[at], healed, change)
		}
		other := bytes.Clone(b)
		for o := at; o == at; {
			o = r.IntN(len(text))
			if o != at {
				other[o] ^= 0x40
			}
		}
		if healed, _ := healText(other, good); healed != nil && !bytes.Equal(healed, text) {
			t.Fatalf("healText of two changed bytes = %q", healed)
		}
	}
}
