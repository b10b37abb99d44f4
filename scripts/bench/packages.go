//go:build linux

package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages measures an import of real texts: what apt knows of each package,
// several lines with quotes in them. It needs Debian or its like.
func (b *bench) packages() error {
	asCSV, asJSONL := filepath.Join(b.dir, "packages.csv"), filepath.Join(b.dir, "packages.jsonl")
	count, bytes, err := writePackages(asCSV, asJSONL)
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, "packages-db")
	into := func(name string, args ...string) contender {
		return contender{name, func(int) (sample, error) {
			if err := remove(path); err != nil {
				return sample{}, err
			}
			s, err := command{args: args, peak: true}.run()
			s.per(float64(bytes) / 1e6)
			s.disk = sizeOf(path)
			return s, err
		}}
	}
	b.row(fmt.Sprintf("import of %d packages, %d MB", count, bytes/1e6), megabytes, b.fewRounds(), []contender{
		into("kvsh, csv", b.bin("kvsh"), "-q", "-d", path, "import", asCSV),
		into("kvsh, jsonl", b.bin("kvsh"), "-q", "-d", path, "import", asJSONL),
		into("sqlite3, csv", "sqlite3", path, "pragma journal_mode=wal",
			"create table kv(key text primary key, value text) without rowid", "pragma synchronous=full",
			".mode csv", ".import --skip 1 "+asCSV+" kv"),
	}, budget{of: "kvsh, csv", peakMiB: 256}, budget{of: "kvsh, jsonl", peakMiB: 256})
	return remove(path)
}

// writePackages writes two files of what apt knows of each package, under its
// name and version. It holds one at a time: the memory of this process would
// show as that of those it runs.
func writePackages(asCSV, asJSONL string) (count, bytes int, err error) {
	apt := exec.Command("apt-cache", "dumpavail")
	out, err := apt.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := apt.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, apt.Wait()) }()
	var files [2]*bufio.Writer
	for i, name := range []string{asCSV, asJSONL} {
		f, err := os.Create(name)
		if err != nil {
			return 0, 0, err
		}
		defer f.Close()
		files[i] = bufio.NewWriter(f)
	}
	lines, objects := csv.NewWriter(files[0]), json.NewEncoder(files[1])
	if err := lines.Write([]string{"key", "value"}); err != nil {
		return 0, 0, err
	}
	seen := map[string]bool{}
	for text, err := range paragraphs(out) {
		if err != nil {
			return 0, 0, err
		}
		key := field(text, "Package") + "=" + field(text, "Version")
		if seen[key] {
			continue
		}
		seen[key] = true
		count++
		bytes += len(key) + len(text)
		if err := errors.Join(lines.Write([]string{key, text}), objects.Encode(map[string]string{"key": key, "value": text})); err != nil {
			return 0, 0, err
		}
	}
	lines.Flush()
	if count == 0 {
		err = errors.New("apt-cache dumpavail tells of no package")
	}
	return count, bytes, errors.Join(err, lines.Error(), files[0].Flush(), files[1].Flush())
}

// paragraphs yields the texts between empty lines.
func paragraphs(r io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := bufio.NewReader(r)
		var text strings.Builder
		for {
			line, err := in.ReadString('\n')
			if err != nil && err != io.EOF {
				yield("", err)
				return
			}
			if len(line) > 1 {
				text.WriteString(line)
				continue
			}
			if text.Len() > 0 && !yield(text.String(), nil) || err == io.EOF {
				return
			}
			text.Reset()
		}
	}
}

// field is the value of a field of a paragraph.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
