package cmd

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kvsh/engine"
	"kvsh/format"
)

// What the doctor asks of the machine: place, disk, lock, clock, snapshots.

// A disk is a file system.
type disk struct {
	kind       string
	remote     bool // reached over a network
	readOnly   bool
	free, size int64 // bytes; free is what others than root may use
}

// place looks at the path and who may do what with it.
func (d *doctor) place(info fs.FileInfo) {
	kind := "directory"
	if !info.IsDir() {
		kind = "file of " + format.HumanSize(info.Size())
	}
	mode := info.Mode().Perm()
	name := format.Safe(d.path)
	if r := []rune(name); len(r) > 40 {
		name = "…" + string(r[len(r)-39:])
	}
	switch {
	case mode&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		d.warn("path", "chmod go-w "+format.Word([]byte(d.path)), "%s, %s %04o: others may write to it", name, kind, mode)
	case info.IsDir() && !mayWrite(d.path):
		d.ok("path", "%s, %s %04o, not writable for you", name, kind, mode)
	default:
		d.ok("path", "%s, %s %04o", name, kind, mode)
	}
}

// space looks at the file system.
func (d *doctor) space() {
	k, known := diskOf(d.path)
	if !known {
		return
	}
	// A compact writes all tables anew, with the tail of the log, before it
	// removes the old ones.
	need := d.survey.TableBytes + d.survey.Log.Bytes
	free := format.HumanSize(k.free) + " free"
	switch {
	case k.remote:
		d.warn("disk", "", "%s: locks may not work over a network; move it to a local disk", k.kind)
	case k.readOnly:
		d.warn("disk", "", "%s, mounted read-only", k.kind)
	case k.free < need:
		d.warn("disk", "", "%s, %s: compact needs %s, make room first", k.kind, free, format.HumanSize(need))
	case k.free < 2*need || k.size > 0 && k.free < k.size/20:
		d.warn("disk", d.s.asTyped("compact --keep 1d"), "%s, nearly full: %s of %s", k.kind, free, format.HumanSize(k.size))
	case k.kind == "tmpfs":
		d.warn("disk", "", "tmpfs, %s: lives in memory, gone when the machine stops", free)
	default:
		d.ok("disk", "%s, %s", k.kind, free)
	}
}

// lock looks at who writes.
func (d *doctor) lock() {
	v := &d.survey
	last := ""
	if v.LastPid != 0 {
		last = ", last taken " + d.ago(v.LastLockedAt) + " by " + who(v.LastPid, v.LastCommand)
	}
	pid, known := holderOf(filepath.Join(d.path, "LOCK"))
	switch {
	case !known && v.LastPid == 0:
		d.ok("lock", "never taken")
	case !known:
		d.ok("lock", "%s", strings.TrimPrefix(last, ", "))
	case pid == 0:
		d.ok("lock", "free%s", last)
	case pid == v.LastPid:
		d.warn("lock", d.s.asTyped("--wait 30s …"), "held for %s by %s", format.HumanDuration(d.now.Sub(v.LastLockedAt)), who(pid, v.LastCommand))
	default:
		d.warn("lock", d.s.asTyped("--wait 30s …"), "held by %s", who(pid, processName(pid)))
	}
}

func who(pid int, command string) string {
	name := fmt.Sprintf("process %d", pid)
	if command == "" || command == name {
		return name
	}
	return name + " (" + format.Short([]byte(command), 24) + ")"
}

// clock compares the newest change with the clock.
func (d *doctor) clock() {
	switch ahead := d.survey.Time.Sub(d.now); {
	case d.survey.Time.IsZero():
	case ahead > time.Second:
		d.warn("clock", "", "behind the newest change by %s: it ran back; times count on from that", format.HumanDuration(ahead))
	default:
		d.ok("clock", "after the newest change, %s", d.ago(d.survey.Time))
	}
}

// staleSnapshot is the age from which a snapshot calls for another.
const staleSnapshot = 7 * 24 * time.Hour

// newestSnapshot looks for snapshots of a database, in the directory at hand,
// where snapshot save and ls work, and beside the database. It reads their ends
// only.
func newestSnapshot(ctx context.Context, path, database string) (newest engine.SnapshotInfo, count int, err error) {
	seen := make(map[string]bool)
	for _, dir := range []string{".", filepath.Dir(path)} {
		full, err := filepath.Abs(dir)
		if err != nil || seen[full] {
			continue
		}
		seen[full] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // not ours to read
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return newest, count, err
			}
			if filepath.Ext(e.Name()) != ".kvs" || !e.Type().IsRegular() {
				continue
			}
			info, err := engine.SnapshotInfoOf(nil, filepath.Join(dir, e.Name()))
			if err != nil || info.Database != database {
				continue
			}
			if count++; info.Created.After(newest.Created) {
				newest = info
			}
		}
	}
	return newest, count, nil
}

// snapshots tells of the newest snapshot.
func (d *doctor) snapshots() error {
	if d.survey.Database == "" {
		return nil // its snapshots could not be told from others
	}
	newest, count, err := newestSnapshot(d.ctx, d.path, d.survey.Database)
	if err != nil {
		return err
	}
	save := d.s.asTyped("snapshot save")
	name := format.Safe(filepath.Base(newest.Path))
	switch {
	case count == 0 && d.damage != nil:
		d.warn("snapshot", "", "none here or beside the database") // and none is made of damage
	case count == 0 && d.report.Rev == 0:
		d.ok("snapshot", "none, and nothing to save")
	case count == 0:
		d.warn("snapshot", save, "none here or beside the database")
	case d.now.Sub(newest.Created) > staleSnapshot:
		d.warn("snapshot", save, "%s, the newest, is of %s, rev %d", name, d.ago(newest.Created), newest.Rev)
	default:
		d.ok("snapshot", "%s, the newest of %d, %s, rev %d", name, count, d.ago(newest.Created), newest.Rev)
	}
	return nil
}
