package main

// commitMutants acknowledge what is not there, or leave what was denied.
var commitMutants = []mutant{
	{
		name: "commit: fsync of the log", promise: "P1 an answer is on the disk", file: "engine/writer.go",
		old: "w.walSync = w.man.setting(\"sync\", syncAlways) == syncAlways", new: "w.walSync = false",
		tests: "^TestLawOrderOfSyncs$", quick: true,
	},
	{
		name: "commit: MARK after the sync", promise: "P1 MARK never speaks of what is not on the disk", file: "engine/writer.go",
		old:   "\terr := w.wal.append(before.pos.rev+1, r.records)\n",
		new:   "\tw.mark.pos, w.mark.durable = end, end.rev\n\t_ = writeMark(db.fsys, db.dir, &w.markFile, &w.mark)\n\terr := w.wal.append(before.pos.rev+1, r.records)\n",
		tests: "^(TestLawOrderOfSyncs|TestLawFaults)$",
	},
	{
		name: "commit: MARK", promise: "P1 damage of the last record can be told", file: "engine/writer.go",
		old: "err = writeMark(db.fsys, db.dir, &w.markFile, &w.mark)\n\t}\n\tif err != nil {\n\t\tw.mark = before", new: "}\n\tif err != nil {\n\t\tw.mark = before",
		tests: "^TestDB$",
	},
	{
		name: "commit: name of a new segment", promise: "P1 an answer is on the disk", file: "engine/writer.go",
		old: "if end.segment != from.segment {", new: "if end.segment != from.segment && false {",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "commit: size of the log", promise: "P4 a write that the library lost is noticed", file: "engine/writer.go",
		old: "if err == nil && info.Size() != end.offset {", new: "if err == nil && info.Size() != end.offset && false {",
		tests: "^TestLawLyingLibrary$",
	},
	{
		name: "failure: roll back", promise: "P4 what was denied never appears", file: "engine/writer.go",
		old: "err := rollBack(db.fsys, db.dir, w.mark.pos)", new: "err := error(nil)",
		tests: "^TestLawFaults$", quick: true,
	},
	{
		name: "failure: the cut is synced", promise: "P4 what was denied never appears", file: "engine/log.go",
		old: "err = f.Sync()", new: "err = nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "failure: the folder is synced", promise: "P4 what was denied never appears", file: "engine/log.go",
		old: "return syncLogDir(fsys, dir)", new: "return nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "failure: segments begun since", promise: "P4 what was denied never appears", file: "engine/log.go",
		old: "i >= 0 && firsts[i] > at.segment; i--", new: "i >= 0 && firsts[i] > at.segment && false; i--",
		tests: "^TestLawFaults$",
	},
	{
		name: "failure: the library's memory is dropped", promise: "P4 what was denied never appears", file: "engine/writer.go",
		old: "(Outcome, error) {\n\tw.drop()\n", new: "(Outcome, error) {\n",
		tests: "^(TestLawFaults|TestLawGroupFaults)$",
	},
	{
		name: "failure: MARK is put back", promise: "P4 MARK does not speak of what was taken back", file: "engine/writer.go",
		old:   "\tif err == nil {\n\t\t// MARK may have been written in part, or whole before its error.\n\t\terr = writeMark(",
		new:   "\tif err != nil {\n\t\terr = writeMark(",
		tests: "^TestLawFaults$",
	},
	{
		name: "failure: poison", promise: "P4 no write after an unknown outcome", file: "engine/writer.go",
		old:   "\tw.broken = fmt.Errorf(\"%w: %w; and taking it back: %w\", ErrUnknownOutcome, cause, err)\n\treturn OutcomeUnknown, w.broken",
		new:   "\treturn OutcomeUnknown, fmt.Errorf(\"%w: %w; and taking it back: %w\", ErrUnknownOutcome, cause, err)",
		tests: "^TestLawPoison$",
	},
	{
		name: "failure: unknown outcome is said", promise: "P4 an answer is true", file: "engine/writer.go",
		old: "return OutcomeUnknown, w.broken", new: "return NotCommitted, w.broken",
		tests: "^TestLawFaults$",
	},
	{
		name: "group: an answer waits for its round", promise: "P4 what was read of a failed round is no answer", file: "engine/update.go",
		old: "if r.err != nil && (depends || res.Outcome == Committed) {", new: "if r.err != nil && (depends || res.Outcome == Committed) && len(r.records) == 1 {",
		tests: "^TestLawGroupFaults$",
	},
	{
		name: "sync: set to always makes all durable", promise: "P1 nothing before is left behind", file: "engine/info.go",
		old: "return db.syncLog()", new: "return nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "sync: interval syncs when closed", promise: "P1 as sync=interval says", file: "engine/writer.go",
		old: "if w.unsynced && w.man.setting(\"sync\", syncAlways) == syncInterval {", new: "if w.unsynced && false {",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "stamp: never goes back", promise: "P1 order of stamps", file: "engine/store.go",
		old: "t := Stamp(ms) << 16; t > s {", new: "t := Stamp(ms) << 16; t != s {",
		tests: "^TestStampNext$",
	},
}

// lockMutants let processes write over each other, or read what is not there.
var lockMutants = []mutant{
	{
		name: "lock: flock", promise: "P6 one writer at a time", file: "engine/fs_unix.go",
		old: "err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)", new: "err := error(nil)",
		tests: "^(TestLawIncrements|TestLawKilledWriters|TestTableWriterLock)$",
	},
	{
		name: "lock: comparison before a write", promise: "P6 a handle does not write over another's records", file: "engine/writer.go",
		old: "if w.wal != nil && w.unchanged(db) {", new: "if w.wal != nil {",
		tests: "^TestLawAlternatingHandles$", quick: true,
	},
	{
		name: "lock: comparison of the size", promise: "P6 torn bytes of another are seen", file: "engine/writer.go",
		old: "return err == nil && info.Size() == m.pos.offset\n", new: "return err == nil && info != nil\n",
		tests: "^TestLawTornBetween$",
	},
	{
		name: "lock: a table under work is locked", promise: "P6 nobody removes what another writes", file: "engine/maintain.go",
		old: "return ok && err == nil\n", new: "return ok || err != nil || true\n",
		tests: "^(TestTableWriterLock|TestSorterLock|TestLawLoadBesideWrites|TestLawLoadOvertaken|TestLawMaintenanceOvertaken)$",
	},
	{
		name: "fold: overtaken by another process", promise: "P6 nothing is folded twice or never", file: "engine/maintain.go",
		old: "if m.folded.rev != from.rev {", new: "if false {",
		tests: "^TestLawMaintenanceOvertaken$",
	},
	{
		name: "merge: overtaken by another process", promise: "P6 nothing is merged twice", file: "engine/merge.go",
		old: "if m.folded.rev < seen.folded.rev || !sameMerge(m, seen) {", new: "if false {",
		tests: "^TestLawMaintenanceOvertaken$",
	},
	{
		name: "conflict: what was read is compared", promise: "P6 begin … commit is one moment", file: "engine/begin.go",
		old: "\t\tif err := t.check(ctx, core); err != nil {", new: "\t\tif err := error(nil); err != nil {",
		tests: "^TestDB$", quick: true,
	},
	{
		name: "load: compared again under the lock", promise: "P6 a load sees what came meanwhile", file: "engine/load.go",
		old: "\t\t\tif stale {\n", new: "\t\t\tif stale && false {\n",
		tests: "^TestLawLoadOvertaken$",
	},
	{
		name: "load: a stream ends at a key that is there", promise: "P2 a load decides on every key", file: "engine/loadstream.go",
		old: "old != nil || err != nil {", new: "old != nil && err != nil {",
		tests: "^TestLawLoadStream$",
	},
	{
		name: "load: what was streamed is compared again", promise: "P6 a load sees what came meanwhile", file: "engine/load.go",
		old: "if l.streamed {", new: "if l.streamed && false {",
		tests: "^TestLawLoadStreamOvertaken$",
	},
	{
		name: "reader: MANIFEST is read again", promise: "P5 a file that moved is found again", file: "engine/base.go",
		old: "if now.generation == man.generation {", new: "if now.generation == man.generation || true {",
		tests: "^TestLawReaderOvertaken$",
	},
	{
		name: "reader: a table that went is asked for anew", promise: "P5 a file that moved is found again", file: "engine/base.go",
		old: "if errors.Is(err, fs.ErrNotExist) {\n\t\treturn nil, errVanished", new: "if errors.Is(err, fs.ErrNotExist) && false {\n\t\treturn nil, errVanished",
		tests: "^TestLawReaderOvertaken$",
	},
	{
		name: "reader: only what MARK says", promise: "P4 what is not acknowledged is not read", file: "engine/db.go",
		old: "b, end, err := loadBase(db.fsys, db.dir, db.ident, db.boot, mk, &db.cache)", new: "b, end, err := loadBase(db.fsys, db.dir, db.ident, db.boot, nil, &db.cache)",
		tests: "^TestLawTornTail$",
	},
	{
		name: "reader: what is mapped of MARK is compared", promise: "P6 a commit that was answered is seen", file: "engine/mark.go",
		old: "return string(l.data) == raw", new: "return true || string(l.data) == raw",
		tests: "^TestLiveMark$", quick: true,
	},
	{
		name: "reader: MARK is cut under its mapping", promise: "P3 a damaged file ends no process", file: "engine/mark.go",
		old: "\tdefer debug.SetPanicOnFault(debug.SetPanicOnFault(true))\n", new: "\tdefer debug.SetPanicOnFault(debug.SetPanicOnFault(false))\n",
		tests: "^TestLiveMark$",
	},
	{
		name: "reader: tables of lent values are kept", promise: "P3 other bytes are never data", file: "engine/tx.go",
		old: "c.former = append(c.former, c.base)", new: "c.base.release()",
		tests: "^TestLentValuesOutliveTables$",
	},
}
