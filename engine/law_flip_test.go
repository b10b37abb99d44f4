package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A flipCase is a database with every kind of file, and what is to be read
// of it.
type flipCase struct {
	img    image
	model  *lawModel
	past   []Rev
	events []string // what records says of each revision that is kept
	older  []image  // how the files were before
	now    lawState // the newest state
	loads  []Rev    // the revisions of bulk loads
	clock  *lawClock
}

func newFlipCase(t *testing.T) *flipCase {
	t.Helper()
	ctx := context.Background()
	dir := filepath.Join(lawDir(t), "db")
	c := &flipCase{model: newLawModel(), clock: newLawClock()}
	s := lawSizes
	s.fold, s.keep, s.small = 3<<10, 1<<20, 300
	db := mustOpen(t, dir, Options{Create: true, Now: c.clock.now, Writer: "w", sizes: s})
	defer db.Close()
	load := func(prefix string) {
		writes := make(map[string]*cell)
		for i := range 30 {
			writes[userIKey(fmt.Sprintf("%s%02d", prefix, i))] = &cell{value: "loaded"}
		}
		res, err := db.Load(ctx, func(yield func(Item, error) bool) {
			for ikey, w := range writes {
				if !yield(Item{Key: userKey([]byte(ikey)), Value: []byte(w.value)}, nil) {
					return
				}
			}
		}, Replace)
		if err != nil {
			t.Fatal(err)
		}
		c.model.commit(writes, res.Stamp)
		c.loads = append(c.loads, res.Rev)
	}
	for i := range 230 {
		c.clock.ms += 5
		switch i {
		case 60:
			load("first-")
		case 215:
			if err := db.fold(ctx); err != nil { // and merge nothing behind it
				t.Fatal(err)
			}
			unlock, err := db.maintainer() // what follows stays in the log
			if err != nil || unlock == nil {
				t.Fatalf("maintainer: %t, %v", unlock == nil, err)
			}
			defer unlock()
		case 224:
			load("second-")
		}
		writes := map[string]*cell{userIKey(fmt.Sprintf("k%03d", i*7%90)): {value: fmt.Sprint("v", i)}}
		switch i % 10 {
		case 3:
			writes[userIKey(fmt.Sprintf("k%03d", i%90))] = nil
		case 6:
			writes["fam\x00"+fmt.Sprintf("f%d", i%20)] = &cell{value: "x", expires: c.clock.ms + 10_000 - int64(i)*40}
		}
		for ikey, w := range writes {
			if w != nil && w.expires != 0 && w.expires <= c.clock.ms {
				writes[ikey] = nil
			}
		}
		c.model.commit(writes, mustUpdate(t, db, writes).Stamp)
		switch i {
		case 30, 120, 200, 222, 228:
			c.older = append(c.older, readImage(t, dir))
		}
	}
	c.img = readImage(t, dir)
	c.img[lockFile] = nil // says who was there last, and nothing else
	c.now = c.model.newest().at(c.clock.ms)
	c.past = []Rev{1, 60, 61, 150, c.model.rev() - 3, c.model.rev()}
	c.events = make([]string, c.model.rev()+1)
	err := db.events(ctx, 1, c.model.rev(), func(r *record, v *version) error {
		c.events[r.rev] += eventText(r, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.hasAllKinds(t, db)
	return c
}

// eventText is a change as a text.
func eventText(r *record, v *version) string {
	return fmt.Sprintf("%d %q %q %d %t;", r.stamp, v.key, v.value, v.expires, v.deleted)
}

// hasAllKinds fails the test if a kind of file is missing, for then the law
// says little.
func (c *flipCase) hasAllKinds(t *testing.T, db *DB) {
	t.Helper()
	b, _, err := db.reload()
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	kinds := make(map[tableKind]int)
	for _, r := range b.runs {
		for _, l := range r.tables {
			tab, err := l.open()
			if err != nil {
				t.Fatal(err)
			}
			kinds[tab.info().kind]++
		}
	}
	if _, err := b.tail.sources(&iterOptions{}, newestRev); err != nil {
		t.Fatal(err)
	}
	history := 0
	for name := range c.img {
		if strings.HasPrefix(name, historyDir+"/0") {
			history++
		}
	}
	if kinds[kindFold] == 0 || kinds[kindMerge] == 0 || len(b.tail.ingested) == 0 || history < 2 || b.man.folded.rev == db.end.rev {
		t.Fatalf("tables by kind %v, %d ingested in the tail, %d segments of history: want some of each", kinds, len(b.tail.ingested), history)
	}
}

// flipped returns the image with one bit of one file flipped.
func (img image) flipped(name string, bit int) image {
	img = maps.Clone(img)
	b := slices.Clone(img[name])
	b[bit/8] ^= 1 << (bit % 8)
	img[name] = b
	return img
}

// check reads everything of an image. Each read has to be right, or has to be
// refused with an honest error; it returns what is neither.
func (c *flipCase) check(img image) error {
	_, err := c.reads(img)
	return err
}

// reads is check that also returns the first error with which a read was
// refused.
func (c *flipCase) reads(img image) (refused, wrong error) {
	orHonest := func(what string, err error) error {
		if refused == nil {
			refused = err
		}
		return orHonest(what, err)
	}
	wrong = c.readScope(img, c.everything(), orHonest)
	return refused, wrong
}

// A flipScope is what is read of an image.
type flipScope struct {
	newest bool // the newest state, and single keys of it
	past   []Rev
	events [][2]Rev // from, to
}

func (c *flipCase) everything() flipScope {
	return flipScope{newest: true, past: c.past, events: [][2]Rev{{1, c.model.rev()}}}
}

// affected is what reads a file: nothing else can go wrong because of it.
func (c *flipCase) affected(name string) (s flipScope) {
	switch path.Dir(name) {
	case tablesDir:
		s.newest = true
		for _, rev := range c.loads { // their changes are in tables alone
			s.events = append(s.events, [2]Rev{rev, rev})
		}
		return s
	case logDir, historyDir:
		first, _ := parseSegmentName(path.Base(name))
		last := c.model.rev()
		for other := range c.img {
			if next, ok := parseSegmentName(path.Base(other)); ok && next > first {
				last = min(last, next-1)
			}
		}
		for _, at := range c.past {
			if at >= first && at <= last {
				s.past = append(s.past, at)
			}
		}
		s.newest = path.Dir(name) == logDir
		s.events = [][2]Rev{{first, last}}
		return s
	}
	return c.everything()
}

// readScope reads what is in the scope.
func (c *flipCase) readScope(img image, s flipScope, orHonest func(string, error) error) error {
	ctx := context.Background()
	db, err := Open(ctx, "db", Options{Now: c.clock.now, FS: imageFS{img}, ReadOnly: true, sizes: lawSizes})
	if err != nil {
		return orHonest("open", err)
	}
	defer db.Close()
	// Single keys first, one that is not there among them, while nothing is
	// verified yet.
	err = db.View(ctx, Newest, func(tx Tx) error {
		want := c.now
		for i := 0; i < 90 && s.newest; i += 9 {
			key := fmt.Sprintf("k%03d", i)
			e, err := tx.Get(ctx, key)
			w, ok := want[userIKey(key)]
			switch {
			case errors.Is(err, ErrNotFound) && ok, err == nil && (!ok || cellOf(e) != w):
				return fmt.Errorf("Get(%q) = %q, %v, want %q, %t", key, e.Value, err, w.value, ok)
			case err != nil && !errors.Is(err, ErrNotFound):
				return err
			}
		}
		return nil
	})
	if err := orHonest("get", err); err != nil {
		return err
	}
	revs := slices.Clone(s.past)
	if s.newest {
		revs = append(revs, Newest)
	}
	for _, at := range revs {
		want := c.now
		if at != Newest {
			want = c.model.past(at)
		}
		got, rev, err := dump(db, at)
		if err == nil && at == Newest && rev != c.model.rev() {
			return fmt.Errorf("the newest revision is %d, want %d", rev, c.model.rev())
		}
		if err == nil {
			if d := differ(got, want); d != "" {
				return fmt.Errorf("revision %d: %s", at, d)
			}
		} else if err := orHonest(fmt.Sprintf("revision %d", at), err); err != nil {
			return err
		}
	}
	for _, span := range s.events {
		all := make([]string, len(c.events))
		err := db.events(ctx, span[0], span[1], func(r *record, v *version) error {
			all[r.rev] += eventText(r, v)
			return nil
		})
		if err != nil {
			if err := orHonest("events", err); err != nil {
				return err
			}
		} else if !slices.Equal(all[span[0]:span[1]+1], c.events[span[0]:span[1]+1]) {
			return fmt.Errorf("events from %d to %d differ", span[0], span[1])
		}
	}
	return nil
}

// orHonest passes on an error that does not say that and where the files are
// damaged.
func orHonest(what string, err error) error {
	if err == nil || honest(err) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// maxFlipMemory bounds what one look at a damaged database of a few dozen
// kilobytes may allocate.
const maxFlipMemory = 48 << 20

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// Ensure that no flipped bit of any file is ever read as data, hides a key,
// or makes the engine panic or take memory without bounds. For each bit what
// reads its file is read, and for one in sixteen everything.
func TestLawFlippedBitRead(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // garbage is most of the work
	r := lawRand(t)
	c := newFlipCase(t)
	if err := c.check(c.img); err != nil {
		t.Fatalf("before any flip: %v", err)
	}
	type flip struct {
		name  string
		bit   int
		scope flipScope
		boot  bool // MARK is of a former run of the machine
	}
	otherBoot := maps.Clone(c.img)
	otherBoot[markFile] = asOtherBoot(t, c.img[markFile])
	var flips []flip
	for _, name := range slices.Sorted(maps.Keys(c.img)) {
		affected := c.affected(name)
		if path.Dir(name) == quarantineDir {
			continue // no answer depends on it
		}
		for bit := range 8 * len(c.img[name]) {
			scope := affected
			if soaking() || r.IntN(16) == 0 {
				scope = c.everything()
			}
			if effort(40, 1, 1) == 1 || r.IntN(40) == 0 {
				flips = append(flips, flip{name: name, bit: bit, scope: scope})
				if dir := path.Dir(name); dir == "." || dir == logDir { // what is read otherwise then
					flips = append(flips, flip{name: name, bit: bit, scope: scope, boot: true})
				}
			}
		}
	}
	t.Logf("%d flips in %d files", len(flips), len(c.img))
	var group sync.WaitGroup
	var alone sync.RWMutex // locked to measure what one alone allocates
	check := func(f *flip) (took uint64, err error) {
		before := allocated()
		img := c.img
		if f.boot {
			img = otherBoot
		}
		err = guarded(func() error { return c.readScope(img.flipped(f.name, f.bit), f.scope, orHonest) })
		return allocated() - before, err
	}
	for w := range 2 {
		group.Go(func() {
			for i := w; i < len(flips) && !t.Failed(); i += 2 {
				f := &flips[i]
				alone.RLock()
				took, err := check(f)
				alone.RUnlock()
				if took > maxFlipMemory {
					alone.Lock()
					took, err = check(f)
					alone.Unlock()
				}
				if err != nil {
					t.Errorf("%s, bit %d of byte %d flipped: %v", f.name, f.bit%8, f.bit/8, err)
				}
				if took > maxFlipMemory {
					t.Errorf("%s, bit %d of byte %d flipped: %d bytes allocated", f.name, f.bit%8, f.bit/8, took)
				}
			}
		})
	}
	group.Wait()
}

// Ensure that a write to a database with a flipped bit either is refused or
// leaves a database that reads exactly as it should, whatever folds and merges
// it sets off.
func TestLawFlippedBitWrite(t *testing.T) {
	r := lawRand(t)
	c := newFlipCase(t)
	dir := filepath.Join(lawDir(t), "db")
	var names []string
	for name, b := range c.img {
		if len(b) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i := range effort(300, 1500, 40000) {
		name := names[i%len(names)]
		if i%3 == 0 {
			name = []string{markFile, manifestFile, formatFile}[i/3%3]
		}
		bit := r.IntN(8 * len(c.img[name]))
		c.img.flipped(name, bit).write(t, dir)
		if err := guarded(func() error { return c.writes(t, dir, r) }); err != nil {
			t.Fatalf("%s, bit %d of byte %d flipped: %v", name, bit%8, bit/8, err)
		}
	}
}

func (c *flipCase) writes(t *testing.T, dir string, r *rand.Rand) error {
	o := Options{Now: c.clock.now, Writer: "w", sizes: lawSizes}
	o.sizes.keep = 1 << 20
	db, err := Open(context.Background(), dir, o)
	if err != nil {
		return orHonest("open", err)
	}
	defer db.Close()
	want := c.model.newest().at(c.clock.ms)
	for i := range 3 {
		writes := map[string]*cell{userIKey(fmt.Sprintf("k%03d", r.IntN(100))): {value: "w"}}
		res, err := updateAll(db, writes)
		if err != nil {
			if res.Outcome != NotCommitted {
				return fmt.Errorf("outcome %v: %w", res.Outcome, err)
			}
			return orHonest("update", err)
		}
		if res.Rev != c.model.rev()+Rev(i)+1 {
			return fmt.Errorf("update made revision %d, the newest was %d", res.Rev, c.model.rev()+Rev(i))
		}
		maps.DeleteFunc(want, func(ikey string, _ cell) bool { return writes[ikey] != nil })
		for ikey, w := range writes {
			want[ikey] = *w
		}
	}
	if r.IntN(3) == 0 {
		_, err := db.Compact(context.Background(), CompactOptions{})
		if err := orHonest("compact", err); err != nil {
			return err
		}
	}
	got, _, err := dump(db, Newest)
	if err != nil {
		return orHonest("read after the write", err)
	}
	if d := differ(got, want); d != "" {
		return fmt.Errorf("after the write: %s", d)
	}
	return nil
}
