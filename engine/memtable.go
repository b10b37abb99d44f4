package engine

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// A memtable holds versions of keys in memory: what of the tail was read or
// written since. It grows only at its end: versions are added in the order of
// their revisions and never changed, so a reader of an older revision goes on
// undisturbed.
type memtable struct {
	filled atomic.Bool // there is something in it

	mu     sync.RWMutex         // guards all below
	keys   map[string][]version // by ikey, ascending by revision
	sorted []string             // the keys, in order
	fresh  []string             // keys that are not in sorted yet
}

// add takes over v, whose slices must not be changed any more.
func (m *memtable) add(v version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = make(map[string][]version)
	}
	m.filled.Store(true)
	vs, ok := m.keys[string(v.key)]
	if !ok {
		m.fresh = append(m.fresh, string(v.key))
	}
	m.keys[string(v.key)] = append(vs, v)
}

// empty reports whether there is nothing in it.
func (m *memtable) empty() bool {
	return !m.filled.Load()
}

// get returns the newest version with a revision of at most at.
func (m *memtable) get(ikey []byte, at Rev) (version, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	vs := m.keys[string(ikey)]
	for i := len(vs) - 1; i >= 0; i-- {
		if vs[i].rev <= at {
			return vs[i], true
		}
	}
	return version{}, false
}

// versions returns those of keys in the range with a revision of at most at,
// sorted as tables are.
func (m *memtable) versions(o *iterOptions, at Rev) []version {
	return m.collect(nil, m.inRange(o), o, at)
}

// inRange returns the keys in a range, in order. Nobody changes them any more.
func (m *memtable) inRange(o *iterOptions) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for len(m.fresh) > 0 { // again if others came, or prepend put all of them anew
		m.mu.RUnlock()
		m.sort()
		m.mu.RLock()
	}
	lo, hi := 0, len(m.sorted)
	if o.lo != nil {
		lo = sort.SearchStrings(m.sorted, string(o.lo))
	}
	if o.hi != nil {
		hi = max(lo, sort.SearchStrings(m.sorted, string(o.hi)))
	}
	return m.sorted[lo:hi]
}

// collect appends the versions of some keys with a revision of at most at to vs.
func (m *memtable) collect(vs []version, keys []string, o *iterOptions, at Rev) []version {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, key := range keys {
		all := m.keys[key]
		if o.match != nil && !o.match(userKey(all[0].key)) {
			continue
		}
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].rev <= at {
				vs = append(vs, all[i])
			}
		}
	}
	return vs
}

// source yields what versions returns, and looks at no more keys than it has to:
// most scans end long before the range does. Nothing older may be put below the
// memtable meanwhile.
func (m *memtable) source(o *iterOptions, at Rev) source {
	keys := m.inRange(o)
	if len(keys) == 0 {
		return newSliceSource(nil, o.reverse)
	}
	return &memSource{m: m, o: *o, at: at, keys: keys}
}

// memSource reads some keys at a time, and each time more of them.
type memSource struct {
	m    *memtable
	o    iterOptions
	at   Rev
	keys []string  // not read yet
	some int       // how many were read the last time
	vs   []version // of those, in the order of the source
	i    int       // index of cur
}

const (
	memSourceFirst = 16 // keys that are read at once
	memSourceMost  = 1024
)

func (s *memSource) cur() *version { return &s.vs[s.i] }
func (s *memSource) err() error    { return nil }
func (s *memSource) close()        {}

func (s *memSource) next() bool {
	for s.i++; s.i >= len(s.vs); s.i = 0 {
		if len(s.keys) == 0 {
			return false
		}
		s.some = min(max(4*s.some, memSourceFirst), memSourceMost, len(s.keys))
		rest := len(s.keys) - s.some
		if s.o.reverse {
			s.vs = s.m.collect(s.vs[:0], s.keys[rest:], &s.o, s.at)
			slices.Reverse(s.vs)
			s.keys = s.keys[:rest]
		} else {
			s.vs = s.m.collect(s.vs[:0], s.keys[:s.some], &s.o, s.at)
			s.keys = s.keys[s.some:]
		}
	}
	return true
}

// sort brings the fresh keys into order: a few among many is the usual case.
func (m *memtable) sort() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.fresh) == 0 {
		return
	}
	slices.Sort(m.fresh)
	merged := make([]string, 0, len(m.sorted)+len(m.fresh))
	i := 0
	for _, key := range m.fresh {
		n := sort.SearchStrings(m.sorted[i:], key)
		merged = append(merged, m.sorted[i:i+n]...)
		merged = append(merged, key)
		i += n
	}
	m.sorted = append(merged, m.sorted[i:]...)
	m.fresh = nil
}

// prepend puts the versions of an older memtable below those of m.
func (m *memtable) prepend(older *memtable) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, vs := range m.keys {
		if _, ok := older.keys[key]; !ok {
			older.fresh = append(older.fresh, key)
		}
		if older.keys == nil {
			older.keys = make(map[string][]version)
		}
		older.keys[key] = append(older.keys[key], vs...)
	}
	m.keys, m.sorted, m.fresh = older.keys, older.sorted, older.fresh
	m.filled.Store(len(m.keys) > 0)
}

// sortVersions sorts as tables are: by key, then newest first.
func sortVersions(vs []version) {
	slices.SortFunc(vs, func(a, b version) int { return compareVersions(&a, &b) })
}
