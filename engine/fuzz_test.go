package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// The fuzz tests of the file formats. Each sets the checksums itself, else
// nothing would get past them: the law is that no content makes the engine
// panic, that what it refuses it refuses as damaged or newer, and that what it
// takes means the same when it is written again.

// refusal fails the test unless an error is one that damaged files may cause.
func refusal(t *testing.T, err error) {
	t.Helper()
	if !honest(err) {
		t.Fatalf("error %v, want damaged or newer", err)
	}
}

// goldenFile is a file of the golden database.
func goldenFile(f *testing.F, pattern string) []byte {
	f.Helper()
	names, err := filepath.Glob(filepath.Join(goldenDir, pattern))
	if err != nil || len(names) == 0 {
		f.Fatalf("no %s in the golden database: %v", pattern, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// body is a text without the line of its checksum.
func body(b []byte) []byte { return b[:len(b)-sealSize] }

func FuzzFormat(f *testing.F) {
	f.Add(body(goldenFile(f, formatFile)))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := decodeIdentity(sealText(string(text)))
		if err != nil {
			refusal(t, err)
			return
		}
		again, err := decodeIdentity(n.encode())
		if err != nil || again.id != n.id || again.copy != n.copy || !again.created.Equal(n.created) {
			t.Fatalf("%+v is read again as %+v, %v", n, again, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(body(goldenFile(f, manifestFile)))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeManifest(sealText(string(text)))
		if err != nil {
			refusal(t, err)
			return
		}
		again, err := decodeManifest(m.encode())
		if m.folded.anySum {
			m.folded.sum = 0
		}
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v is read again as %+v, %v", m, again, err)
		}
		m.firstReadable()
		m.nextRun()
		m.dueMerge(1 << 20)
		newRuns(m.tables, nil)
	})
}

func FuzzMark(f *testing.F) {
	f.Add(goldenFile(f, markFile))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		if len(data) == markSize {
			copy(data, markMagic)
			binary.LittleEndian.PutUint32(data[96:], crc32.ChecksumIEEE(data[:96]))
		}
		m, reason := decodeMark(data)
		if reason != "" {
			return
		}
		b := m.encode()
		if again, reason := decodeMark(b[:]); reason != "" || again.pos.sum != m.pos.sum && !m.pos.anySum {
			t.Fatalf("%+v is read again as %+v, %s", m, again, reason)
		}
	})
}

// forgeSegment makes the entries of a segment a chain of records whose
// checksums are right, as far as there are entries.
func forgeSegment(data []byte) {
	prev, le := uint32(0), binary.LittleEndian
	for rev := uint64(1); ; rev++ {
		n, length, _, err := parseFrame(data[:min(len(data), 10)])
		if err != nil || n+length > len(data) {
			return
		}
		rec := data[n : n+length]
		copy(rec, recordMagic)
		rec[2], rec[3] = recordVersion, rec[3]&flagAllDurable
		le.PutUint64(rec[4:], rev)
		le.PutUint32(rec[28:], prev)
		prev = crc32.ChecksumIEEE(rec[:length-4])
		le.PutUint32(rec[length-4:], prev)
		data = data[n+length:]
	}
}

func FuzzSegment(f *testing.F) {
	recs, ops := goldenRecords()
	var all []byte
	for i := range recs {
		b, _ := appendRecord(nil, &recs[i], ops[i])
		all = appendFrame(all, b)
	}
	f.Add(all, 0)
	f.Add(all, len(all)/2)
	f.Add(goldenFile(f, historyDir+"/*"), 0)
	f.Fuzz(func(t *testing.T, data []byte, raw int) {
		data = bytes.Clone(data)
		forgeSegment(data[:len(data)-min(max(raw, 0), len(data))])
		name := logDir + "/" + segmentName(1)
		last, whole := Rev(0), int64(0)
		end, err := scanLog(imageFS{image{name: data}}, "db/"+logDir, []Rev{1}, position{}, nil, func(r *record, at position) error {
			if r.rev != last+1 || at.offset != whole {
				t.Fatalf("revision %d at byte %d behind revision %d that ends at %d", r.rev, at.offset, last, whole)
			}
			last, whole = r.rev, at.offset+frameSize(r.size)
			var ops []operation
			if err := r.each(func(o *operation) bool { ops = append(ops, *o); return true }); err != nil {
				return nil // found by whoever reads the operations
			}
			again, _ := appendRecord(nil, r, ops)
			if b := appendFrame(nil, again); !bytes.Equal(b, data[at.offset:whole]) {
				t.Fatalf("revision %d is %x and encodes to %x", r.rev, data[at.offset:whole], b)
			}
			return nil
		})
		var bad *badPlace
		if err == nil && whole != int64(len(data)) || err != nil && !errors.As(err, &bad) || end.rev != last {
			t.Fatalf("scan of %d bytes ended at byte %d, revision %d of %d, with %v", len(data), whole, end.rev, last, err)
		}
		searchRecord(data, 0, func(*record) bool { return false })
	})
}

// fuzzTableFile adds a table file as it is, and to be forged.
func fuzzTableFile(f *testing.F, data []byte) {
	f.Add(data, true)
	f.Add(data, false)
}

// FuzzSnapshot opens anything as a snapshot, reads all of it, and verifies it.
// Fuzz it, and FuzzIncrement, with -fuzzminimizetime 5x.
func FuzzSnapshot(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "db")
	db := openTest(f, dir, Options{Create: true, Now: newLawClock().now})
	if _, err := updateAll(db, set(0, 20, 30)); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "a.kvs")
	if _, err := db.Snapshot(f.Context(), path); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	fuzzTableFile(f, data)
	f.Fuzz(func(t *testing.T, data []byte, forged bool) {
		data = bytes.Clone(data)
		if forged {
			forgeTable(data)
		}
		fsys := imageFS{image{"a.kvs": data}}
		if _, err := VerifySnapshot(t.Context(), fsys, "a.kvs"); err != nil {
			if !errors.Is(err, errNoSnapshot) && !errors.Is(err, ErrDamaged) {
				refusal(t, err)
			}
			return
		}
		db, err := Open(t.Context(), "a.kvs", Options{FS: fsys, ReadOnly: true, Now: func() time.Time { return time.UnixMilli(1) }})
		if err != nil {
			t.Fatalf("Open of a snapshot that is sound = %v", err)
		}
		defer db.Close()
		if _, _, err := dump(db, Newest); err != nil {
			t.Fatalf("read of a snapshot that is sound = %v", err)
		}
	})
}

func FuzzIncrement(f *testing.F) {
	data, err := os.ReadFile("testdata/increment-v1.kvi")
	if err != nil {
		f.Fatal(err)
	}
	fuzzTableFile(f, data)
	f.Fuzz(func(t *testing.T, data []byte, forged bool) {
		data = bytes.Clone(data)
		if forged {
			forgeTable(data)
		}
		_, err := VerifyIncrement(t.Context(), imageFS{image{"a.kvi": data}}, "a.kvi")
		if err != nil && !errors.Is(err, errNoIncrement) && !errors.Is(err, ErrDamaged) {
			refusal(t, err)
		}
	})
}

// FuzzQuarantine takes anything for a file of quarantine/: all its bytes are
// given back, either without the head that describes them or as they are.
func FuzzQuarantine(f *testing.F) {
	f.Add(goldenFile(f, quarantineDir+"/*"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := imageFS{image{quarantineDir + "/x": data}}
		var out bytes.Buffer
		info, err := ReadQuarantine(fsys, "db", "x", &out)
		if err != nil || info.Bytes != int64(out.Len()) || !bytes.HasSuffix(data, out.Bytes()) || info.Bad && out.Len() != len(data) {
			t.Fatalf("ReadQuarantine of %q = %+v, %v with %q", data, info, err, out.Bytes())
		}
		if _, err := QuarantinedRecords(fsys, "db", "x", func(RecordInfo) bool { return true }); err != nil {
			t.Fatalf("QuarantinedRecords of %q = %v", data, err)
		}
	})
}
