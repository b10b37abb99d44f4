package man

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// full has every part, and text in each that roff would take for its own.
func full() Page {
	return Page{
		Name:     "kvsh snapshot save",
		Short:    "Write a consistent copy of a database",
		Synopsis: []string{"kvsh snapshot save [flags] [FILE|DIR]", "kvsh -h"},
		Text:     "First paragraph with \\n and 'quotes'.\n.not a request\n\nSecond.\n\n    indented  as is\n      more",
		Groups: []Group{
			{Title: "Options", Items: []Item{{"-q, --quiet", "say nothing"}, {"--keep D", ".hidden ones too"}}},
			{Title: "Commands"},
		},
		Examples: "  kvsh snapshot save 'a b'.kvs\n  kvsh get K > f   # a ~ and a ^\n\n  'kvsh'",
		Exits:    "0  done\n3  no space",
		SeeAlso:  []string{"kvsh", "kvsh snapshot restore"},
	}
}

func TestPageHoldsWhatItWasGiven(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("no mandoc here")
	}
	var page bytes.Buffer
	if _, err := full().WriteTo(&page); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("mandoc", "-Tascii", "-Owidth=200")
	cmd.Stdin = &page
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("mandoc: %v", err)
	}
	text := string(out)
	for i := strings.IndexByte(text, '\b'); i > 0; i = strings.IndexByte(text, '\b') { // bold is x, backspace, x
		text = text[:i-1] + text[i+1:]
	}
	for _, want := range []string{
		"kvsh-snapshot-save - Write a consistent copy of a database",
		"kvsh snapshot save [flags] [FILE|DIR]\n", "       kvsh -h\n",
		`First paragraph with \n and 'quotes'.  .not a request`, "\n           indented  as is\n             more\n",
		"OPTIONS", "-q, --quiet", "say nothing", ".hidden ones too",
		"kvsh snapshot save 'a b'.kvs", "kvsh get K > f   # a ~ and a ^\n\n           'kvsh'",
		"EXIT STATUS", "3  no space", "kvsh(1), kvsh-snapshot-restore(1)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not hold %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "COMMANDS") {
		t.Errorf("the page has a section for a group without items")
	}
}

func TestPageIsCleanRoff(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("no mandoc here")
	}
	for _, p := range []Page{full(), {Name: "kvsh", Short: "A database"}} {
		var page bytes.Buffer
		if _, err := p.WriteTo(&page); err != nil {
			t.Fatal(err)
		}
		source := page.String()
		cmd := exec.Command("mandoc", "-Tlint", "-Wwarning")
		cmd.Stdin = &page
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("mandoc -Tlint on the page of %q: %v\n%s\n%s", p.Name, err, out, source)
		}
	}
}

// The pages beside this package, of which one is written by hand.
func TestPagesAreClean(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("no mandoc here")
	}
	pages, err := filepath.Glob("*.[1-9]")
	if err != nil || !slices.Contains(pages, "kvsh-format.5") {
		t.Fatalf("the pages are %q, error %v", pages, err)
	}
	if out, err := exec.Command("mandoc", append([]string{"-Tlint", "-Wwarning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc -Tlint: %v\n%s", err, out)
	}
}

func TestPageIsTheSameTwice(t *testing.T) {
	var a, b bytes.Buffer
	n, err := full().WriteTo(&a)
	if err != nil || n != int64(a.Len()) {
		t.Errorf("WriteTo = %d, %v, want %d, nil", n, err, a.Len())
	}
	if _, err := full().WriteTo(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("a page written twice differs (error %v)", err)
	}
	if got, want := full().File(), "kvsh-snapshot-save.1"; got != want {
		t.Errorf("File() = %q, want %q", got, want)
	}
}
