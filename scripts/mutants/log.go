package main

// mutants is all of them.
func mutants() []mutant {
	var all []mutant
	for _, list := range [][]mutant{readingMutants, recoveryMutants, commitMutants, lockMutants, fileMutants, tableMutants} {
		all = append(all, list...)
	}
	return all
}

// readingMutants believe what stands in the log.
var readingMutants = []mutant{
	{
		name: "record: checksum", promise: "P3 damaged bytes are never data", file: "engine/record.go",
		old: "sum != r.sum {", new: "sum != r.sum && false {",
		tests: "^(TestRecordDamage|TestLawTornTail)$", quick: true,
	},
	{
		name: "record: link to the one before", promise: "P3 a record of another history is not read", file: "engine/segment.go",
		old: "if rec.prev != s.at.sum && !s.at.anySum {", new: "if rec.prev != s.at.sum && false {",
		tests: "^TestLawMixedCopies$",
	},
	{
		name: "record: its revision", promise: "P3 a segment in another's place is not read", file: "engine/segment.go",
		old: "if rec.rev != s.at.rev+1 {", new: "if rec.rev != s.at.rev+1 && false {",
		tests: "^TestLawBlocks$",
	},
	{
		name: "record: mapped only where nothing cuts it off", promise: "P5 a reader beside writers ends well", file: "engine/segment.go",
		old: "if n > scanBuffer && s.stays {", new: "if n > scanBuffer {",
		tests: "^TestLargeRecord$", quick: true,
	},
	{
		name: "record: one spelling of a length", promise: "P3 every bit counts", file: "engine/record.go",
		old: "case n > 1 && b[n-1] == 0:", new: "case n > 1 && b[n-1] == 0 && false:",
		tests: "^TestParseFrame$",
	},
	{
		name: "record: bound of a length", promise: "P3 a false length takes no memory", file: "engine/record.go",
		old: "case n <= 0 || v > maxRecordSize:", new: "case n <= 0:",
		tests: "^TestParseFrame$",
	},
	{
		name: "log: gap between segments", promise: "P3 nothing is skipped in silence", file: "engine/segment.go",
		old: "if i+1 < len(firsts) && at.rev+1 != firsts[i+1] &&", new: "if i+1 < len(firsts) && at.rev+1 > firsts[i+1] &&",
		tests: "^TestLawMissingSegment$",
	},
	{
		name: "log: the end that MARK knows", promise: "P3 nothing acknowledged is skipped", file: "engine/segment.go",
		old: "if to != nil && at.rev < to.rev {", new: "if to != nil && at.rev < to.rev && false {",
		tests: "^TestLawLostAcknowledged$",
	},
	{
		name: "log: the record that MARK knows", promise: "P3 a stale segment is not read", file: "engine/segment.go",
		old: "at.sum != to.sum && !at.anySum && !to.anySum {", new: "at.sum != to.sum && false {",
		tests: "^TestLawMixedCopies$",
	},
	{
		name: "log: a reader goes to the end that MARK knows", promise: "P3 a stale segment is not read", file: "engine/tail.go",
		old: "r.rev < at || at >= t.to.rev {", new: "r.rev < at {",
		tests: "^TestLawMixedCopies$",
	},
	{
		name: "log: the record that MANIFEST knows", promise: "P3 tables and log are of one history", file: "engine/segment.go",
		old: "if s.rec.rev == from.rev && !from.anySum && s.rec.sum != from.sum {", new: "if s.rec.rev == from.rev && s.rec.sum != from.sum && false {",
		tests: "^TestLawMixedCopies$",
	},
	{
		name: "log: names that the library would act on", promise: "P9 no segment is deleted because of a foreign file", file: "engine/recover.go",
		old: "if len(name) >= 20 {", new: "if len(name) >= 2000 {",
		tests: "^TestLawStrangers$",
	},
}

// recoveryMutants judge the end of the log wrongly, or bring it in order in a
// way that a second crash undoes.
var recoveryMutants = []mutant{
	{
		name: "recovery: what MARK knows", promise: "P3 lost acknowledged records are refused", file: "engine/recover.go",
		old: "\tcase e.current:\n\t\treturn e.mark.pos.rev\n", new: "\tcase e.current:\n\t\treturn 0\n",
		tests: "^TestLawLostAcknowledged$", quick: true,
	},
	{
		name: "recovery: MARK beyond a clean end", promise: "P3 lost acknowledged records are refused", file: "engine/recover.go",
		old: "if e.end.rev < e.acknowledged() {", new: "if e.end.rev < e.acknowledged() && false {",
		tests: "^TestLawLostAcknowledged$",
	},
	{
		name: "recovery: whole records behind a bad place", promise: "P3 damage in the middle is no torn tail", file: "engine/recover.go",
		old: "\t\tif found {\n\t\t\treturn damage", new: "\t\tif found && false {\n\t\t\treturn damage",
		tests: "^TestLawDurableFlag$",
	},
	{
		name: "recovery: what a flag proves", promise: "P1 an unsynced tail is not taken for damage", file: "engine/recover.go",
		old: "return r.durableBefore() || r.rev == bad.at.rev+1 }", new: "return true || r.rev == bad.at.rev+1 }",
		tests: "^TestLawDurableFlag$",
	},
	{
		name: "recovery: the flag is only set when true", promise: "P1 an unsynced tail is not taken for damage", file: "engine/update.go",
		old: "if len(r.records) == 0 && db.w.mark.durable >= r.rev {", new: "if len(r.records) == 0 {",
		tests: "^TestLawDurableFlag$",
	},
	{
		name: "recovery: a former run of the machine", promise: "P1 MARK may be older than the log after a loss of power", file: "engine/mark.go",
		old: "return boot != bootID{} && m.boot == boot }", new: "return boot != bootID{} }",
		tests: "^TestLawTornTail$",
	},
	{
		name: "recovery: cut", promise: "P1 the next record is not written behind torn bytes", file: "engine/recover.go",
		old: "if e.torn != nil {\n\t\tif err := e.cut(", new: "if e.torn != nil && false {\n\t\tif err := e.cut(",
		tests: "^TestLawTornTail$", quick: true,
	},
	{
		name: "recovery: quarantine", promise: "P9 cut bytes are kept", file: "engine/recover.go",
		old: "if len(data) > 0 {", new: "if len(data) > 1<<40 {",
		tests: "^TestLawTornTail$", quick: true,
	},
	{
		name: "recovery: quarantine is synced", promise: "P9 cut bytes are on the disk before they are cut", file: "engine/quarantine.go",
		old: "err = f.Sync()", new: "err = nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "recovery: quarantine's folder is synced", promise: "P9 cut bytes are on the disk before they are cut", file: "engine/quarantine.go",
		old: "err = fsys.SyncDir(filepath.Join(dir, quarantineDir))", new: "err = nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "recovery: whole records are synced", promise: "P1 what a dead writer left is durable before it counts", file: "engine/recover.go",
		old: "if first <= e.end.segment && (!e.current || first >= e.mark.pos.segment) {", new: "if first < 0 {",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "recovery: names of segments are synced", promise: "P1 what a dead writer left is durable before it counts", file: "engine/recover.go",
		old: "if err := syncLogDir(fsys, dir); err != nil {", new: "if err := error(nil); err != nil {",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "recovery: the record that MARK knows", promise: "P3 another record at the end is not believed", file: "engine/recover.go",
		old: "!m.anySum && r.sum != m.sum {", new: "!m.anySum && r.sum != m.sum && false {",
		tests: "^TestLawMixedCopies$",
	},
}
