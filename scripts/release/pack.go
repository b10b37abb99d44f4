package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// writeArchive packs the files below dir under the name top, whole or not at
// all. WalkDir goes by the order of names.
func writeArchive(name, dir, top string, at time.Time) error {
	f, err := os.Create(name + ".part")
	if err != nil {
		return err
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return pack(t, path, top+"/"+filepath.ToSlash(below), d.IsDir(), at)
	})
	if err = errors.Join(err, t.Close(), z.Close(), f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), name)
}

// pack packs one file or directory. All of its head but the size is given.
func pack(t *tar.Writer, path, name string, isDir bool, at time.Time) error {
	name = strings.TrimSuffix(name, "/.")
	head := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: at, Format: tar.FormatUSTAR}
	if isDir {
		head.Name, head.Typeflag, head.Mode = name+"/", tar.TypeDir, 0o755
		return t.WriteHeader(head)
	}
	if strings.HasSuffix(name, "/bin/kvsh") {
		head.Mode = 0o755
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head.Size = info.Size()
	if err := t.WriteHeader(head); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// writeSums writes SHA256SUMS, which sha256sum -c reads.
func writeSums(dir string, archives []string) error {
	slices.Sort(archives)
	var sums strings.Builder
	for _, name := range archives {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
