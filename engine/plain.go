package engine

import (
	"errors"
	"io/fs"
)

// checkPlain looks at what stands at the top of a directory. Where a database
// has a file or a folder there must be that and not a link, a pipe or a device:
// whoever may write to the directory must not make others read, write or wait
// elsewhere. The files below the folders are opened with noFollow.
func checkPlain(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, kind := e.Name(), e.Type()
		if !ownName(name) {
			continue
		}
		switch name {
		case logDir, historyDir, tablesDir, quarantineDir, locksDir:
			if !kind.IsDir() {
				return notPlain(name, kind)
			}
		default:
			if !kind.IsRegular() {
				return notPlain(name, kind)
			}
		}
	}
	return nil
}

// notPlain is the error about something in the place of a file or a folder.
func notPlain(name string, kind fs.FileMode) error {
	what := "a special file"
	switch {
	case kind&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case kind&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case kind&fs.ModeDevice != 0:
		what = "a device"
	case kind.IsDir():
		what = "a folder"
	case kind.IsRegular():
		what = "a file"
	}
	return &CorruptError{File: name, Reason: what + " stands in its place"}
}
