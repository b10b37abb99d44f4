package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A damage is what happened to an image: blocks that a disk lost, wrote
// elsewhere or brought back from the past, or files that somebody mixed up.
type damage struct {
	what string
	file string // that it is about
	img  image
}

// damaged returns an image in which one file has another content; nil: none.
func (img image) damaged(what, file string, content []byte) damage {
	changed := maps.Clone(img)
	if content == nil {
		delete(changed, file)
	} else {
		changed[file] = content
	}
	return damage{what, file, changed}
}

// files is the names of an image's files, without the folders and those that
// no answer depends on.
func (img image) files() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(img)) {
		if !strings.HasSuffix(name, "/") && name != lockFile && path.Dir(name) != quarantineDir {
			names = append(names, name)
		}
	}
	return names
}

// blockDamages is every block of every file zeroed, replaced by what an earlier
// version of the file had there, by another block of it, by one of another
// file, and swapped with another.
func (c *flipCase) blockDamages(size int) (all []damage) {
	names := c.img.files()
	for n, name := range names {
		file := c.img[name]
		block := func(i int) (from, to int) { return i * size, min((i+1)*size, len(file)) }
		put := func(what string, i int, content []byte) {
			from, to := block(i)
			b := bytes.Clone(file)
			clear(b[from:to])
			copy(b[from:to], content)
			if !bytes.Equal(b, file) {
				all = append(all, c.img.damaged(fmt.Sprintf("block %d of %d bytes of %s %s", i, size, name, what), name, b))
			}
		}
		blocks := (len(file) + size - 1) / size
		for i := range blocks {
			put("zeroed", i, nil)
			for age, older := range c.older {
				old, ok := older[name]
				if from, to := block(i); ok && from < len(old) && name != markFile {
					put(fmt.Sprint("as it was at stage ", age), i, old[from:min(to, len(old))])
				}
			}
			other := c.img[names[(n+1+i)%len(names)]]
			put("of another file", i, other[:min(size, len(other))])
			for _, j := range []int{i + 1, blocks - 1 - i, 0} {
				if j == i || j >= blocks {
					continue
				}
				from, to := block(j)
				put(fmt.Sprint("as block ", j), i, file[from:to])
				if j < i || to-from < size {
					continue
				}
				at, _ := block(i)
				b := bytes.Clone(file)
				copy(b[at:], file[from:to])
				copy(b[from:], file[at:at+size])
				if !bytes.Equal(b, file) {
					all = append(all, c.img.damaged(fmt.Sprintf("blocks %d and %d of %d bytes of %s swapped", i, j, size, name), name, b))
				}
			}
		}
	}
	return all
}

// fileDamages is files missing, as they were before, under other names, in
// each other's place, and of another database.
func (c *flipCase) fileDamages(foreign image) (all []damage) {
	names := c.img.files()
	for _, name := range names {
		all = append(all, c.img.damaged(name+" missing", name, nil))
		for age, older := range c.older {
			if old, ok := older[name]; ok && !bytes.Equal(old, c.img[name]) && name != markFile {
				all = append(all, c.img.damaged(fmt.Sprint(name, " as it was at stage ", age), name, old))
			}
		}
		if b, ok := foreign[name]; ok {
			all = append(all, c.img.damaged(name+" of another database", name, b))
		}
		if path.Dir(name) == "." {
			continue
		}
		if path.Dir(name) == logDir { // what the library makes of a truncation, and acts on
			for _, suffix := range []string{".START", ".END", ".TEMP"} {
				all = append(all, c.img.damaged(name+" also with "+suffix, name+suffix, c.img[name]))
			}
		}
		for _, to := range otherNames(name) {
			if _, taken := c.img[to]; taken {
				continue
			}
			all = append(all, c.img.damaged(name+" also as "+to, to, c.img[name]))
			moved := c.img.damaged(name+" moved to "+to, to, c.img[name])
			delete(moved.img, name)
			if path.Base(to) == path.Base(name) && path.Dir(to) == logDir {
				moved.file = "" // a segment that is folded and not moved yet: the next fold does it
			}
			all = append(all, moved)
		}
		for _, with := range names {
			if with > name && path.Ext(with) == path.Ext(name) && path.Dir(with) != "." {
				d := c.img.damaged(name+" and "+with+" swapped", name, c.img[with])
				d.img[with] = c.img[name]
				all = append(all, d)
			}
		}
	}
	for name, b := range foreign {
		if path.Ext(name) != tableSuffix {
			continue
		}
		for _, own := range names {
			if path.Ext(own) == tableSuffix {
				all = append(all, c.img.damaged(own+" is a table of another database", own, b))
			}
		}
	}
	return all
}

// otherNames is what a file could be called instead.
func otherNames(name string) (names []string) {
	dir, base := path.Split(name)
	if path.Ext(name) == tableSuffix {
		return []string{dir + "0123456789abcdef" + tableSuffix}
	}
	first, _ := parseSegmentName(base)
	for _, other := range []Rev{first - 1, first + 1, first + 100000} {
		if other > 0 {
			names = append(names, dir+segmentName(other))
		}
	}
	other := historyDir
	if path.Clean(dir) == historyDir {
		other = logDir
	}
	return append(names, other+"/"+base)
}

// named reports whether a check speaks of a file.
func (r *Report) named(file string) bool {
	for _, f := range r.Faults {
		if f.File == file || f.File == path.Dir(file) {
			return true
		}
	}
	return slices.ContainsFunc(r.Remarks, func(s string) bool { return strings.HasPrefix(s, file+":") })
}

// judge looks at a damaged image: it has to read right or be refused with file
// and reason, and a check has to find what reading is refused for.
func (c *flipCase) judge(d *damage) error {
	refused, err := c.reads(d.img)
	if err != nil {
		return err
	}
	report, err := Check(context.Background(), imageFS{d.img}, "db", false)
	switch {
	case err != nil:
		if !errors.Is(err, ErrNoDatabase) && !honest(err) {
			return fmt.Errorf("check: %w", err)
		}
	case refused != nil && report.Verdict == VerdictClean:
		return fmt.Errorf("reading is refused with %w, but check says %s", refused, report.Verdict)
	case refused != nil && d.file == markFile:
		return fmt.Errorf("reading is refused for MARK alone: %w", refused)
	case refused == nil && report.Verdict == VerdictClean && d.file != markFile && d.file != "" && !report.named(d.file):
		return fmt.Errorf("check says %s and does not name %s", report.Verdict, d.file)
	}
	return nil
}

// Ensure that no block that is lost, stale or in another's place, and no file
// that is missing, stale, renamed, in another's place or of another database is
// ever read as data or hides a key, that a check names it, and that a write is
// refused or leaves a database that reads as it should.
func TestLawBlocks(t *testing.T) {
	r := lawRand(t)
	c, foreign := newFlipCase(t), newFlipCase(t)
	all := append(c.blockDamages(512), c.blockDamages(4096)...)
	blocks := len(all)
	all = append(all, c.fileDamages(foreign.img)...)
	otherBoot := asOtherBoot(t, c.img[markFile])
	for i := range all {
		if i%2 == 1 && all[i].file != markFile {
			all[i].img[markFile] = otherBoot
			all[i].what += ", MARK of another boot"
		}
	}
	seed := r.IntN(7)
	var group sync.WaitGroup
	for w := range 2 {
		group.Go(func() {
			for i := w; i < len(all); i += 2 {
				if err := guarded(func() error { return c.judge(&all[i]) }); err != nil {
					t.Errorf("%s: %v", all[i].what, err)
				}
			}
		})
	}
	group.Wait()
	dir := filepath.Join(lawDir(t), "db")
	written := 0
	for i := seed; i < len(all); i += effort(14, 3, 1) {
		all[i].img.write(t, dir)
		if err := guarded(func() error { return c.writes(t, dir, r) }); err != nil {
			t.Errorf("%s: %v", all[i].what, err)
		}
		written++
	}
	t.Logf("%d damaged blocks, %d files mixed up; %d of them written to", blocks, len(all)-blocks, written)
}

// Ensure that a table whose every checksum is right, but which is not the one
// that was written, is not read: MANIFEST and the log know its digest.
func TestLawForgedTable(t *testing.T) {
	c := newFlipCase(t)
	for _, name := range c.img.files() {
		if path.Ext(name) != tableSuffix {
			continue
		}
		b := bytes.Clone(c.img[name])
		tab, err := openTable(oneFileFS{data: b}, "", name, assigned{})
		if err != nil {
			t.Fatal(err)
		}
		var page indexPage
		if err := tab.page(0, &page); err != nil {
			t.Fatal(err)
		}
		e := page.block(0)
		b[e.values().off]++ // the first byte of a value
		forgeTable(b)
		d := c.img.damaged(name+" forged", name, b)
		refused, err := c.reads(d.img)
		if err != nil || refused == nil {
			t.Errorf("%s: read: %v, refused with %v, want damaged", d.what, err, refused)
		}
		if err := c.judge(&d); err != nil {
			t.Errorf("%s: %v", d.what, err)
		}
	}
}

// Ensure that a MARK from the past shows the past as it was, whole, until the
// next writer finds what came after.
func TestLawStaleMark(t *testing.T) {
	r := lawRand(t)
	c := newFlipCase(t)
	dir := filepath.Join(lawDir(t), "db")
	tried := 0
	for stage, older := range c.older {
		d := c.img.damaged("", markFile, older[markFile])
		m, reason := decodeMark(older[markFile])
		if reason != "" {
			t.Fatal(reason)
		}
		db, err := Open(t.Context(), "db", Options{Now: c.clock.now, FS: imageFS{d.img}, ReadOnly: true, sizes: lawSizes})
		if err != nil {
			t.Fatal(err)
		}
		got, rev, err := dump(db, Newest)
		db.Close()
		if err != nil {
			if !honest(err) {
				t.Errorf("MARK of stage %d: read: %v", stage, err)
			}
		} else if e := differ(got, c.model.states[rev].at(c.clock.ms)); rev < m.pos.rev || e != "" {
			t.Errorf("MARK of stage %d, revision %d: read revision %d: %s", stage, m.pos.rev, rev, e)
		}
		d.img.write(t, dir)
		if err := c.writes(t, dir, r); err != nil {
			t.Errorf("MARK of stage %d: %v", stage, err)
		}
		tried++
	}
	if tried < 3 {
		t.Errorf("%d stages were tried, want 3 or more", tried)
	}
}
