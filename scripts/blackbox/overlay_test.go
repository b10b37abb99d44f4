//go:build linux

package blackbox

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// overlay runs in a mount namespace of its own: a process that has read a
// database of the lower layer, and another one whose write copies its files.
const overlay = `
set -e
cd "$1"
mkdir lo up work top
"$KVSH" -q -d lo/a.kv set n 1
mount -t overlay overlay -o lowerdir=lo,upperdir=up,workdir=work top || { echo "no overlay"; exit 0; }
mkfifo in
: > out
"$KVSH" -q -d top/a.kv < in >> out &
exec 3> in
for lines in 1 2 3; do
	echo "get n" >&3
	tries=0
	until [ "$(wc -l < out)" -ge "$lines" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 20000 ] || { echo "no answer"; exit 1; }
	done
done
"$KVSH" -q -d top/a.kv set n 100
echo "get n; incr n" >&3
exec 3>&-
wait
cat out
"$KVSH" -q -d top/a.kv get n
`

// Ensure that a process which has a database of a lower layer of overlayfs open
// sees what others write, whose first write makes copies of its files, and does
// not write on what it saw before. Containers have their files so.
func TestOverlay(t *testing.T) {
	need(t, "unshare", "mount", "mkfifo")
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	c := exec.Command("unshare", "-m", "sh", "-c", overlay, "sh", dir)
	c.Env = append(environment(dir), "KVSH="+program)
	out, err := c.CombinedOutput()
	switch {
	case strings.HasPrefix(string(out), "unshare: ") || strings.Contains(string(out), "no overlay"):
		t.Skipf("no mounts here: %s", out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	if want := "1\n1\n1\n100\n101\n101"; string(out) != want {
		t.Errorf("n was and is %q, want %q", out, want)
	}
}
