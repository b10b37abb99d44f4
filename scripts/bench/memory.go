//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// memory measures the private memory of processes that have a large database
// open and wait for the next line: after one get, what a one-shot get takes,
// and after many commands, what a shell left open takes.
func (b *bench) memory() error {
	n := max(b.big, b.huge)
	path, err := b.database("kvsh", n)
	if err != nil {
		return err
	}
	r := randoms(n)
	one := "get " + r.Key(1) + "\n"
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "get %s\n", r.Key(i*7919%n))
	}
	fmt.Fprintf(&many, "count --suffix %s\nlist --prefix %s\n", r.Key(1)[12:], r.Key(1)[:4])
	measured := func(label, lines string) contender {
		return contender{label, func(int) (sample, error) {
			kib, err := b.privateAfter(path, lines)
			return sample{value: float64(kib) / 1024}, err
		}}
	}
	const after1, after10k = "kvsh, after a get", "kvsh, after 10000 gets, a suffix and a prefix"
	b.row(fmt.Sprintf("private memory, %d keys", n), mebibytes, b.fewRounds(), []contender{
		measured(after1, one), measured(after10k, many.String()),
	}, budget{of: after1, factor: 8}, budget{of: after10k, factor: 32})
	return nil
}

// privateAfter runs kvsh on lines and returns its private memory in KiB when it
// waits for the next one.
func (b *bench) privateAfter(path, lines string) (kib int64, err error) {
	const done = "that was the last line"
	c := exec.Command(b.bin("kvsh"), "-q", "-d", path)
	in, err := c.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Wait()) }()
	defer in.Close()
	go func() {
		// A program that ends early shows in what it prints.
		_, _ = fmt.Fprintf(in, "%sget --default '%s' no-such-key\n", lines, done)
	}()
	s := bufio.NewScanner(out)
	for s.Scan() && s.Text() != done {
		continue
	}
	if s.Text() != done {
		return 0, errors.New("kvsh ended before the last line")
	}
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", c.Process.Pid))
	if err != nil {
		return 0, err
	}
	return privateKiB(smaps), nil
}

// privateKiB adds up the private pages of a process. Clean pages of a file are the
// cache of the system: it takes them back when it needs them, and how many there
// are says how much of the file was looked at.
func privateKiB(smaps []byte) (kib int64) {
	isFile := false
	for line := range bytes.Lines(smaps) {
		var n int64
		switch f := bytes.Fields(line); {
		case len(f) > 4 && bytes.Contains(f[0], []byte("-")):
			isFile = f[len(f)-1][0] == '/'
		case bytes.HasPrefix(line, []byte("Private_Dirty:")), !isFile && bytes.HasPrefix(line, []byte("Private_Clean:")):
			if _, err := fmt.Sscan(string(f[1]), &n); err == nil {
				kib += n
			}
		}
	}
	return kib
}
