package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// A history of a small log: what each revision left on the disk.
type crashCase struct {
	img    image
	model  *lawModel
	marks  [][]byte // MARK by revision
	firsts []Rev
	ends   []position // where each revision ends
	boot   bool       // MARK is of a former run of the machine
	dir    string
	tag    string
}

// newCrashCase makes a database whose log has a few segments, nothing of which
// is folded.
func newCrashCase(t *testing.T) *crashCase {
	t.Helper()
	dir := filepath.Join(lawDir(t), "a.kv")
	clock := newLawClock()
	s := lawSizes
	s.segment, s.fold = 256, 1<<30
	db := mustOpen(t, dir, Options{Create: true, Now: clock.now, Writer: "w", sizes: s})
	defer db.Close()
	c := &crashCase{model: newLawModel(), dir: dir}
	for i := range 7 {
		writes := map[string]*cell{userIKey("k"): {value: strings.Repeat("v", 11*i)}}
		switch i {
		case 2:
			writes["fam\x00x"] = &cell{value: "kv\x01", expires: clock.ms + 1_000_000}
		case 4:
			writes["fam\x00x"] = nil
			writes[userIKey("big")] = &cell{value: strings.Repeat("b", 300)} // longer than a segment
		case 5:
			writes[userIKey("empty")] = &cell{}
		}
		clock.ms += 10
		res := mustUpdate(t, db, writes)
		c.model.commit(writes, res.Stamp)
		if i == 0 {
			zero := mark{copy: db.ident.copy, boot: db.boot, pos: position{segment: 1}, generation: 1}
			raw := zero.encode()
			c.marks = append(c.marks, raw[:])
		}
		c.marks = append(c.marks, readImage(t, dir)[markFile])
	}
	c.img = readImage(t, dir)
	c.firsts, _, _ = listSegments(OS, filepath.Join(dir, logDir))
	if len(c.firsts) < 3 {
		t.Fatalf("the log has %d segments, want 3 or more", len(c.firsts))
	}
	c.ends = []position{{segment: 1}}
	_, err := scanLog(OS, filepath.Join(dir, logDir), c.firsts, position{}, nil, func(r *record, at position) error {
		at.offset += frameSize(r.size)
		c.ends = append(c.ends, at)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wholeAt is how many records are whole when the segment first is cut at
// offset, and how many bytes behind them are left.
func (c *crashCase) wholeAt(first Rev, offset int64) (whole Rev, left int64) {
	whole, left = first-1, offset
	for rev, end := range c.ends {
		if rev > 0 && end.segment == first && end.offset <= offset {
			whole, left = Rev(rev), offset-end.offset
		}
	}
	return whole, left
}

// cut returns the image with the segment first cut at offset, followed by
// other bytes, and without the later segments.
func (c *crashCase) cut(first Rev, offset int64, then []byte) image {
	img := maps.Clone(c.img)
	for _, f := range c.firsts {
		name := logDir + "/" + segmentName(f)
		switch {
		case f == first:
			img[name] = append(bytes.Clone(img[name][:offset]), then...)
		case f > first:
			delete(img, name)
		}
	}
	return img
}

func (c *crashCase) mark(t *testing.T, rev Rev) []byte {
	if c.boot {
		return asOtherBoot(t, c.marks[rev])
	}
	return c.marks[rev]
}

// each calls f for the cuts of every byte, each with what may stand behind it.
func (c *crashCase) each(r *rand.Rand, f func(first Rev, offset int64, then []byte)) {
	garbage := make([]byte, 200)
	for i := range garbage {
		garbage[i] = byte(r.Uint32())
	}
	zeros := make([]byte, 4096)
	for _, first := range c.firsts {
		size := int64(len(c.img[logDir+"/"+segmentName(first)]))
		for offset := range size + 1 {
			tails := [][]byte{zeros[:1], zeros[:7], zeros, garbage[:1+r.IntN(len(garbage))]}
			r.Shuffle(len(tails), func(i, j int) { tails[i], tails[j] = tails[j], tails[i] })
			f(first, offset, nil)
			for _, then := range tails[:effort(1, 2, 4)] {
				if !c.completes(first, offset, then) {
					f(first, offset, then)
				}
			}
		}
	}
}

// completes reports whether bytes behind a cut happen to be those that were
// cut off, up to the end of a record.
func (c *crashCase) completes(first Rev, offset int64, then []byte) bool {
	cut := c.img[logDir+"/"+segmentName(first)][offset:]
	whole, _ := c.wholeAt(first, offset)
	for n := 1; n <= min(len(then), len(cut)) && then[n-1] == cut[n-1]; n++ {
		if more, _ := c.wholeAt(first, offset+int64(n)); more > whole {
			return true
		}
	}
	return false
}

// Ensure that a log cut at any byte opens as the state of its last whole
// transaction, by itself, once, with the cut bytes kept, and takes writes again.
func TestLawTornTail(t *testing.T) {
	r := lawRand(t)
	c := newCrashCase(t)
	for _, boot := range []bool{false, true} {
		c.boot = boot
		c.each(r, func(first Rev, offset int64, then []byte) {
			whole, left := c.wholeAt(first, offset)
			c.tag = fmt.Sprintf("segment %d cut at %d, then %d bytes, other boot %t", first, offset, len(then), boot)
			img := c.cut(first, offset, then)
			torn := img[logDir+"/"+segmentName(first)][offset-left:]
			acked := whole
			if r.IntN(2) == 0 && whole+1 > first {
				acked-- // its writer was killed before it could answer
			}
			if m, _ := decodeMark(c.marks[acked]); m.pos.segment > first {
				// A record that fills its segment is acknowledged after the
				// next segment was made.
				if len(then) > 0 {
					acked--
				} else {
					img[logDir+"/"+segmentName(m.pos.segment)] = nil
				}
			}
			img[markFile] = c.mark(t, acked)
			img.write(t, c.dir)
			c.recovers(t, img, whole, acked, torn)
		})
	}
}

func (c *crashCase) recovers(t *testing.T, img image, whole, acked Rev, torn []byte) {
	t.Helper()
	var notices []string
	o := Options{Now: newLawClock().now, Notice: func(s string) { notices = append(notices, s) }, sizes: lawSizes}
	db := mustOpen(t, c.dir, o)
	defer db.Close()
	want := whole
	if !c.boot {
		want = acked // a reader does not believe what was not acknowledged
	}
	got, rev, err := dump(db, Newest)
	if d := differ(got, c.model.past(want)); err != nil || rev != want || d != "" {
		t.Fatalf("%s: read revision %d, %v, %s, want revision %d", c.tag, rev, err, d, want)
	}
	if d := img.changed(readImage(t, c.dir)); d != "" {
		t.Fatalf("%s: reading wrote: %s", c.tag, d)
	}
	next := map[string]*cell{userIKey("next"): {value: "n"}}
	res, err := updateAll(db, next)
	if err != nil || res.Rev != whole+1 {
		t.Fatalf("%s: Update = %v, %v, want revision %d", c.tag, res, err, whole+1)
	}
	if told := len(notices) > 0; told != (len(torn) > 0) {
		t.Fatalf("%s: told %q, want %t", c.tag, notices, len(torn) > 0)
	} else if told && !strings.Contains(notices[0], fmt.Sprintf("cut %d bytes", len(torn))) {
		t.Fatalf("%s: told %q, want that %d bytes were cut", c.tag, notices, len(torn))
	}
	kept := readImage(t, c.dir).quarantined()
	if len(torn) > 0 != (len(kept) == 1) || len(torn) > 0 && !bytes.Equal(kept[0], torn) {
		t.Fatalf("%s: quarantine holds %q, want %q", c.tag, kept, torn)
	}
	notices = nil
	again := mustOpen(t, c.dir, o)
	defer again.Close()
	after := maps.Clone(c.model.past(whole))
	after[userIKey("next")] = cell{value: "n"}
	got, rev, err = dump(again, Newest)
	if d := differ(got, after); err != nil || rev != whole+1 || d != "" {
		t.Fatalf("%s: after a write: revision %d, %v, %s", c.tag, rev, err, d)
	}
	if _, err := updateAll(again, next); err != nil || len(notices) > 0 {
		t.Fatalf("%s: the second open: %v, told %q, want nothing", c.tag, err, notices)
	}
}

// Ensure that the loss of an acknowledged transaction is refused by reads and
// writes, with file, offset and revision, and that nothing on the disk changes.
func TestLawLostAcknowledged(t *testing.T) {
	r := lawRand(t)
	c := newCrashCase(t)
	for _, boot := range []bool{false, true} {
		c.boot = boot
		c.each(r, func(first Rev, offset int64, then []byte) {
			whole, left := c.wholeAt(first, offset)
			if whole == c.model.rev() {
				return
			}
			c.tag = fmt.Sprintf("segment %d cut at %d, then %d bytes, other boot %t", first, offset, len(then), boot)
			img := c.cut(first, offset, then)
			img[markFile] = c.mark(t, c.model.rev())
			img.write(t, c.dir)
			db := mustOpen(t, c.dir, Options{Now: newLawClock().now, sizes: lawSizes})
			defer db.Close()
			res, err := updateAll(db, map[string]*cell{userIKey("next"): {value: "n"}})
			var bad *CorruptError
			if !errors.As(err, &bad) || res.Outcome != NotCommitted {
				t.Fatalf("%s: Update = %v, %v, want damaged", c.tag, res, err)
			}
			name := logDir + "/" + segmentName(first)
			if bad.File != name || bad.Offset != offset-left || bad.Rev != whole+1 {
				t.Fatalf("%s: %v, want %s, byte %d, revision %d", c.tag, err, name, offset-left, whole+1)
			}
			if got, rev, err := dump(db, Newest); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s: read revision %d with %d keys, %v, want damaged", c.tag, rev, len(got), err)
			}
			if d := img.changed(readImage(t, c.dir)); d != "" {
				t.Fatalf("%s: %s", c.tag, d)
			}
		})
	}
}

// Ensure that a segment missing in the middle, or one that stands in another's
// place, is never read as if nothing were wrong.
func TestLawMissingSegment(t *testing.T) {
	c := newCrashCase(t)
	for i, first := range c.firsts[:len(c.firsts)-1] {
		for _, boot := range []bool{false, true} {
			c.boot = boot
			img := maps.Clone(c.img)
			img[markFile] = c.mark(t, c.model.rev())
			delete(img, logDir+"/"+segmentName(first))
			c.tag = fmt.Sprintf("without segment %d, other boot %t", first, boot)
			c.refuses(t, img)
			img[logDir+"/"+segmentName(first)] = c.img[logDir+"/"+segmentName(c.firsts[(i+1)%len(c.firsts)])]
			c.tag = fmt.Sprintf("segment %d replaced, other boot %t", first, boot)
			c.refuses(t, img)
		}
	}
}

func (c *crashCase) refuses(t *testing.T, img image) {
	t.Helper()
	img.write(t, c.dir)
	db := mustOpen(t, c.dir, Options{Now: newLawClock().now, sizes: lawSizes})
	defer db.Close()
	if _, _, err := dump(db, Newest); !honest(err) {
		t.Errorf("%s: read: %v, want damaged", c.tag, err)
	}
	// Since the machine started somebody has read what is before the last
	// segment: a writer need not read it again, so it may go on.
	_, err := updateAll(db, map[string]*cell{userIKey("next"): {value: "n"}})
	if err == nil && !c.boot {
		return
	}
	if !honest(err) {
		t.Errorf("%s: Update = %v, want damaged", c.tag, err)
	}
	if d := img.changed(readImage(t, c.dir)); d != "" {
		t.Errorf("%s: %s", c.tag, d)
	}
}
