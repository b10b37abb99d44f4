//go:build linux

package blackbox

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// What is exported as JSON goes through jq, in lines and as one array, and
// comes back equal, bytes that are no text included.
func TestThroughJQ(t *testing.T) {
	need(t, "jq")
	r := newRand(t)
	d := newDB(t)
	for i := range 40 {
		d.must(t, bytesOf(r, r.IntN(200)), "set", fmt.Sprintf("bytes:%d", i))
		d.must(t, "", "set", fmt.Sprintf("text:%d", i), "é \" \\ "+text(r, r.IntN(50)))
	}
	want := d.must(t, "", "list", "-v", "-m", "quoted")
	for _, c := range []struct{ format, filter string }{{"jsonl", "."}, {"json", "map(.)"}, {"json", "map(select(.key or .key_b64)) | reverse"}} {
		out, err := exec.Command("jq", "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		jq := exec.Command("jq", "-c", c.filter)
		r := finish(t, jq, d.must(t, "", "export", "--bare", "--format", c.format))
		if r.code != 0 {
			t.Fatalf("%s does not take %s: %s", strings.TrimSpace(string(out)), c.format, short(r.stderr))
		}
		back := newDB(t)
		back.must(t, r.stdout, "import", "--format", c.format, "-")
		if got := back.must(t, "", "list", "-v", "-m", "quoted"); got != want {
			t.Errorf("%s through jq '%s' came back as\n%s\nwant\n%s", c.format, c.filter, short(got), short(want))
		}
	}
}
