package completions

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func environment(name string) string {
	return map[string]string{"HOME": "/home/ann", "DB": "my notes.kv"}[name]
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		shell, text string
		words       []string
		word        string
		unknown     bool
	}{
		{"bash", "kvsh ge", []string{"kvsh"}, "ge", false},
		{"bash", "kvsh get ", []string{"kvsh", "get"}, "", false},
		{"bash", `kvsh get 'a b' "c \$d\x" e\ f`, []string{"kvsh", "get", "a b", `c $d\x`}, "e f", false},
		{"bash", `kvsh get "us:e`, []string{"kvsh", "get"}, "us:e", false},
		{"bash", `kvsh get $'a\n\xff\'b`, []string{"kvsh", "get"}, "a\n\xff'b", false},
		{"bash", `kvsh get a'b'"c"d\`, []string{"kvsh", "get"}, "abcd", false},
		{"bash", `kvsh -d "$DB" get x${HOME}~/y`, []string{"kvsh", "-d", "my notes.kv", "get"}, "x/home/ann~/y", false},
		{"bash", `kvsh ~/a ~`, []string{"kvsh", "/home/ann/a"}, "/home/ann", false},
		{"bash", "kvsh get $NOTHING", []string{"kvsh", "get"}, "$NOTHING", true},
		{"bash", "kvsh get '$HOME'", []string{"kvsh", "get"}, "$HOME", false},
		{"bash", "kvsh set '' x", []string{"kvsh", "set", ""}, "x", false},
		{"bash", "true; kvsh get a 2>err | kvsh ge", []string{"kvsh"}, "ge", false},
		{"fish", `kvsh get 'it\'s' "a\$b" c\ d\x41`, []string{"kvsh", "get", "it's", "a$b"}, "c dA", false},
		{"fish", `kvsh get a\$b{`, []string{"kvsh", "get"}, "a$b{", false},
		{"fish", `kvsh get a\Xe4\n\"`, []string{"kvsh", "get"}, "a\xe4\n\"", false},
	} {
		l := Split(c.shell, c.text, environment)
		if !slices.Equal(l.Words, c.words) || l.Word != c.word || l.Known == c.unknown {
			t.Errorf("Split(%s, %q) = %q and %q, known %v; want %q and %q, %v", c.shell, c.text, l.Words, l.Word, l.Known, c.words, c.word, !c.unknown)
		}
	}
	if l := Split("bash", "kvsh get a >out", environment); !l.File || l.Word != "out" {
		t.Errorf("behind > there is %q, a file: %v; want out, true", l.Word, l.File)
	}
}

// What Insert writes extends what was typed, splits into the same words, and
// is what bash itself takes it for.
func TestInsertLaw(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"a", "B", "7", " ", "'", `"`, `\`, "$", "`", "!", "*", "?", "[", "]", "{", "}", "~", "#", "&", ";", "|", "<", ">", "(", ")", "世", "é", "\xff", "\x01", "\n", "\t", ":", "=", "^", "%"}
	var script strings.Builder
	var want []string
	for range 400 {
		var key strings.Builder
		for range 1 + random.IntN(8) {
			key.WriteString(parts[random.IntN(len(parts))])
		}
		text := key.String()
		// A beginning of it, typed in some way.
		n := random.IntN(len(text) + 1)
		typed := Line{quote: quoting(random.IntN(3)), Known: true}
		typed.Raw = []string{"", "'", `"`}[typed.quote]
		typed.Raw = typed.Insert(text[:n], false)
		if typed.Raw == "" && random.IntN(2) == 0 {
			typed.Raw = `\`
		}
		l := Split("bash", "kvsh get "+typed.Raw, environment)
		if !strings.HasPrefix(text, l.Word) {
			t.Fatalf("Split of %q has %q, want a beginning of %q", typed.Raw, l.Word, text)
		}
		inserted := l.Insert(text, true)
		if !strings.HasPrefix(inserted, strings.TrimSuffix(l.Raw, `\`)) {
			t.Errorf("Insert(%q) behind %q = %q, which does not extend it", text, l.Raw, inserted)
		}
		if again := Split("bash", "kvsh "+inserted, environment); again.Word != text {
			t.Errorf("Insert(%q) behind %q = %q, which reads as %q", text, l.Raw, inserted, again.Word)
		}
		if strings.ContainsAny(inserted, "\n\t\x01") {
			t.Errorf("Insert(%q) = %q holds a control character", text, inserted)
		}
		fmt.Fprintf(&script, "printf '%%s\\0' %s\n", inserted)
		want = append(want, text)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIP: no bash here")
	}
	out, err := exec.Command(bash, "--norc", "-c", script.String()).Output()
	if err != nil {
		t.Fatalf("bash: %v", err)
	}
	for i, got := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if i >= len(want) || got != want[i] {
			t.Fatalf("bash takes word %d for %q, want %q", i, got, want[i])
		}
	}
}

func TestShared(t *testing.T) {
	for _, c := range []struct {
		texts []string
		want  string
	}{
		{nil, ""},
		{[]string{"abc"}, "abc"},
		{[]string{"abc", "abd", "ab"}, "ab"},
		{[]string{"世", "丗"}, ""}, // they share their first byte
		{[]string{"x", "y"}, ""},
	} {
		if got := Shared(c.texts); got != c.want {
			t.Errorf("Shared(%q) = %q, want %q", c.texts, got, c.want)
		}
	}
}

// What bash puts in of several texts is what they have in common, and no half
// of a quoted character.
func TestInsertsShare(t *testing.T) {
	whole := func(int) bool { return true }
	for _, c := range []struct {
		typed string
		texts []string
		want  string
	}{
		{"a", []string{"a b", "a$c"}, "a"},
		{`"a`, []string{"a`b", "a$c"}, `"a`},
		{"", []string{"x y", "x z"}, `x\ `},
		{"a", []string{`a\1`, `a\2`}, `a\\`},
		{"'a", []string{"a b", "a$c"}, "'a"},
	} {
		l := Split("bash", "kvsh "+c.typed, environment)
		all := l.Inserts(c.texts, whole)
		if got := Shared(all); got != c.want {
			t.Errorf("behind %q, %q share %q, want %q", c.typed, all, got, c.want)
		}
		for i, text := range all {
			if again := Split("bash", "kvsh "+text, environment); again.Word != c.texts[i] {
				t.Errorf("%q reads as %q, want %q", text, again.Word, c.texts[i])
			}
		}
	}
}
