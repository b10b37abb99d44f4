package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (m *model) set(k modelKey, f modelFlags) (want modelOutcome, defined bool) {
	old, found := m.state().get(k, m.now)
	if f.has("--if-rev") {
		if m.open != nil {
			return want, false
		}
		rev, _ := strconv.Atoi(f.flags["--if-rev"])
		if rev == 0 && found || rev > 0 && (!found || old.rev != rev) {
			return modelOutcome{code: exitNo}, true
		}
	}
	if f.has("--if-absent") && found || f.has("--if-exists") && !found ||
		f.has("--if-value") && (!found || old.value != f.flags["--if-value"]) {
		return modelOutcome{code: exitNo}, true
	}
	v := modelVersion{value: f.args[1]}
	if f.has("--ttl") {
		v.expires = m.now + modelDuration(f.flags["--ttl"])
	}
	m.commit(modelChange{k: &v})
	if found && f.has("--old") {
		want.out = old.value + "\n"
	}
	return want, true
}

// modelDuration is a time span in milliseconds.
func modelDuration(text string) int64 {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d.Milliseconds()
}

func (m *model) setTTL(k modelKey, text string) modelOutcome {
	v, ok := m.state().get(k, m.now)
	if !ok {
		return modelOutcome{code: exitNo}
	}
	if text == "none" && v.expires == 0 {
		return modelOutcome{}
	}
	v.expires = 0
	if text != "none" {
		v.expires = m.now + modelDuration(text)
	}
	m.commit(modelChange{k: &v})
	return modelOutcome{}
}

func (m *model) mset(family string, f modelFlags) modelOutcome {
	change := modelChange{}
	for pair := range slices.Chunk(f.args, 2) {
		k := modelKey{family, pair[0]}
		if _, found := m.state().get(k, m.now); found && f.has("--if-absent") {
			return modelOutcome{code: exitNo}
		}
		change[k] = &modelVersion{value: pair[1]}
	}
	m.commit(change)
	return modelOutcome{}
}

func (m *model) remove(name, family string, f modelFlags) modelOutcome {
	keys := f.args
	if len(keys) == 0 {
		keys = f.selects(m.state(), family, m.now)
	}
	change := modelChange{}
	for _, key := range keys {
		k := modelKey{family, key}
		if _, found := m.state().get(k, m.now); found {
			change[k] = nil
		} else if f.has("--strict") {
			return modelOutcome{code: exitNo}
		}
	}
	want := modelOutcome{out: fmt.Sprintln(len(change))}
	if len(change) == 0 && name == "del" {
		want.code = exitNo
	}
	m.commit(change)
	return want
}

func (m *model) incr(k modelKey, by string) modelOutcome {
	v, found := m.state().get(k, m.now)
	n, err := strconv.ParseInt(by, 10, 64)
	if err != nil {
		panic(err)
	}
	old := int64(0)
	if found {
		if old, err = strconv.ParseInt(v.value, 10, 64); err != nil {
			return modelOutcome{code: exitUsage}
		}
	}
	if n > 0 && old+n < old || n < 0 && old+n > old {
		return modelOutcome{code: exitUsage}
	}
	v.value = strconv.FormatInt(old+n, 10)
	m.commit(modelChange{k: &v})
	return modelOutcome{out: v.value + "\n"}
}

func (m *model) transfer(name string, from, to modelKey, force bool) modelOutcome {
	v, found := m.state().get(from, m.now)
	_, taken := m.state().get(to, m.now)
	switch {
	case !found:
		return modelOutcome{code: exitNo}
	case from == to:
		return modelOutcome{}
	case taken && !force:
		return modelOutcome{code: exitRefused}
	}
	change := modelChange{to: &v}
	if name == "mv" {
		change[from] = nil
	}
	m.commit(change)
	return modelOutcome{}
}

// load is an import of lines with a key and a value.
func (m *model) load(family, data string, f modelFlags) modelOutcome {
	change := modelChange{}
	for line := range strings.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		k := modelKey{family, f.flags["--add-prefix"] + key}
		old, found := m.state().get(k, m.now)
		switch {
		case found && f.flags["--on-conflict"] == "fail":
			return modelOutcome{code: exitRefused}
		case found && f.flags["--on-conflict"] == "keep", found && old.value == value && old.expires == 0:
		default:
			change[k] = &modelVersion{value: value}
		}
	}
	m.commit(change)
	return modelOutcome{}
}

// around is the commands that are about commits and not about one state.
func (m *model) around(c modelCommand, name, family string, f modelFlags) (want modelOutcome, defined bool) {
	switch name {
	case "begin":
		if m.open != nil {
			return modelOutcome{code: exitUsage}, true
		}
		m.begin()
		return want, true
	case "commit", "rollback":
		switch {
		case m.open == nil:
			want.code = exitUsage
		case name == "commit":
			m.end()
		}
		m.open = nil
		return want, true
	case "use":
		m.family = strings.Join(f.args, "")
		return want, true
	case "history":
		return m.history(modelKey{family, f.args[0]})
	}
	if m.open != nil || m.newest() == 0 {
		return want, false
	}
	switch name {
	case "compact":
		want.any = true
	case "snapshot":
		want.any = true
		m.saved[f.args[1]] = m.newest()
	case "cf":
		return m.families(), true
	case "undo":
		return m.undo(family, f), true
	case "diff":
		return m.diff(family, f)
	}
	return want, true
}

func (m *model) families() (want modelOutcome) {
	names := map[string]bool{}
	s := m.state()
	for k := range s {
		if _, ok := s.get(k, m.now); ok && k.family != "" {
			names[k.family] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		want.out += name + "\n"
	}
	return want
}

// history is the revisions that wrote a key, the newest first.
func (m *model) history(k modelKey) (want modelOutcome, defined bool) {
	if m.open != nil || m.newest() == 0 {
		return want, false
	}
	want.code = exitNo
	for rev := m.newest(); rev > 0; rev-- {
		if m.revs[rev].wrote[k] {
			want.code = exitYes
			want.out += fmt.Sprintln(rev)
		}
	}
	return want, true
}

// undo takes back what revisions behind after, up to upTo, did.
func (m *model) undo(family string, f modelFlags) modelOutcome {
	after, upTo := m.newest()-1, m.newest()
	var only *modelKey
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	switch {
	case f.has("--key"):
		only = &modelKey{family, f.flags["--key"]}
		for upTo > 0 && !m.revs[upTo].wrote[*only] {
			upTo--
		}
		after = upTo - 1
	case f.has("--rev"):
		upTo = number(f.flags["--rev"])
		after = upTo - 1
	case f.has("--to"):
		after = number(f.flags["--to"])
	case len(f.args) > 0:
		after = m.newest() - number(f.args[0])
	}
	if after < 0 || max(after, upTo) > m.newest() {
		return modelOutcome{code: exitNo}
	}
	change, refused := modelChange{}, false
	for rev := after + 1; rev <= upTo; rev++ {
		for k := range m.revs[rev].wrote {
			if only != nil && k != *only {
				continue
			}
			before, then := m.revs[after].state, m.revs[upTo].state
			if m.alike(before, m.state(), k) {
				continue
			}
			changed := false
			for later := upTo + 1; later <= m.newest(); later++ {
				changed = changed || m.revs[later].wrote[k]
			}
			if changed && m.alike(before, then, k) {
				continue // what was done to it is not to be seen
			}
			refused = refused || changed && !f.has("-f")
			change[k] = nil
			if v, ok := before.get(k, m.now); ok {
				change[k] = &v
			}
		}
	}
	switch {
	case refused:
		return modelOutcome{code: exitRefused}
	case len(change) == 0:
		return modelOutcome{code: exitNo}
	}
	m.commit(change)
	return modelOutcome{}
}

// alike reports whether a key reads the same now in two states.
func (m *model) alike(a, b modelState, k modelKey) bool {
	v, inA := a.get(k, m.now)
	w, inB := b.get(k, m.now)
	return inA == inB && (!inA || v.value == w.value && v.expires == w.expires)
}

// diff says whether two revisions differ. What has an expiry depends on the
// moment at which each is looked at, and is left to other tests.
func (m *model) diff(family string, f modelFlags) (want modelOutcome, defined bool) {
	var revs [2]int
	for i, text := range f.args {
		revs[i], _ = strconv.Atoi(text)
		if revs[i] > m.newest() {
			return modelOutcome{code: exitNo}, true
		}
	}
	a, b := m.revs[revs[0]].state, m.revs[revs[1]].state
	for _, s := range []modelState{a, b} {
		for _, v := range s {
			if v.expires != 0 {
				return want, false
			}
		}
	}
	want.any = true
	for _, s := range []modelState{a, b} {
		for k := range s {
			if family != "" && k.family != family {
				continue
			}
			if a[k].value != b[k].value || a[k].rev == 0 || b[k].rev == 0 {
				want.code = exitNo
			}
		}
	}
	return want, true
}
