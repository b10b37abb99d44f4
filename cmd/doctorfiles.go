package cmd

import (
	"fmt"
	"strings"

	"kvsh/engine"
	"kvsh/format"
)

// What the doctor asks of the files of the database.

func (d *doctor) format() {
	if d.survey.Format == 0 {
		d.bad("format", d.s.asTyped("repair"), "FORMAT cannot be read")
		return
	}
	d.ok("format", "%d, made %s, database %.8s…", d.survey.Format, d.ago(d.survey.Created), d.survey.Database)
}

// shownFaults is how many faults have a line of their own.
const shownFaults = 3

// check gives the verdict over every file, and the first faults.
func (d *doctor) check() {
	r := &d.report
	read := fmt.Sprintf("%s, %s", plural(r.Files, "file"), format.HumanSize(r.Bytes))
	mend := d.s.asTyped("repair")
	switch r.Verdict {
	case engine.VerdictClean:
		d.ok("check", "clean at rev %d; %s", r.Rev, read)
		return
	case engine.VerdictTorn:
		d.warn("check", mend, "torn behind rev %d, nothing acknowledged; the next write mends it", r.Rev)
	default:
		if r.Snapshot {
			mend = d.s.typedAlone("salvage --to NEW.kv " + format.Word([]byte(d.path)))
		}
		d.bad("check", mend, "damaged, %s; %s", plural(int64(len(r.Faults)), "fault"), read)
	}
	for i := range r.Faults {
		if i == shownFaults {
			d.more(len(r.Faults) - i)
			return
		}
		d.fault(&r.Faults[i])
	}
}

func (d *doctor) more(n int) {
	f := finding{state: attention, what: "fault", text: fmt.Sprintf("and %d more", n), command: d.s.asTyped("check")}
	if d.report.Verdict == engine.VerdictDamaged {
		f.state = broken
	}
	d.found = append(d.found, f)
}

// fault names one bad place. What the next write puts right by itself is no
// damage.
func (d *doctor) fault(f *engine.Fault) {
	text := fmt.Sprintf("%s at byte %d", shortName(f.File), f.Offset)
	if f.Rev != 0 {
		text += fmt.Sprintf(", rev %d", f.Rev)
	}
	if n := len(f.Keys); n > 0 {
		text += ", key " + format.Short([]byte(f.Keys[0]), 16)
		if n > 1 {
			text += fmt.Sprintf(" and %d more", n-1)
		}
	}
	if f.Acknowledged == engine.AcknowledgedNo {
		d.warn("tail", "", "%s: %s", text, f.Reason)
		return
	}
	d.bad("fault", "", "%s: %s", text, f.Reason)
}

// shortName is the path of a file of the database without the zeros in front
// of its number.
func shortName(file string) string {
	dir, name, found := strings.Cut(file, "/")
	if !found {
		return file
	}
	if short := strings.TrimLeft(name, "0"); isSegment(name) && short != "" {
		return dir + "/…" + short
	}
	return file
}

func (d *doctor) quarantine() {
	if q := d.survey.Quarantine; q.Files > 0 {
		d.warn("quarantine", d.s.asTyped("quarantine ls"), "%s with %s", plural(q.Files, "file"), format.HumanSize(q.Bytes))
		return
	}
	d.ok("quarantine", "empty")
}

// leftovers looks at files that nothing needs.
func (d *doctor) leftovers() {
	r := &d.report
	var parts []string
	if n := len(r.Temporary); n > 0 {
		parts = append(parts, plural(int64(n), "temporary file"))
	}
	if n := len(r.Orphans); n > 0 {
		parts = append(parts, plural(int64(n), "table")+" that nothing names")
	}
	if len(parts) > 0 {
		d.warn("leftovers", d.s.asTyped("compact"), "%s", strings.Join(parts, ", "))
	}
	if n := len(r.Foreign); n > 0 {
		d.warn("foreign", "", "%s not of kvsh: %s", plural(int64(n), "file"), format.Short([]byte(r.Foreign[0]), 30))
	}
	if len(parts)+len(r.Foreign) == 0 {
		d.ok("leftovers", "none")
	}
}

// tailWaits is the size of log/ from which folding is overdue: every writer
// folds at a quarter of that.
const tailWaits = 16 << 20

func (d *doctor) tables() {
	v := &d.survey
	if !v.Manifest {
		return // check has said so
	}
	text := fmt.Sprintf("%s in %s, %s; log %s", plural(int64(v.Tables), "table"), plural(int64(v.Runs), "run"),
		format.HumanSize(v.TableBytes), format.HumanSize(v.Log.Bytes))
	switch {
	case v.Merging, v.MergeDue:
		d.warn("tables", d.s.asTyped("compact"), "%s; a merge waits", text)
	case v.Log.Bytes > tailWaits:
		d.warn("tables", d.s.asTyped("compact"), "%s waits to be folded", text)
	default:
		d.ok("tables", "%s", text)
	}
}

func (d *doctor) history() {
	v := &d.survey
	if !v.Manifest {
		return
	}
	since := ""
	if !v.HistoryTime.IsZero() {
		since = ", " + d.ago(v.HistoryTime)
	}
	d.ok("history", "from rev %d%s, %s in %s; history.keep %s", max(v.HistoryFrom, 1), since,
		format.HumanSize(v.History.Bytes), plural(v.History.Files, "segment"), v.Keep)
}

func (d *doctor) settings() {
	switch v := &d.survey; {
	case !v.Manifest:
	case v.Sync == "always":
		d.ok("sync", "always")
	default:
		d.warn("sync", d.s.asTyped("config sync always"), "%s: a power cut loses the newest writes", v.Sync)
	}
}
