package crashfs

import (
	"fmt"
	"slices"
)

// An Ino names a file or folder for ever, whatever names it has.
type Ino int32

// Root is the folder that everything is in. It is always there.
const Root Ino = 0

// A Name is an entry of a folder.
type Name struct {
	Dir  Ino
	Base string
}

// A Kind says what an Op did.
type Kind uint8

// The kinds of calls that change a disk, or make a change durable.
const (
	OpCreate   Kind = iota // At: a new, empty file Ino
	OpMkdir                // At: a new, empty folder Ino
	OpRename               // At takes the place of From for Ino
	OpRemove               // At, which was Ino, is gone
	OpWrite                // Data at Offset of the file Ino
	OpTruncate             // the file Ino has Size bytes
	OpSync                 // the content of the file Ino, or the names in the folder Ino, are durable
)

func (k Kind) String() string {
	return [...]string{"create", "mkdir", "rename", "remove", "write", "truncate", "sync"}[k]
}

// An Op is one call that succeeded.
type Op struct {
	Kind   Kind
	Ino    Ino
	At     Name
	From   Name   // of an OpRename
	Offset int64  // of an OpWrite, in bytes
	Size   int64  // of an OpTruncate, in bytes
	Data   []byte // of an OpWrite; never changed
}

func (o Op) String() string {
	switch o.Kind {
	case OpWrite:
		return fmt.Sprintf("write file %d: %d bytes at %d", o.Ino, len(o.Data), o.Offset)
	case OpTruncate:
		return fmt.Sprintf("truncate file %d to %d bytes", o.Ino, o.Size)
	case OpSync:
		return fmt.Sprintf("sync %d", o.Ino)
	case OpRename:
		return fmt.Sprintf("rename %s in %d to %s in %d: %d", o.From.Base, o.From.Dir, o.At.Base, o.At.Dir, o.Ino)
	}
	return fmt.Sprintf("%s %s in %d: %d", o.Kind, o.At.Base, o.At.Dir, o.Ino)
}

// A Disk is what is on a disk at one moment: the names of each folder, and the
// content of each file. An Ino that is not in Files is a folder. Neither the
// maps nor the contents are changed by this package once it has handed them out.
type Disk struct {
	Names map[Name]Ino
	Files map[Ino][]byte
}

// NewDisk returns a disk that holds nothing.
func NewDisk() *Disk {
	return &Disk{Names: map[Name]Ino{}, Files: map[Ino][]byte{}}
}

// Paths lists everything that can be reached from the root, sorted; folders
// end in a slash. It is for messages and tests.
func (d *Disk) Paths() []string {
	var all []string
	var walk func(dir Ino, prefix string)
	walk = func(dir Ino, prefix string) {
		for n, ino := range d.Names {
			if n.Dir != dir {
				continue
			}
			if _, ok := d.Files[ino]; ok {
				all = append(all, prefix+n.Base)
				continue
			}
			all = append(all, prefix+n.Base+"/")
			walk(ino, prefix+n.Base+"/")
		}
	}
	walk(Root, "")
	slices.Sort(all)
	return all
}

// A History is what was done to a disk on which, at its beginning, everything
// was durable.
type History struct {
	Base *Disk
	Ops  []Op
}

// write is content with data at offset; what lies between is zeros. It returns
// a new slice.
func write(content []byte, offset int64, data []byte) []byte {
	out := make([]byte, max(int64(len(content)), offset+int64(len(data))))
	copy(out, content)
	copy(out[offset:], data)
	return out
}

// resize is content with size bytes; what is added is zeros. It may return
// content itself or a part of it.
func resize(content []byte, size int64) []byte {
	if size <= int64(len(content)) {
		return content[:size:size]
	}
	return write(content, size, nil)
}

// replay is the content after one more Op on the file.
func replay(content []byte, o *Op) []byte {
	if o.Kind == OpTruncate {
		return resize(content, o.Size)
	}
	return write(content, o.Offset, o.Data)
}
