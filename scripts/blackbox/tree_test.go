//go:build linux

package blackbox

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tree describes every file below a path: kind, mode, size, time of change and
// digest, by path. A path that is not there is an empty tree.
func tree(t *testing.T, top string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path == top && os.IsNotExist(err) {
				return nil
			}
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%v %d bytes, changed %v", info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(", %x", sha256.Sum256(data))
		}
		files[path] = line
		return nil
	})
	if err != nil {
		t.Fatalf("walk %s: %v", top, err)
	}
	return files
}

// unchanged fails the test if a tree is not what it was before. Files with one
// of the base names in except may have other contents.
func unchanged(t *testing.T, what, top string, before map[string]string, except ...string) {
	t.Helper()
	after := tree(t, top)
	for path := range after {
		if old, ok := before[path]; ok && slices.Contains(except, filepath.Base(path)) {
			after[path] = old
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if after[path] != before[path] {
			t.Errorf("%s: %s is %q, want %q as before", what, path, after[path], before[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[path]; !ok {
			t.Errorf("%s: %s was created", what, path)
		}
	}
}
