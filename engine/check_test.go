package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func checkTest(t *testing.T, path string, deep bool) Report {
	t.Helper()
	rep, err := Check(t.Context(), nil, path, deep)
	if err != nil {
		t.Fatalf("Check(%s) = %v", path, err)
	}
	return rep
}

// flip flips one bit of a file.
func flip(t *testing.T, path string, offset int64, bit int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
}

// A database as its writers left it is clean, down to every version of every
// key, and a check changes nothing.
func TestCheckClean(t *testing.T) {
	dir, _ := richDir(t)
	before := treeOf(t, dir)
	rep := checkTest(t, dir, true)
	if rep.Verdict != VerdictClean || len(rep.Faults) != 0 || rep.Err() != nil {
		t.Errorf("Check = %+v, want clean", rep)
	}
	if rep.Rev != 162 || rep.Tables == 0 || rep.Entries == 0 || rep.Records == 0 || rep.Probes < 162 {
		t.Errorf("Check = %+v, want revision 162 and everything read", rep)
	}
	if len(rep.Remarks) != 1 || !strings.Contains(rep.Remarks[0], quarantineDir) {
		t.Errorf("remarks %q, want one on quarantine/", rep.Remarks)
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("Check changed the directory from\n%s\nto\n%s", before, after)
	}
}

// A torn tail is no damage: the check says what the next write will do, and
// changes no byte.
func TestCheckTorn(t *testing.T) {
	dir, o := richDir(t)
	firsts, _, err := listSegments(OS, filepath.Join(dir, logDir))
	if err != nil {
		t.Fatal(err)
	}
	name := logDir + "/" + segmentName(firsts[len(firsts)-1])
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Stat()
	_, _ = f.WriteString("\x70kv\x01 unfinished")
	f.Close()
	before := treeOf(t, dir)
	rep := checkTest(t, dir, true)
	if rep.Verdict != VerdictTorn || rep.Next == "" || rep.Rev != 162 || rep.Err() != nil {
		t.Errorf("Check = %+v, want torn behind revision 162", rep)
	}
	if len(rep.Faults) != 1 || rep.Faults[0].File != name || rep.Faults[0].Offset != info.Size() ||
		rep.Faults[0].Rev != 163 || rep.Faults[0].Acknowledged != AcknowledgedNo {
		t.Errorf("faults %+v, want %s at byte %d, revision 163, not acknowledged", rep.Faults, name, info.Size())
	}
	segs, err := Segments(t.Context(), nil, dir)
	if err != nil || segs[len(segs)-1].State != SegmentTorn || segs[len(segs)-1].Offset != info.Size() {
		t.Errorf("Segments = %+v, %v, want the last one torn", segs, err)
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("Check changed the directory from\n%s\nto\n%s", before, after)
	}
	db := openTest(t, dir, o)
	updateTest(t, db, setKey("after"))
	if rep := checkTest(t, dir, true); rep.Verdict != VerdictClean || rep.Rev != 163 {
		t.Errorf("Check after the next write = %+v, want clean", rep)
	}
}

// A flipped bit in any record, of log/ or history/, is found at its file,
// offset and revision, with the keys it concerns; and everything around it is
// still read.
func TestCheckNamesDamagedRecords(t *testing.T) {
	dir, _ := richDir(t)
	all := recordsTest(t, dir, 0, 0)
	for i, r := range all {
		if r.Bad != "" {
			t.Fatalf("record %+v of a whole log is bad", r)
		}
		// The last byte of the operations: the frame stays whole.
		offset := r.Offset + r.Length - 4 - 1
		path := filepath.Join(dir, filepath.FromSlash(r.File))
		bit := i % 8
		flip(t, path, offset, bit)
		rep := checkTest(t, dir, false)
		var found *Fault
		for j := range rep.Faults {
			if f := &rep.Faults[j]; f.File == r.File && f.Offset == r.Offset && f.Rev == r.Rev {
				found = f
			}
		}
		if rep.Verdict != VerdictDamaged || found == nil || !errors.Is(rep.Err(), ErrDamaged) {
			t.Fatalf("flipped bit %d of byte %d of %s: faults %+v, verdict %s, want one at byte %d, revision %d", bit, offset, r.File, rep.Faults, rep.Verdict, r.Offset, r.Rev)
		}
		if found.Acknowledged != AcknowledgedYes || len(rep.Faults) != 1 {
			t.Errorf("revision %d: faults %+v, want one that was acknowledged", r.Rev, rep.Faults)
		}
		if len(r.Ops) > 1 && (len(found.Keys) == 0 || found.Keys[0] != r.Ops[0].Key) {
			t.Errorf("revision %d: keys %q, want %q first", r.Rev, found.Keys, r.Ops[0].Key)
		}
		got := recordsTest(t, dir, 0, 0)
		if len(got) != len(all) || got[i].Bad == "" || got[i].Rev != r.Rev || got[i].Length != r.Length {
			t.Errorf("with revision %d damaged %d records are read, and there %.200v", r.Rev, len(got), got[min(i, len(got)-1)])
		}
		flip(t, path, offset, bit)
	}
	if len(all) < 100 {
		t.Errorf("%d records were damaged, want more", len(all))
	}
}

// Any flipped bit of any file of the database but LOCK and quarantine/ is
// found, and no check of what is damaged fails.
func TestCheckFindsFlippedBits(t *testing.T) {
	dir, _ := richDir(t)
	for _, name := range filesOf(t, dir) {
		if name == lockFile || strings.HasPrefix(name, quarantineDir) {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		step := info.Size()/23 + 1
		for offset := int64(0); offset < info.Size(); offset += step {
			bit := int(offset) % 8
			flip(t, path, offset, bit)
			rep, err := Check(t.Context(), nil, dir, false)
			switch {
			case name == markFile && rep.Verdict == VerdictTorn && rep.Next != "":
			case err != nil && !errors.Is(err, ErrNewer):
				t.Errorf("bit %d of byte %d of %s flipped: %v", bit, offset, name, err)
			case err == nil && rep.Verdict != VerdictDamaged:
				t.Errorf("bit %d of byte %d of %s flipped: verdict %s, %+v", bit, offset, name, rep.Verdict, rep.Faults)
			case err == nil && !hasFault(rep, name):
				t.Errorf("bit %d of byte %d of %s flipped: no fault names it: %+v", bit, offset, name, rep.Faults)
			}
			flip(t, path, offset, bit)
		}
	}
	if rep := checkTest(t, dir, false); rep.Verdict != VerdictClean {
		t.Errorf("with every bit in place again: %+v, want clean", rep)
	}
}

func hasFault(rep Report, name string) bool {
	for _, f := range rep.Faults {
		if f.File == name {
			return true
		}
	}
	return false
}

// filesOf lists the files below a folder.
func filesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A file of the database that is missing is damage, one that does not belong
// to it a remark.
func TestCheckMissingAndForeign(t *testing.T) {
	src, _ := richDir(t)
	for _, name := range filesOf(t, src) {
		if name == lockFile || strings.HasPrefix(name, quarantineDir) {
			continue
		}
		dir := filepath.Join(t.TempDir(), "x.kv")
		copyTree(t, dir, src)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		want := VerdictDamaged
		if name == markFile {
			want = VerdictTorn
		}
		if rep := checkTest(t, dir, false); rep.Verdict != want || len(rep.Faults) == 0 {
			t.Errorf("without %s: verdict %s, %+v, want %s", name, rep.Verdict, rep.Faults, want)
		}
	}
	for _, name := range []string{"notes.txt", "log/x", "history/y", "tables/0000000000000001.kvt", "tables/z.tmp"} {
		if err := os.WriteFile(filepath.Join(src, name), []byte("?"), 0o600); err != nil {
			t.Fatal(err)
		}
		rep := checkTest(t, src, true)
		if rep.Verdict != VerdictClean || !strings.Contains(strings.Join(rep.Remarks, "\n"), name) {
			t.Errorf("with %s: verdict %s, remarks %q, want a remark on it", name, rep.Verdict, rep.Remarks)
		}
	}
}

// A check of a snapshot says what it holds, and names what is damaged.
func TestCheckSnapshot(t *testing.T) {
	dir, o := richDir(t)
	info := snapshotTest(t, openTest(t, dir, o))
	rep := checkTest(t, info.Path, true)
	if rep.Verdict != VerdictClean || !rep.Snapshot || rep.Entries != info.Keys || rep.Probes != info.Keys || rep.Bytes != info.Size {
		t.Errorf("Check = %+v, want clean with %d entries", rep, info.Keys)
	}
	flip(t, info.Path, 100, 3)
	rep = checkTest(t, info.Path, true)
	if rep.Verdict != VerdictDamaged || len(rep.Faults) == 0 || rep.Faults[0].File != filepath.Base(info.Path) {
		t.Errorf("Check of a flipped bit = %+v, want damaged", rep)
	}
}

// The deep check finds an entry that a table lacks though all checksums hold.
func TestCheckDeepFindsLostEntry(t *testing.T) {
	dir, _ := richDir(t)
	id, err := readIdentity(OS, dir)
	if err != nil {
		t.Fatal(err)
	}
	man, err := readManifest(OS, dir, id.id)
	if err != nil {
		t.Fatal(err)
	}
	lost := man.tables[len(man.tables)-1]
	next := man.clone()
	next.tables = next.tables[:len(next.tables)-1]
	if err := replaceFile(OS, filepath.Join(dir, manifestFile), next.encode()); err != nil {
		t.Fatal(err)
	}
	if rep := checkTest(t, dir, false); rep.Verdict != VerdictClean {
		t.Errorf("Check = %+v: a table that nothing names is no fault in itself", rep)
	}
	rep := checkTest(t, dir, true)
	if rep.Verdict != VerdictDamaged || len(rep.Faults) == 0 {
		t.Errorf("deep Check without the table of %d entries = %+v, want damaged", lost.ref.entries, rep)
	}
}

// A check while others write, fold and merge finds nothing wrong.
func TestCheckWhileOthersWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "busy.kv")
	db := openTest(t, dir, Options{Create: true, sizes: sizes{segment: 2000, fold: 8000, slice: 8000, load: 1 << 20, small: 1000, keep: 20000}})
	for _, s := range [][2]string{{"sync", "never"}, {"history.keep", "0"}} {
		if err := db.SetSetting(t.Context(), s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	updateTest(t, db, setKey("first"))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_, err := db.Update(t.Context(), func(tx Tx) error {
				return tx.Set(t.Context(), fmt.Sprint(i%70), fmt.Appendf(nil, "%0100d", i))
			})
			if err != nil {
				t.Errorf("Update = %v", err)
				return
			}
		}
	}()
	checked := 0
	for i := range 20 {
		rep, err := Check(t.Context(), nil, dir, i%2 == 1)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			t.Errorf("Check = %v", err)
		}
		if err == nil {
			checked++
		}
		if err == nil && rep.Verdict != VerdictClean {
			t.Errorf("Check = %+v, want clean", rep)
		}
	}
	close(stop)
	<-done
	if checked < 5 {
		t.Errorf("%d of 20 checks could be made, want more", checked)
	}
}
