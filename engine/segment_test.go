package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// noMapFS is a file system on which nothing can be mapped.
type noMapFS struct{ FS }

type noMapFile struct{ File }

var errNoMap = errors.New("nothing can be mapped here")

func (s noMapFS) Open(name string) (File, error) {
	f, err := s.FS.Open(name)
	return noMapFile{f}, err
}

func (noMapFile) Map(int, bool) ([]byte, func() error, error) { return nil, nil, errNoMap }

// largeRecordDB makes a database whose second record is several times larger
// than the buffer of a scan, and returns its segment with the place and the
// length of that record.
func largeRecordDB(t *testing.T) (dir, segment string, offset, length int64) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "t.kv")
	o := Options{Create: true, sizes: defaultSizes}
	o.sizes.segment, o.sizes.first = 1<<30, 1<<30
	db := openTest(t, dir, o)
	set := func(keys, size int) {
		updateTest(t, db, func(ctx context.Context, tx Tx) (err error) {
			for i := range keys {
				err = errors.Join(err, tx.Set(ctx, fmt.Sprintf("%d of %d", i, keys), bytes.Repeat([]byte{byte(i)}, size)))
			}
			return err
		})
	}
	set(1, 10)
	offset = db.w.mark.pos.offset
	set(5, scanBuffer)
	length = db.w.mark.pos.offset - offset
	set(3, 10)
	db.Close()
	return dir, filepath.Join(dir, logDir, segmentName(1)), offset, length
}

// Ensure that a scan maps a record larger than its buffer only where it knows
// that all it scans was acknowledged: elsewhere a writer may be about to cut it
// off, and a read behind the end of a mapped file ends the process.
func TestLargeRecord(t *testing.T) {
	dir, segment, _, _ := largeRecordDB(t)
	var revs []Rev
	scan := func(fsys FS, to *position) (position, error) {
		revs = nil
		return scanLog(fsys, filepath.Dir(segment), []Rev{1}, position{}, to, func(r *record, _ position) error {
			revs = append(revs, r.rev)
			return r.each(func(*operation) bool { return true })
		})
	}
	end, err := scan(noMapFS{OS}, nil)
	if err != nil || len(revs) != 3 {
		t.Fatalf("a scan to the end of the file yields revisions %d, %v, want 3 of them without a mapping", revs, err)
	}
	if _, err := scan(OS, &end); err != nil || len(revs) != 3 {
		t.Errorf("a scan to an acknowledged place yields revisions %d, %v, want 3", revs, err)
	}
	if _, err := scan(noMapFS{OS}, &end); !errors.Is(err, errNoMap) {
		t.Errorf("a scan to an acknowledged place that cannot map = %v, want %v", err, errNoMap)
	}
	db := openTest(t, dir, Options{})
	err = db.View(t.Context(), Newest, func(tx Tx) error {
		for _, key := range []string{"0 of 1", "0 of 5", "4 of 5", "2 of 3"} {
			if _, err := tx.Get(t.Context(), key); err != nil {
				t.Errorf("Get(%q) = %v", key, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Ensure that no changed byte of a record that is mapped passes as data.
func TestLargeRecordDamaged(t *testing.T) {
	dir, segment, offset, length := largeRecordDB(t)
	good, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for at := offset + 4; at < offset+length; at += length / 50 { // behind its length
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		if err := os.WriteFile(segment, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db := openTest(t, dir, Options{})
		err := db.View(t.Context(), Newest, func(tx Tx) error {
			_, err := tx.Get(t.Context(), "2 of 5")
			return err
		})
		var damage *CorruptError
		if !errors.As(err, &damage) || damage.Offset != offset {
			t.Errorf("Get with byte %d changed = %v, want damage at byte %d", at, err, offset)
		}
		db.Close()
	}
}
