package crashfs_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"kvsh/engine/crashfs"
)

// after returns what a crash behind the last call leaves, as text, sorted: the
// files with their content.
func after(h *crashfs.History, at int, m crashfs.Model) []string {
	found := map[string]bool{}
	sums := map[uint64]string{}
	h.States(at, m, crashfs.Effort{Cuts: 100, Random: 50}, rand.New(rand.NewPCG(1, 1)), func(s *crashfs.State) bool {
		text := describe(s.Disk())
		if before, ok := sums[s.Sum]; ok && before != text {
			panic("two disks with one sum: " + before + " and " + text)
		}
		sums[s.Sum] = text
		found[text] = true
		return true
	})
	return slices.Sorted(maps.Keys(found))
}

func describe(d *crashfs.Disk) string {
	mem := crashfs.Mount(d)
	defer mem.Unmount()
	var all []string
	for _, path := range d.Paths() {
		if !strings.HasSuffix(path, "/") {
			b, _ := crashfs.ReadFile(mem.Path() + "/" + path)
			path += "=" + string(b)
		}
		all = append(all, path)
	}
	return strings.Join(all, " ")
}

// A tape runs a few calls and keeps what they were.
type tape struct {
	t   *testing.T
	fs  *crashfs.FS
	all map[string]*crashfs.File
}

func newTape(t *testing.T) *tape {
	mem := crashfs.Mount(crashfs.NewDisk())
	t.Cleanup(mem.Unmount)
	return &tape{t, mem, map[string]*crashfs.File{}}
}

func (p *tape) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *tape) path(name string) string { return p.fs.Path() + "/" + name }

func (p *tape) file(name string) *crashfs.File {
	if p.all[name] == nil {
		f, err := p.fs.OpenFile(p.path(name), os.O_RDWR|os.O_CREATE, 0o600)
		p.must(err)
		p.all[name] = f
	}
	return p.all[name]
}

func (p *tape) write(name, data string) { _, err := p.file(name).Write([]byte(data)); p.must(err) }
func (p *tape) sync(name string)        { p.must(p.file(name).Sync()) }
func (p *tape) syncDir(name string)     { p.must(p.fs.SyncDir(p.path(name))) }

// durable is that everything so far is.
func (p *tape) durable() *tape {
	for name := range p.all {
		p.sync(name)
	}
	p.syncDir("")
	return p
}

// want fails the test unless the crash leaves all these and nothing of those.
func (p *tape) want(m crashfs.Model, all, never []string) {
	p.t.Helper()
	h := p.fs.History()
	got := after(h, len(h.Ops), m)
	for _, s := range all {
		if !slices.Contains(got, s) {
			p.t.Errorf("%v: %q is missing of %q", m, s, got)
		}
	}
	for _, s := range never {
		if slices.Contains(got, s) {
			p.t.Errorf("%v: %q is one of %q", m, s, got)
		}
	}
}

// Ensure that what was synced is there in every state, whatever the model.
func TestSyncedIsSure(t *testing.T) {
	p := newTape(t)
	p.write("a", "hello")
	p.write("b", "")
	p.durable()
	for _, m := range []crashfs.Model{crashfs.Kill, crashfs.Journal, crashfs.Posix} {
		h := p.fs.History()
		if got := after(h, len(h.Ops), m); !slices.Equal(got, []string{"a=hello b="}) {
			t.Errorf("%v: %q, want the one state", m, got)
		}
	}
}

// Ensure that content that was not synced may be missing, cut, zeros or have
// what later writes brought without what earlier ones did.
func TestUnsyncedContent(t *testing.T) {
	p := newTape(t)
	p.write("a", "12")
	p.durable()
	p.write("a", "34")
	p.write("a", "5")
	all := []string{"a=12345", "a=12", "a=1234", "a=12\x00\x005", "a=123", "a=12\x00\x00", "a=1234\x00"}
	p.want(crashfs.Journal, all, []string{"a=1", "a="})
	p.want(crashfs.Posix, all, []string{"a=1", "a="})
	p.want(crashfs.Kill, []string{"a=12345"}, all[1:])
}

// Ensure that of a write under way any part may be there when the process
// ends, but that one inside a sector that is there already is whole or not.
func TestKilledInWrite(t *testing.T) {
	p := newTape(t)
	p.write("a", "123")
	h := p.fs.History()
	if got, want := after(h, 1, crashfs.Kill), []string{"a=", "a=1", "a=12"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := p.file("a").WriteAt([]byte("xy"), 0); err != nil {
		t.Fatal(err)
	}
	h = p.fs.History()
	if got, want := after(h, 2, crashfs.Kill), []string{"a=123"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	p.want(crashfs.Posix, nil, []string{"a=x23"})
}

// Ensure that names need a sync of their folder in one model, and any later
// sync in the other, where they come in order.
func TestNames(t *testing.T) {
	p := newTape(t)
	p.write("a", "1")
	p.sync("a")
	p.write("b", "2")
	p.sync("b")
	p.want(crashfs.Posix, []string{"", "a=1", "b=2", "a=1 b=2"}, nil)
	p.want(crashfs.Journal, []string{"a=1 b=2"}, []string{"", "a=1", "b=2"})
	p.syncDir("")
	p.want(crashfs.Posix, []string{"a=1 b=2"}, []string{"", "a=1", "b=2"})
	p.must(p.fs.Remove(p.path("a")))
	p.must(p.fs.Remove(p.path("b")))
	p.want(crashfs.Posix, []string{"", "a=1", "b=2", "a=1 b=2"}, nil)
	p.want(crashfs.Journal, []string{"", "b=2", "a=1 b=2"}, []string{"a=1"})
}

// Ensure that a rename never loses both names, and puts a file in place of
// another at once.
func TestRename(t *testing.T) {
	p := newTape(t)
	p.write("new", "N")
	p.write("old", "O")
	p.durable()
	p.must(p.fs.Rename(p.path("new"), p.path("old")))
	p.want(crashfs.Journal, []string{"new=N old=O", "old=N"}, []string{"new=N old=N", "new=N", "old=O", ""})
	p.want(crashfs.Posix, []string{"new=N old=O", "old=N", "new=N old=N"}, []string{"new=N", "old=O", ""})
	p.syncDir("")
	p.want(crashfs.Posix, []string{"old=N"}, []string{"new=N old=O"})
}

// Ensure that a killed process leaves what is not durable: the power may go
// after it.
func TestKilledThenUnplugged(t *testing.T) {
	p := newTape(t)
	p.write("a", "12")
	h := p.fs.History()
	h.States(1, crashfs.Kill, crashfs.Effort{Cuts: 9}, rand.New(rand.NewPCG(1, 1)), func(s *crashfs.State) bool {
		if s.Done != 1 {
			return true
		}
		if got, want := after(h.Until(1, s), 2, crashfs.Posix), []string{"", "a=", "a=\x00", "a=1"}; !slices.Equal(slices.DeleteFunc(got, garbage), want) {
			t.Errorf("%q, want %q", got, want)
		}
		return true
	})
}

// garbage reports whether a state holds what was never written.
func garbage(s string) bool {
	return strings.HasPrefix(s, "a=") && len(s) == 3 && s != "a=1" && s != "a=\x00"
}
