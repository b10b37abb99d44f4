package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/bits"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The laws of this file each hold one guard to its task that all other laws
// have a second guard behind.

// Ensure that two copies of a database that went on apart are never read, or
// written to, as one: every mixture of their MARK, MANIFEST, and segments reads
// as one of the two or is refused, and a single file of the other one never
// makes it read as the other.
func TestLawMixedCopies(t *testing.T) {
	for _, at := range []struct {
		parted int // the first revision that is not the same in both
		folded bool
	}{{5, false}, {5, true}, {16, false}, {16, true}} {
		base := lawDir(t)
		clock := newLawClock()
		o := Options{Create: true, Now: clock.now, Writer: "w", sizes: lawSizes}
		o.sizes.segment, o.sizes.fold = 300, 1<<30
		dirs := [2]string{filepath.Join(base, "a"), filepath.Join(base, "b")}
		var imgs [2]image
		var states [2]lawState
		var together image
		for i, dir := range dirs {
			model := newLawModel()
			commit := func(n, to int, value string) {
				db := mustOpen(t, dir, o)
				defer db.Close()
				for ; n < to; n++ {
					clock.ms++
					writes := map[string]*cell{userIKey(fmt.Sprint("k", n)): {value: fmt.Sprint(value, n)}}
					model.commit(writes, mustUpdate(t, db, writes).Stamp)
				}
				if at.folded && value != "" {
					if err := db.fold(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			commit(0, at.parted, "")
			if i == 0 {
				together = readImage(t, dir)
			}
			together.write(t, dir) // so that both have the same identity
			commit(at.parted, 17, string(rune('a'+i)))
			commit(17, 18, "") // a tail behind the fold, in the same segment
			imgs[i], states[i] = readImage(t, dir), model.newest()
		}
		mixedCopies(t, filepath.Join(base, "mixed"), imgs, states, o)
	}
}

func mixedCopies(t *testing.T, dir string, imgs [2]image, states [2]lawState, o Options) {
	var parts []string // files that the two have of their own
	for _, name := range imgs[0].files() {
		if b, ok := imgs[1][name]; ok && !bytes.Equal(b, imgs[0][name]) {
			parts = append(parts, name)
		}
	}
	read := [2]int{}
	for mix := range 1 << len(parts) {
		img := maps.Clone(imgs[0])
		maps.Copy(img, imgs[1]) // the tables of both are there
		for i, name := range parts {
			img[name] = imgs[mix>>i&1][name]
		}
		for _, boot := range []bool{false, true} {
			if boot {
				img[markFile] = asOtherBoot(t, img[markFile])
			}
			tag := fmt.Sprintf("mixture %b of %q, other boot %t", mix, parts, boot)
			img.write(t, dir)
			db := mustOpen(t, dir, o)
			for _, write := range []bool{false, true} {
				want := states
				if write {
					if _, err := updateAll(db, map[string]*cell{userIKey("next"): {value: "n"}}); err != nil {
						if !honest(err) {
							t.Errorf("%s: Update = %v", tag, err)
						}
						continue
					}
					for i := range want {
						want[i] = merged(want[i], map[string]*cell{userIKey("next"): {value: "n"}})
					}
				}
				switch bits.OnesCount(uint(mix)) {
				case 0, 1:
					want[1] = want[0]
				case len(parts) - 1, len(parts):
					want[0] = want[1]
				}
				got, rev, err := dump(db, Newest)
				switch {
				case err != nil && !honest(err):
					t.Errorf("%s: read: %v", tag, err)
				case err == nil && differ(got, want[0]) != "" && differ(got, want[1]) != "":
					t.Errorf("%s, after a write %t: read revision %d: %s, and %s", tag, write, rev, differ(got, want[0]), differ(got, want[1]))
				case err == nil:
					read[1]++
				default:
					read[0]++
				}
			}
			db.Close()
		}
	}
	t.Logf("%d mixtures of %d files: %d refused, %d read", 2<<len(parts), len(parts), read[0], read[1])
	if len(parts) < 2 || read[0] == 0 || read[1] == 0 {
		t.Errorf("%d files differ, %d refused, %d read: want some of each", len(parts), read[0], read[1])
	}
}

// Ensure that whole records behind a bad place prove damage exactly where they
// say that all before them was durable: with sync "always" the bad place is
// refused, with "never" it is what a loss of power leaves, and is cut.
func TestLawDurableFlag(t *testing.T) {
	for _, mode := range []string{syncAlways, syncNever} {
		dir := filepath.Join(lawDir(t), "db")
		clock := newLawClock()
		o := Options{Create: true, Now: clock.now, Writer: "w", sizes: lawSizes}
		db := mustOpen(t, dir, o)
		mustUpdate(t, db, map[string]*cell{userIKey("k1"): {value: "v"}})
		if err := db.SetSetting(t.Context(), settingSync, mode); err != nil {
			t.Fatal(err)
		}
		mark := readImage(t, dir)[markFile] // as it may be on the disk long after
		var ends []int
		for i := range 5 {
			clock.ms++
			mustUpdate(t, db, map[string]*cell{userIKey(fmt.Sprint("k", i+2)): {value: "v"}})
			ends = append(ends, len(readImage(t, dir)[logDir+"/"+segmentName(1)]))
		}
		db.Close()
		img := readImage(t, dir)
		img[markFile] = asOtherBoot(t, mark)
		name := logDir + "/" + segmentName(1)
		img[name] = bytes.Clone(img[name])
		clear(img[name][ends[1] : ends[1]+20]) // in the record of revision 4
		img.write(t, dir)
		db = mustOpen(t, dir, o)
		res, err := updateAll(db, map[string]*cell{userIKey("next"): {value: "n"}})
		if mode == syncAlways {
			if !honest(err) {
				t.Errorf("sync %s: Update behind a bad place = %v, %v, want damaged", mode, res.Outcome, err)
			}
		} else if err != nil || res.Rev != 4 {
			t.Errorf("sync %s: Update behind a hole that a loss of power left = revision %d, %v, want 4", mode, res.Rev, err)
		}
		db.Close()
	}
}

// Ensure that a MANIFEST of another database is refused, also where it names no
// tables, and that files in the log which the library would take for an
// unfinished truncation take nothing with them.
func TestLawStrangers(t *testing.T) {
	base := lawDir(t)
	o := Options{Create: true, Now: newLawClock().now, sizes: lawSizes}
	o.sizes.fold = 1 << 30
	create := func(name string) image {
		db := mustOpen(t, filepath.Join(base, name), o)
		defer db.Close()
		for range 4 {
			mustUpdate(t, db, set(0, 20, 60))
		}
		return readImage(t, filepath.Join(base, name))
	}
	img, foreign := create("a"), create("b")
	dir := filepath.Join(base, "c")
	update := func(d damage) error {
		d.img.write(t, dir)
		db := mustOpen(t, dir, o)
		defer db.Close()
		_, err := updateAll(db, map[string]*cell{userIKey("next"): {value: "n"}})
		for name, b := range img {
			if after, ok := readImage(t, dir)[name]; !ok || path.Dir(name) == logDir && !bytes.HasPrefix(after, b) {
				t.Errorf("%s: Update = %v, and %s is gone or shorter", d.what, err, name)
			}
		}
		return err
	}
	var bad *CorruptError
	if err := update(img.damaged("a foreign MANIFEST", manifestFile, foreign[manifestFile])); !errors.As(err, &bad) || bad.File != manifestFile {
		t.Errorf("Update with a foreign MANIFEST = %v, want damaged", err)
	}
	for _, name := range img.files() {
		if path.Dir(name) != logDir {
			continue
		}
		for _, suffix := range []string{".START", ".END"} {
			if err := update(img.damaged(name+suffix, name+suffix, img[name])); !errors.As(err, &bad) || bad.File != name+suffix {
				t.Errorf("Update with %s = %v, want damaged", name+suffix, err)
			}
		}
	}
}

// A lyingAppender says that it wrote, and wrote less.
type lyingAppender struct {
	*faultAppender
	part *part // nil: the truth
}

func (a *lyingAppender) append(first Rev, records [][]byte) error {
	if *a.part == partAll {
		return a.appender.append(first, records)
	}
	all := appendFrame(nil, records[0])
	return a.short(all[:a.part.of(len(all))])
}

// Ensure that a write which the log library lost in silence is not acknowledged.
func TestLawLyingLibrary(t *testing.T) {
	dir := filepath.Join(lawDir(t), "db")
	how := partAll
	o := Options{Create: true, sizes: lawSizes}
	o.openAppender = func(dir string, sync bool, segmentSize int64) (appender, error) {
		a, err := openAppender(dir, sync, segmentSize)
		return &lyingAppender{&faultAppender{appender: a, dir: dir}, &how}, err
	}
	db := mustOpen(t, dir, o)
	defer db.Close()
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	for how = partNone; how < partAll; how++ {
		if res, err := updateAll(db, map[string]*cell{userIKey("k"): {value: "lost"}}); err == nil || res.Outcome != NotCommitted {
			t.Errorf("Update of which part %d was written = %v, %v, want not committed", how, res.Outcome, err)
		}
	}
	if got, rev, err := dump(db, Newest); err != nil || rev != 1 || got[userIKey("k")].value != "v" {
		t.Errorf("read revision %d, %v, %v, want 1", rev, got, err)
	}
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "w"}})
}

// Ensure that a process that does not know the outcome of a write takes no more
// writes, though the disk has recovered, and that another one does.
func TestLawPoison(t *testing.T) {
	dir := filepath.Join(lawDir(t), "db")
	fsys := &faultFS{FS: OS}
	o := Options{Create: true, Now: newLawClock().now, sizes: lawSizes, FS: fsys, openAppender: fsys.openAppender}
	db := mustOpen(t, dir, o)
	defer db.Close()
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	fsys.fault = fault{at: fsys.changes + 1, times: 2, err: syscall.EIO, part: partAll} // the append, and the cut
	if res, err := updateAll(db, map[string]*cell{userIKey("k"): {value: "w"}}); res.Outcome != OutcomeUnknown || !errors.Is(err, ErrUnknownOutcome) {
		t.Fatalf("Update = %v, %v, want an unknown outcome", res.Outcome, err)
	}
	if res, err := updateAll(db, map[string]*cell{userIKey("k"): {value: "x"}}); res.Outcome != NotCommitted || !errors.Is(err, ErrUnavailable) {
		t.Errorf("the next Update = %v, %v, want that the process takes no more", res.Outcome, err)
	}
	other := mustOpen(t, dir, Options{sizes: lawSizes})
	defer other.Close()
	mustUpdate(t, other, map[string]*cell{userIKey("l"): {value: "y"}})
}

// Ensure that a handle sees what another process left torn behind its last
// commit, and cuts it before it writes.
func TestLawTornBetween(t *testing.T) {
	dir := filepath.Join(lawDir(t), "db")
	db := mustOpen(t, dir, Options{Create: true, sizes: lawSizes})
	defer db.Close()
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	f, err := os.OpenFile(filepath.Join(dir, logDir, segmentName(1)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\x70kv\x01 torn")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "w"}})
	if kept := readImage(t, dir).quarantined(); len(kept) != 1 || string(kept[0]) != "\x70kv\x01 torn" {
		t.Errorf("quarantine holds %q, want the torn bytes", kept)
	}
	report, err := Check(t.Context(), nil, dir, true)
	if err != nil || report.Verdict != VerdictClean {
		t.Errorf("check = %v, %v, %v", report.Verdict, report.Faults, err)
	}
}

// A badDiskFS changes one byte of what is written to one file.
type badDiskFS struct {
	FS
	suffix string
	at     int64
}

type badDiskFile struct {
	File
	s   badDiskFS
	off int64
}

func (s badDiskFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err == nil && strings.HasSuffix(name, s.suffix) && flag&os.O_CREATE != 0 {
		return &badDiskFile{File: f, s: s}, nil
	}
	return f, err
}

func (f *badDiskFile) spoil(b []byte, offset int64) []byte {
	if i := f.s.at - offset; i >= 0 && i < int64(len(b)) {
		b = bytes.Clone(b)
		b[i] ^= 0x10
	}
	return b
}

func (f *badDiskFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(f.spoil(b, f.off))
	f.off += int64(n)
	return n, err
}

func (f *badDiskFile) WriteAt(b []byte, offset int64) (int, error) {
	return f.File.WriteAt(f.spoil(b, offset), offset)
}

// Ensure that a backup whose bytes did not get to the disk as they were written
// never gets its name, and a restored database never gets its FORMAT.
func TestLawReadBack(t *testing.T) {
	base := lawDir(t)
	db := mustOpen(t, filepath.Join(base, "db"), Options{Create: true, sizes: lawSizes})
	defer db.Close()
	mustUpdate(t, db, set(0, 20, 50))
	good := filepath.Join(base, "good.kvs")
	info, err := db.Snapshot(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(0); at < info.Size; at += 37 {
		bad := mustOpen(t, filepath.Join(base, "db"), Options{FS: badDiskFS{OS, ".tmp", at}, sizes: lawSizes})
		path := filepath.Join(base, "bad.kvs")
		if _, err := bad.Snapshot(t.Context(), path); !honest(err) {
			t.Errorf("Snapshot with byte %d spoilt = %v, want damaged", at, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Snapshot with byte %d spoilt left %v", at, err)
		}
		bad.Close()
		target := filepath.Join(base, fmt.Sprint("restored", at))
		if _, err := Restore(t.Context(), good, target, Options{FS: badDiskFS{OS, tableSuffix, at}}); !honest(err) {
			t.Errorf("Restore with byte %d spoilt = %v, want damaged", at, err)
		}
		if _, err := os.Stat(filepath.Join(target, formatFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Restore with byte %d spoilt left FORMAT: %v", at, err)
		}
	}
}

// Ensure that a table which only the log names yet, an import that was not
// folded, is not taken for an orphan.
func TestLawImportIsNoOrphan(t *testing.T) {
	dir := filepath.Join(lawDir(t), "db")
	o := Options{Create: true, sizes: lawSizes}
	o.sizes.small = 100
	db := mustOpen(t, dir, o)
	defer db.Close()
	mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: "v"}})
	unlock, err := db.maintainer() // what follows stays in the log
	if err != nil || unlock == nil {
		t.Fatalf("maintainer: %t, %v", unlock == nil, err)
	}
	defer unlock()
	res, err := db.Load(t.Context(), func(yield func(Item, error) bool) {
		for i := range 30 {
			if !yield(Item{Key: fmt.Appendf(nil, "l%02d", i), Value: []byte("loaded")}, nil) {
				return
			}
		}
	}, Replace)
	if err != nil || res.Added != 30 {
		t.Fatalf("Load = %+v, %v", res, err)
	}
	if err := db.SetSetting(t.Context(), settingKeep, "1d"); err != nil { // a new MANIFEST
		t.Fatal(err)
	}
	later := mustOpen(t, dir, o)
	defer later.Close()
	if got, _, err := dump(later, Newest); err != nil || len(got) != 31 {
		t.Errorf("%d keys are there, %v, want 31", len(got), err)
	}
}

// Ensure that a merge keeps a delete while it cannot be told whether an older
// table, which is damaged, has the key.
func TestLawMergeBesideDamage(t *testing.T) {
	dir := filepath.Join(lawDir(t), "db")
	clock := newLawClock()
	o := Options{Create: true, Now: clock.now, sizes: lawSizes}
	o.sizes.fold, o.sizes.keep, o.sizes.slice = 2<<10, 0, 1<<20
	db := mustOpen(t, dir, o)
	defer func() { db.Close() }()
	mustUpdate(t, db, map[string]*cell{userIKey("k07"): {value: "v"}})
	unlock, err := db.maintainer() // the test folds and merges by itself
	if err != nil || unlock == nil {
		t.Fatalf("maintainer: %t, %v", unlock == nil, err)
	}
	defer unlock()
	mustUpdate(t, db, set(0, 60, 400)) // a table of a higher tier
	if err := errors.Join(db.SetSetting(t.Context(), settingKeep, "0s"), db.fold(t.Context())); err != nil {
		t.Fatal(err)
	}
	large := ""
	for name := range readImage(t, dir) {
		if strings.HasSuffix(name, tableSuffix) {
			large = name
		}
	}
	for i := range mergeFan {
		clock.ms += 1000
		writes := map[string]*cell{userIKey(fmt.Sprint("n", i)): {value: "n"}}
		if i == 0 { // so that nobody can read what was before by the time of the merge
			writes[userIKey("k07")] = nil
		}
		mustUpdate(t, db, writes)
		if err := db.fold(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	img := readImage(t, dir)
	bad := maps.Clone(img)
	bad[large] = bytes.Clone(img[large])
	for i := tableHeaderSize; i < len(bad[large])/2; i++ {
		bad[large][i] ^= 0xff
	}
	bad.write(t, dir)
	db = mustOpen(t, dir, o)
	if more, err := db.mergeSlice(t.Context(), 1<<20); err != nil || !more {
		t.Fatalf("mergeSlice = %t, %v, want that small tables are merged", more, err)
	}
	after := readImage(t, dir)
	after[large] = img[large] // repaired
	db.Close()
	after.write(t, dir)
	db = mustOpen(t, dir, o)
	got, _, err := dump(db, Newest)
	if _, there := got[userIKey("k07")]; err != nil || there || len(got) != 59+mergeFan {
		t.Errorf("%d keys, %v, the deleted one among them: %t, want %d without it", len(got), err, there, 59+mergeFan)
	}
}
