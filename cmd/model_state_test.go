package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A modelKey is a key of a family.
type modelKey struct{ family, key string }

// A modelVersion is what a key was set to.
type modelVersion struct {
	value   string
	expires int64 // Unix milliseconds; 0: never
	rev     int
}

// A modelState is every key that is set, also those that have expired since.
type modelState map[modelKey]modelVersion

// A modelRev is one commit.
type modelRev struct {
	state modelState
	wrote map[modelKey]bool
	time  int64 // Unix milliseconds
}

// A model is what a database does, in the simplest way: it keeps every state
// whole. A command that it does not define in its present state is left out of
// a run, so a run stays meaningful when commands are taken out of it.
type model struct {
	now    int64 // Unix milliseconds
	family string
	revs   []modelRev // by revision; revs[0] is empty
	open   *modelRev  // the transaction begun, or nil
	saved  map[string]int
}

func newModel() *model {
	return &model{now: modelStart.UnixMilli(), revs: []modelRev{{state: modelState{}}}, saved: map[string]int{}}
}

// modelStart is when the clock of a model begins.
var modelStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// newest is the newest revision.
func (m *model) newest() int { return len(m.revs) - 1 }

// state is what commands see.
func (m *model) state() modelState {
	if m.open != nil {
		return m.open.state
	}
	return m.revs[m.newest()].state
}

// get returns a live value of a state at a moment.
func (s modelState) get(k modelKey, now int64) (modelVersion, bool) {
	if v, ok := s[k]; ok && (v.expires == 0 || now < v.expires) {
		return v, true
	}
	return modelVersion{}, false
}

// live is the keys of a family that are there at a moment, sorted.
func (s modelState) live(family string, now int64) []string {
	var keys []string
	for k := range s {
		if _, ok := s.get(k, now); ok && k.family == family {
			keys = append(keys, k.key)
		}
	}
	slices.Sort(keys)
	return keys
}

// A modelChange is what a command writes: nil deletes.
type modelChange map[modelKey]*modelVersion

// commit applies changes as one transaction, or to the open one.
func (m *model) commit(change modelChange) {
	if len(change) == 0 {
		return
	}
	if m.open == nil {
		m.begin()
		m.write(change)
		m.end()
		return
	}
	m.write(change)
}

func (m *model) begin() {
	m.open = &modelRev{state: maps.Clone(m.revs[m.newest()].state), wrote: map[modelKey]bool{}, time: m.now}
}

func (m *model) write(change modelChange) {
	for k, v := range change {
		m.open.wrote[k] = true
		if v == nil {
			delete(m.open.state, k)
		} else {
			m.open.state[k] = modelVersion{v.value, v.expires, m.newest() + 1}
		}
	}
}

func (m *model) end() {
	if len(m.open.wrote) > 0 {
		m.revs = append(m.revs, *m.open)
	}
	m.open = nil
}

// A modelOutcome is what a command is to come to.
type modelOutcome struct {
	code int
	out  string
	any  bool // the output is not looked at
}

// A modelCommand is one step of a run: a line of a script or, without words,
// something else that happens.
type modelCommand struct {
	words   []string
	data    string        // of the file that the word modelFile stands for
	clock   time.Duration // the clock goes on
	restart bool          // another process goes on
}

// modelFile stands in the words of a command for a file that exists only when
// it runs.
const modelFile = "{file}"

// split takes --cf and --dry-run off the words.
func (m *model) split(words []string) (family string, dry bool, rest []string) {
	family = m.family
	for {
		switch {
		case words[0] == "--cf":
			family, words = words[1], words[2:]
		case words[0] == "--dry-run":
			dry, words = true, words[1:]
		default:
			return family, dry, words
		}
	}
}

// apply does what a command does. defined is whether the model knows; then
// nothing was done if not.
func (m *model) apply(c modelCommand) (want modelOutcome, defined bool) {
	if len(c.words) == 0 {
		if c.clock > 0 && m.open != nil {
			return want, false // a transaction keeps its time
		}
		m.now += c.clock.Milliseconds()
		if c.restart {
			m.open, m.family = nil, ""
		}
		return want, true
	}
	family, dry, words := m.split(c.words)
	f := modelFlags{}
	f.parse(words[0], words[1:])
	if dry {
		if m.open != nil {
			return want, false
		}
		clone := *m
		clone.revs = slices.Clone(m.revs)
		want, defined = clone.run(c, family, words[0], f)
		want.any = want.any || words[0] == "undo" // which lists what it would do
		return want, defined
	}
	return m.run(c, family, words[0], f)
}

func (m *model) run(c modelCommand, family, name string, f modelFlags) (modelOutcome, bool) {
	k := func(i int) modelKey { return modelKey{family, f.args[i]} }
	switch name {
	case "begin", "commit", "rollback", "use", "compact", "snapshot", "undo", "history", "diff", "cf":
		return m.around(c, name, family, f)
	case "get", "exists", "count", "list", "ttl":
		if name != "ttl" || len(f.args) == 1 {
			return m.read(name, family, f)
		}
		return m.setTTL(k(0), f.args[1]), true
	case "set":
		return m.set(k(0), f)
	case "mset":
		return m.mset(family, f), true
	case "del", "clear":
		return m.remove(name, family, f), true
	case "incr":
		return m.incr(k(0), f.args[1]), true
	case "append":
		v, _ := m.state().get(k(0), m.now)
		v.value += f.args[1]
		m.commit(modelChange{k(0): &v})
		return modelOutcome{out: fmt.Sprintln(len(v.value))}, true
	case "mv", "cp":
		return m.transfer(name, k(0), k(1), f.has("-f")), true
	case "import":
		return m.load(family, c.data, f), true
	}
	panic("no model of " + name)
}

// modelFlags are the flags and words behind a command.
type modelFlags struct {
	flags map[string]string
	args  []string
}

// parse splits the words of a command as the generator joins them: a flag that
// begins with one dash, and the few below, have no value.
func (f *modelFlags) parse(name string, words []string) {
	f.flags = map[string]string{}
	free := name == "set" || name == "append" || name == "incr" // no flags behind the key
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case free && len(f.args) > 0:
			f.args = append(f.args, w)
		case w == "--":
			f.args = append(f.args, words[i+1:]...)
			return
		case w == "-y", w == "-f", w == "--old", w == "--if-absent", w == "--if-exists", w == "--strict", w == "--reverse":
			f.flags[w] = ""
		case strings.HasPrefix(w, "--"):
			i++
			f.flags[w] = words[i]
		default:
			f.args = append(f.args, w)
		}
	}
}

func (f *modelFlags) has(name string) bool { _, ok := f.flags[name]; return ok }

// at is the state and the moment that a reading command looks at. The model
// has every revision; ok is false for one that is yet to come.
func (m *model) at(f modelFlags) (s modelState, now int64, ok bool) {
	text, past := f.flags["--at"]
	if !past {
		return m.state(), m.now, true
	}
	rev, err := strconv.Atoi(text)
	if err != nil || rev > m.newest() {
		return nil, 0, false
	}
	return m.revs[rev].state, m.revs[rev].time, true
}

// selects is the keys of a selection, in the order of the command.
func (f *modelFlags) selects(s modelState, family string, now int64) []string {
	var keys []string
	for _, key := range s.live(family, now) {
		prefix, suffix, contains := f.flags["--prefix"], f.flags["--suffix"], f.flags["--contains"]
		from, to := f.flags["--from"], f.flags["--to"]
		if strings.HasPrefix(key, prefix) && strings.HasSuffix(key, suffix) && strings.Contains(key, contains) &&
			key >= from && (to == "" || key < to) {
			keys = append(keys, key)
		}
	}
	if f.has("--reverse") {
		slices.Reverse(keys)
	}
	if limit, err := strconv.Atoi(f.flags["--limit"]); err == nil && limit > 0 && limit < len(keys) {
		keys = keys[:limit]
	}
	return keys
}

func (m *model) read(name, family string, f modelFlags) (want modelOutcome, defined bool) {
	s, now, ok := m.at(f)
	switch {
	case f.has("--at") && m.open != nil:
		return want, false
	case !ok:
		return modelOutcome{code: exitNo}, true
	}
	switch name {
	case "list", "count":
		keys := f.selects(s, family, now)
		if name == "count" {
			return modelOutcome{out: fmt.Sprintln(len(keys))}, true
		}
		for _, key := range keys {
			want.out += key + "\n"
		}
		return want, true
	case "ttl":
		v, ok := s.get(modelKey{family, f.args[0]}, now)
		switch {
		case !ok:
			want.code = exitNo
		case v.expires == 0:
			want.out = "none\n"
		default:
			want.out = durationText(time.Duration(v.expires-now)*time.Millisecond) + "\n"
		}
		return want, true
	}
	for _, key := range f.args {
		v, ok := s.get(modelKey{family, key}, now)
		if !ok && f.has("--default") {
			v.value, ok = f.flags["--default"], true
		}
		if !ok {
			want.code = exitNo
		} else if name == "get" {
			want.out += v.value + "\n"
		}
	}
	return want, true
}
