package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// fewKeys makes n versions of a handful of keys at revisions 1 to revs, in
// order, no two equal.
func fewKeys(r *rand.Rand, n, revs int) []version {
	m := map[string]version{}
	for range n {
		v := version{key: []byte{0, "abcdef"[r.IntN(6)]}, rev: Rev(1 + r.IntN(revs)), stamp: Stamp(r.IntN(9))}
		switch r.IntN(4) {
		case 0:
			v.deleted = true
		case 1:
			v.expires = int64(1 + r.IntN(20))
			fallthrough
		default:
			v.value = fmt.Appendf(nil, "%s@%d", v.key[1:], v.rev)
			v.size = len(v.value)
		}
		m[fmt.Sprint(v.key, v.rev)] = v
	}
	var vs []version
	for _, v := range m {
		vs = append(vs, v)
	}
	sortVersions(vs)
	return vs
}

func TestIKeyRoundTrip(t *testing.T) {
	for _, c := range []struct{ family, key string }{{"", "a"}, {"", "\x00"}, {"cf", "a\x00b"}, {"cf", ""}} {
		k := appendIKey([]byte("x"), c.family, c.key)[1:]
		f, key := splitIKey(k)
		if string(f) != c.family || string(key) != c.key || string(userKey(k)) != c.key {
			t.Errorf("splitIKey(appendIKey(%q, %q)) = %q, %q", c.family, c.key, f, key)
		}
	}
}

// A merge of parts is the whole in order, whatever the parts; what several
// have comes from the one listed first.
func TestMergeSource(t *testing.T) {
	r := tableRand(t)
	for range 3000 {
		all := fewKeys(r, r.IntN(40), 12)
		parts := make([][]version, r.IntN(6))
		var want []version
		for _, v := range all {
			first := -1
			for p := range parts {
				if r.IntN(len(parts)) == 0 {
					c := v
					c.origin = uint64(p)
					parts[p] = append(parts[p], c)
					if first < 0 {
						first = p
						want = append(want, c)
					}
				}
			}
		}
		reverse := r.IntN(2) == 0
		if reverse {
			slices.Reverse(want)
		}
		var sources []source
		for _, p := range parts {
			sources = append(sources, newSliceSource(p, reverse))
		}
		checkSource(t, fmt.Sprintf("merge of %d, reverse %t", len(parts), reverse), newMergeSource(sources, reverse), want)
	}
}

// failing yields some versions, then an error.
type failing struct {
	source
	e error
}

func (f failing) err() error { return f.e }

// An error of any source ends what is built on it, and comes out.
func TestSourcesPassErrors(t *testing.T) {
	r := tableRand(t)
	boom := errors.New("boom")
	for _, reverse := range []bool{false, true} {
		for name, build := range map[string]func(source) source{
			"merge": func(s source) source {
				return newMergeSource([]source{newSliceSource(fewKeys(r, 30, 9), reverse), s}, reverse)
			},
			"visible":  func(s source) source { return newVisible(s, 9, 0, reverse) },
			"retained": func(s source) source { return newRetained(s, retention{bottom: func([]byte) bool { return true }}) },
		} {
			src := build(failing{newSliceSource(fewKeys(r, r.IntN(20), 9), reverse), boom})
			for src.next() {
			}
			if src.next() || !errors.Is(src.err(), boom) {
				t.Errorf("%s, reverse %t: err() = %v, want %v", name, reverse, src.err(), boom)
			}
			src.close()
		}
	}
}

// visibleAt is what a reader sees, by the definition.
func visibleAt(vs []version, at Rev, now int64) []version {
	var out []version
	var key []byte
	for _, v := range vs {
		if v.rev > at || bytes.Equal(v.key, key) {
			continue
		}
		key = v.key
		if !v.deleted && (v.expires == 0 || v.expires > now) {
			out = append(out, v)
		}
	}
	return out
}

func TestVisible(t *testing.T) {
	r := tableRand(t)
	for range 3000 {
		vs := fewKeys(r, r.IntN(40), 12)
		at, now, reverse := Rev(r.IntN(14)), int64(r.IntN(22)), r.IntN(2) == 0
		want := visibleAt(vs, at, now)
		if reverse {
			slices.Reverse(want)
		}
		checkSource(t, fmt.Sprintf("visible at %d, now %d, reverse %t", at, now, reverse),
			newVisible(newSliceSource(vs, reverse), at, now, reverse), want)
	}
}

func TestVisibleExpiryEdge(t *testing.T) {
	vs := []version{{key: []byte("\x00a"), rev: 1, expires: 10}}
	for now, want := range map[int64]int{9: 1, 10: 0, 11: 0} {
		if got := len(collectVersions(t, newVisible(newSliceSource(vs, false), 1, now, false))); got != want {
			t.Errorf("a version that expires at 10 is seen %d times at %d, want %d", got, now, want)
		}
	}
}

func collectVersions(t *testing.T, src source) []version {
	t.Helper()
	defer src.close()
	var out []version
	for src.next() {
		out = append(out, *src.cur())
	}
	if err := src.err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRetainedCases(t *testing.T) {
	set := func(rev Rev) version {
		return version{key: []byte("\x00a"), rev: rev, stamp: 1, origin: 2, value: []byte("v"), size: 1}
	}
	del := func(rev Rev) version {
		return version{key: []byte("\x00a"), rev: rev, stamp: 1, origin: 2, deleted: true}
	}
	exp := func(rev Rev, at int64) version { v := set(rev); v.expires = at; return v }
	type vs = []version
	const from, before = 10, 100
	for _, c := range []struct {
		name        string
		in          vs
		bottom, mid vs // what is kept with nothing older below, and with something
	}{
		{"later ones stay", vs{set(13), del(12), exp(11, 5)}, vs{set(13), del(12), exp(11, 5)}, vs{set(13), del(12), exp(11, 5)}},
		{"of the others the newest", vs{set(10), set(9), del(8)}, vs{set(10)}, vs{set(10)}},
		{"a delete hides", vs{del(10), set(9)}, nil, vs{del(10)}},
		{"a delete under a later set", vs{set(11), del(10), set(9)}, vs{set(11)}, vs{set(11), del(10)}},
		{"a later delete over a set", vs{del(11), set(10)}, vs{del(11), set(10)}, vs{del(11), set(10)}},
		{"expired at the time", vs{exp(10, 100), set(9)}, nil, vs{del(10)}},
		{"expired before", vs{set(12), exp(9, 99)}, vs{set(12)}, vs{set(12), del(9)}},
		{"not expired", vs{exp(10, 101), set(9)}, vs{exp(10, 101)}, vs{exp(10, 101)}},
		{"expired below the newest", vs{set(10), exp(9, 5)}, vs{set(10)}, vs{set(10)}},
		{"an expired delete is a delete", vs{func() version { v := del(10); v.expires = 5; return v }()}, nil, vs{del(10)}},
	} {
		for _, bottom := range []bool{true, false} {
			want := c.mid
			if bottom {
				want = c.bottom
			}
			other := version{key: []byte("\x00b"), rev: 1, value: []byte("w"), size: 1} // the state of one key does not reach the next
			src := newRetained(newSliceSource(append(c.in, other), false), retention{from, before, func([]byte) bool { return bottom }})
			checkSource(t, fmt.Sprintf("%s, bottom %t", c.name, bottom), src, append(slices.Clone(want), other))
		}
	}
}

// A merge of some tables changes no answer at any revision that is kept: the
// older versions of a key may lie in a table outside the merge.
func TestRetainedKeepsAnswers(t *testing.T) {
	r := tableRand(t)
	for range 3000 {
		all := fewKeys(r, r.IntN(60), 16)
		split := Rev(r.IntN(16)) // up to it versions of a key are in the other table
		var merged, older []version
		has := map[string]bool{}
		for _, v := range all {
			if v.rev <= split {
				older = append(older, v)
				has[string(v.key)] = true
			} else {
				merged = append(merged, v)
			}
		}
		ret := retention{from: Rev(r.IntN(18)), before: int64(r.IntN(22)), bottom: func(k []byte) bool { return !has[string(k)] }}
		kept := collectVersions(t, newRetained(newSliceSource(merged, false), ret))
		if !slices.IsSortedFunc(kept, func(a, b version) int { return compareVersions(&a, &b) }) {
			t.Fatalf("kept %v is out of order", kept)
		}
		for at := max(ret.from, 1); at <= 18; at++ {
			now := ret.before + int64(r.IntN(5))
			got := newVisible(newMergeSource([]source{newSliceSource(kept, false), newSliceSource(older, false)}, false), at, now, false)
			checkSource(t, fmt.Sprintf("at %d of %+v", at, ret.from), got, visibleAt(all, at, now))
		}
		// Merging again what a merge kept changes nothing.
		checkSource(t, "merged twice", newRetained(newSliceSource(kept, false), ret), kept)
	}
}
