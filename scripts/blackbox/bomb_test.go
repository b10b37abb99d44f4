//go:build linux

package blackbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// endless repeats some bytes behind a beginning, up to a size that no memory
// holds.
func endless(head, body string) io.Reader {
	block := strings.Repeat(body, 64<<10/len(body))
	return io.MultiReader(strings.NewReader(head), io.LimitReader(&repeated{block: block}, 10<<30))
}

type repeated struct {
	block string
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// gzipped is a file of a few KiB that unpacks to so many bytes.
func gzipped(t *testing.T, size int64) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.Copy(z, io.LimitReader(&repeated{block: strings.Repeat("a", 64<<10)}, size))
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// zstdFrame is the head of a frame that asks for a window of 2 GiB, and blocks
// of 128 KiB of which each takes four bytes.
func zstdFrame(blocks int) string {
	var b strings.Builder
	b.WriteString("\x28\xb5\x2f\xfd\x00\xa8")
	for range blocks {
		head := 128<<10<<3 | 1<<1 // a byte repeated, not the last block
		b.Write([]byte{byte(head), byte(head >> 8), byte(head >> 16), 'a'})
	}
	return b.String()
}

// TestImportBombs: whatever size an import claims or has, and however deep or
// packed it is, it takes bounded memory, is refused as bad input, and nothing
// is written.
func TestImportBombs(t *testing.T) {
	d := newDB(t)
	d.must(t, "", "set", "a", "1")
	before := tree(t, string(d))
	const huge = "999999999999"
	for _, c := range []struct {
		name, format string
		in           io.Reader
	}{
		{"deep JSON", "jsonl", strings.NewReader(`{"key":"k","value":` + strings.Repeat("[", 10<<20))},
		{"deep JSON objects", "json", strings.NewReader(strings.Repeat(`{"a":`, 1<<20))},
		{"a deep list", "json", strings.NewReader(strings.Repeat("[", 10<<20))},
		{"a bulk string of that length", "resp", strings.NewReader("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + huge + "\r\nx")},
		{"a list of that length", "resp", strings.NewReader("*" + huge + "\r\n$3\r\nSET\r\n")},
		{"a negative length", "resp", strings.NewReader("*3\r\n$3\r\nSET\r\n$-9\r\n")},
		{"a Redis dump with a string of 2^63 bytes", "rdb", strings.NewReader("REDIS0011\xfe\x00\x00\x01k\x81\x80\x00\x00\x00\x00\x00\x00\x00")},
		{"a Redis dump with a packed string of 4 GiB", "rdb", strings.NewReader("REDIS0011\xfe\x00\x00\x01k\xc3\x05\x80\xff\xff\xff\xffabcde")},
		{"a list of 2^62 in a Redis dump", "rdb", strings.NewReader("REDIS0011\xfe\x00\x01\x01k\x81\x40\x00\x00\x00\x00\x00\x00\x00")},
		{"an endless field", "csv", endless("key,value\nk,\"", "a")},
		{"an endless line", "csv", endless("key,value\nk,", "a")},
		{"an endless header", "csv", endless("", "a")},
		{"endless columns", "csv", endless("key,value\n", "a,")},
		{"an endless field", "tsv", endless("k\t", "a")},
		{"an endless key", "tsv", endless("", "a")},
		{"an endless item", "nul", endless("", "a")},
		{"an endless string", "jsonl", endless(`{"key":"k","value":"`, "a")},
		{"endless fields", "jsonl", endless(`{"key":"k"`, `,"a":1`)},
		{"an endless string", "json", endless(`[{"key":"k","value":"`, "a")},
		{"an endless word", "kvsh", endless("set k ", "a")},
		{"an endless quoted word", "kvsh", endless("set k '", "a\n")},
		{"an endless value", "env", endless("K='", "a")},
		{"an endless line", "dump", endless("VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n 61\n ", "61")},
		{"an endless header", "dump", endless("VERSION=3\n", "a=b\n")},
		{"an endless head", "dump", endless("", "a")},
		{"an endless line", "resp", endless("*", "1")},
		{"an endless inline command", "resp", endless("SET k ", "a")},
		{"1 GiB out of 1 MiB of gzip", "csv", strings.NewReader(gzipped(t, 1<<30))},
		{"a window of 2 GiB", "csv", strings.NewReader(zstdFrame(8 << 10))},
		{"1 GiB out of 32 KiB of zstd", "csv", strings.NewReader(strings.Replace(zstdFrame(8<<10), "\x00\xa8", "\x00\x38", 1))},
		{"an endless beginning", "", endless("", "a")},
		{"an endless beginning of zeros", "", endless("", "\x00")},
	} {
		args := []string{"import", "-"}
		if c.format != "" {
			args = []string{"import", "--format", c.format, "-"}
		}
		what := c.format + ": " + c.name
		r := runWatched(t, d.command(context.WithoutCancel(t.Context()), args...), c.in)
		r.judge(t, what)
		if r.code != 7 && (r.code != 2 || c.format != "") {
			t.Errorf("%s: exit %d, want 7: %s", what, r.code, short(r.stderr))
		}
		unchanged(t, what, string(d), before, "LOCK")
		t.Logf("%s: exit %d, %d MiB: %s", what, r.code, r.memory>>20, short(r.stderr))
	}
}

// TestEndlessInput: what has no end is refused at the limit, at every door.
func TestEndlessInput(t *testing.T) {
	d := newDB(t)
	d.must(t, "", "set", "a", "1")
	before := tree(t, string(d))
	for what, c := range map[string]struct {
		args []string
		in   io.Reader
	}{
		"a value":             {[]string{"set", "k"}, endless("", "a")},
		"an addition":         {[]string{"append", "k"}, endless("", "a")},
		"a value from a file": {[]string{"set", "--file", "/dev/zero", "k"}, strings.NewReader("")},
		"an addition of one":  {[]string{"append", "--file", "/dev/zero", "k"}, strings.NewReader("")},
		"a line":              {nil, endless("set k ", "a")},
		"a quoted word":       {nil, endless("set k '", "a\n")},
		"a comment":           {nil, endless("# ", "a")},
		"an import":           {[]string{"import", "--format", "csv", "/dev/zero"}, strings.NewReader("")},
	} {
		r := runWatched(t, d.command(context.WithoutCancel(t.Context()), c.args...), c.in)
		r.judge(t, what)
		if r.code == 0 {
			t.Errorf("%s without an end: exit 0", what)
		}
		unchanged(t, what, string(d), before, "LOCK")
		t.Logf("%s: exit %d, %d MiB: %s", what, r.code, r.memory>>20, short(r.stderr))
	}
}

// hugeFile is more than a run may have in memory, and not so much that a repair
// takes long: that looks for what is whole in all there is.
const hugeFile = 2 << 30

// TestHugeFiles: a file of a database of 2 GiB, or lengths of
// 2^63, or ten thousand files beside the true ones, cost no memory.
func TestHugeFiles(t *testing.T) {
	from := newDB(t)
	for i := range 5 {
		from.must(t, "", "set", fmt.Sprint("k", i), "v")
	}
	from.must(t, "", "compact")
	from.must(t, "", "set", "last", "v")
	lines := [][]string{{"get", "last"}, {"list"}, {"info"}, {"set", "a", "1"}, {"check"}, {"log", "ls"}, {"repair"}}
	worst := int64(0)
	for name := range tree(t, string(from)) {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue // a folder
		}
		name = strings.TrimPrefix(name, string(from))
		for kind, change := range map[string]func(path string) error{
			"2 GiB long": func(path string) error { return os.Truncate(path, hugeFile) },
			"followed by a length of 2^63": func(path string) error {
				return appendTo(path, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
			},
			"all 0xff": func(path string) error {
				return os.WriteFile(path, bytes.Repeat([]byte{0xff}, int(info.Size())), 0o600)
			},
		} {
			for _, args := range lines {
				d := db(filepath.Join(t.TempDir(), "test.kv"))
				if err := os.CopyFS(string(d), os.DirFS(string(from))); err != nil {
					t.Fatal(err)
				}
				if err := change(string(d) + name); err != nil {
					t.Fatal(err)
				}
				if args[0] == "repair" && strings.HasPrefix(name, "/tables/") {
					continue // it looks at each byte for a block: minutes, in little memory
				}
				what := fmt.Sprintf("%s is %s: %s", name, kind, args)
				r := runWatched(t, d.command(context.WithoutCancel(t.Context()), args...), strings.NewReader(""))
				r.judge(t, what)
				worst = max(worst, r.memory)
			}
		}
	}
	for _, folder := range []string{"", "log", "history", "tables", "quarantine", "locks"} {
		d := db(filepath.Join(t.TempDir(), "test.kv"))
		if err := os.CopyFS(string(d), os.DirFS(string(from))); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(string(d), folder), 0o700); err != nil {
			t.Fatal(err)
		}
		for i := range 10_000 {
			name := fmt.Sprintf("%d.kvt", i)
			if folder == "log" {
				name = fmt.Sprintf("%020d", 1000+i)
			}
			if err := os.WriteFile(filepath.Join(string(d), folder, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range lines {
			what := fmt.Sprintf("10,000 files in %q: %s", folder, args)
			r := runWatched(t, d.command(context.WithoutCancel(t.Context()), args...), strings.NewReader(""))
			r.judge(t, what)
			worst = max(worst, r.memory)
		}
	}
	t.Logf("%d MiB at most", worst>>20)
}

func appendTo(path, data string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
