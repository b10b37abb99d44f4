package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// touched returns the revisions of the tail whose records a harm changed.
func (c *flipCase) touched(t *testing.T, img image) map[Rev]bool {
	t.Helper()
	hit := make(map[Rev]bool)
	places, _, err := listLog(imageFS{c.img}, "db")
	if err != nil {
		t.Fatal(err)
	}
	err = walkLog(context.Background(), imageFS{c.img}, "db", places, nil, func(p *logPiece) bool {
		was, is := c.img[p.seg.file()], img[p.seg.file()]
		if int64(len(is)) < p.end || !bytes.Equal(was[p.before.offset:p.end], is[p.before.offset:p.end]) {
			hit[p.rec.rev] = true
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return hit
}

// Ensure that salvage brings back every key whose newest version stands in a
// record or block that is whole, and a deleted one never; and that it changes
// nothing but its target.
func TestLawSalvage(t *testing.T) {
	r := lawRand(t)
	c := newFlipCase(t)
	dir := lawDir(t)
	want := c.model.newest().at(c.clock.ms)
	harms := c.harms(r, *repairStates)
	r.Shuffle(len(harms), func(i, j int) { harms[i], harms[j] = harms[j], harms[i] })
	gaps := 0
	for i, h := range harms[:min(len(harms), effort(40, 200, len(harms)))] {
		img := h.do(c.img)
		target := filepath.Join(dir, fmt.Sprint(i))
		report, err := Salvage(context.Background(), imageFS{img}, []string{"db"}, target, Options{Now: c.clock.now})
		if err != nil {
			t.Fatalf("%v: Salvage = %v", h, err)
		}
		db := mustOpen(t, target, Options{ReadOnly: true, Now: c.clock.now})
		got, _, err := dump(db, Newest)
		db.Close()
		os.RemoveAll(target)
		if err != nil {
			t.Fatalf("%v: read: %v", h, err)
		}
		gaps += len(report.Gaps)
		concerned := make(map[string]bool)
		for rev := range c.touched(t, img) {
			for _, s := range []lawState{c.model.states[rev-1], c.model.states[rev]} {
				for ikey := range s {
					if c.model.states[rev-1][ikey] != c.model.states[rev][ikey] {
						concerned[ikey] = true
					}
				}
			}
		}
		inTable := func(ikey string) bool {
			return slices.ContainsFunc(report.Gaps, func(g Gap) bool {
				return strings.HasSuffix(g.File, tableSuffix) && ikey >= string(g.From) && (g.To == nil || ikey <= string(g.To))
			})
		}
		keys := make(map[string]bool)
		for ikey := range want {
			keys[ikey] = true
		}
		for ikey := range got {
			keys[ikey] = true
		}
		for ikey := range keys {
			g, isThere := got[ikey]
			w, wasThere := want[ikey]
			if isThere == wasThere && g == w || concerned[ikey] || inTable(ikey) || h.name == manifestFile && !wasThere {
				continue
			}
			t.Fatalf("%v: key %q = %q, %t, want %q, %t; gaps %+v", h, ikey, g.value, isThere, w.value, wasThere, report.Gaps)
		}
	}
	t.Logf("%d gaps", gaps)
	if gaps == 0 {
		t.Error("no state had a gap: the law says little")
	}
}

// Ensure that salvage refuses a target that is there, and reports what has
// nothing to be read.
func TestSalvageRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Salvage(t.Context(), nil, []string{dir}, filepath.Join(dir, "new"), Options{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("Salvage of an empty folder = %v, want ErrNotFound", err)
	}
	if _, err := Salvage(t.Context(), nil, []string{goldenDir}, dir, Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("Salvage to a folder that is there = %v, want ErrExists", err)
	}
}

// Ensure that a state before a bad record can be read, as often as one likes,
// and that none behind it can.
func TestReadBeforeDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a.kv")
	db := mustOpen(t, dir, Options{Create: true})
	for i := range 5 {
		mustUpdate(t, db, map[string]*cell{userIKey("k"): {value: fmt.Sprint(i)}})
	}
	db.Close()
	path := filepath.Join(dir, logDir, segmentName(1))
	var third position
	if _, err := scanLog(OS, filepath.Join(dir, logDir), []Rev{1}, position{}, nil, func(r *record, at position) error {
		if r.rev == 4 {
			third = at
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[third.offset+50] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, dir, Options{ReadOnly: true})
	defer db.Close()
	get := func(at Rev) (value string, err error) {
		err = db.View(t.Context(), at, func(tx Tx) error {
			e, err := tx.Get(t.Context(), "k")
			value = string(e.Value)
			return err
		})
		return value, err
	}
	for range 2 * maxPasses {
		for at := Rev(1); at <= 3; at++ {
			if got, err := get(at); err != nil || got != fmt.Sprint(at-1) {
				t.Fatalf("Get at revision %d = %q, %v, want %d", at, got, err, at-1)
			}
		}
		if got, err := get(Newest); !errors.Is(err, ErrDamaged) {
			t.Fatalf("Get = %q, %v, want ErrDamaged", got, err)
		}
	}
	if got, err := get(4); !errors.Is(err, ErrDamaged) {
		t.Errorf("Get at the bad revision = %q, %v, want ErrDamaged", got, err)
	}
}

// Ensure that a snapshot of a database with any damaged record is refused.
func TestSnapshotOfDamage(t *testing.T) {
	c := newFlipCase(t)
	dir := filepath.Join(lawDir(t), "db")
	for name := range c.img {
		if !strings.HasPrefix(name, historyDir+"/0") && !strings.HasPrefix(name, logDir+"/0") || len(c.img[name]) < 60 {
			continue
		}
		c.img.flipped(name, 8*50).write(t, dir)
		db := mustOpen(t, dir, Options{Now: c.clock.now, sizes: lawSizes})
		target := filepath.Join(t.TempDir(), "s.kvs")
		if _, err := db.Snapshot(t.Context(), target); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Snapshot = %v, want ErrDamaged", name, err)
		}
		if _, err := os.Stat(target); err == nil {
			t.Errorf("%s: a snapshot was left", name)
		}
		db.Close()
	}
}
