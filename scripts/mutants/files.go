package main

// fileMutants leave names or bytes of files behind in memory when something
// speaks of them, or believe what they find in one.
var fileMutants = []mutant{
	{
		name: "MANIFEST, FORMAT: bytes are synced", promise: "P1 after a crash the old or the new is there", file: "engine/identity.go",
		old: "err = f.Sync()", new: "err = nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "MANIFEST, FORMAT: name is synced", promise: "P1 after a crash the old or the new is there", file: "engine/identity.go",
		old: "return fsys.SyncDir(filepath.Dir(path))", new: "return nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "MANIFEST, FORMAT: checksum", promise: "P3 damaged bytes are never data", file: "engine/identity.go",
		old: "want != string(b[n:]) {", new: "want != string(b[n:]) && false {",
		tests: "^(TestSmallFiles|TestLawFlippedBitRead)$", quick: true,
	},
	{
		name: "MANIFEST: of this database", promise: "P3 a foreign file is refused", file: "engine/manifest.go",
		old: "if err == nil && m.database != id {", new: "if err == nil && m.database != id && false {",
		tests: "^TestLawStrangers$",
	},
	{
		name: "FORMAT: last", promise: "P2 no half database opens", file: "engine/create.go",
		old:   "\tif err := replaceFile(fsys, filepath.Join(dir, manifestFile), man.encode()); err != nil {\n\t\treturn err\n\t}\n",
		new:   "\tdefer func() { _ = replaceFile(fsys, filepath.Join(dir, manifestFile), man.encode()) }()\n",
		tests: "^(TestLawFaults|TestRestoreStopped)$",
	},
	{
		name: "FORMAT: lost, though there is a log", promise: "P9 no database is made over records", file: "engine/create.go",
		old: "if !errors.Is(err, ErrNoDatabase) || !lostFormat(fsys, dir) {", new: "if true || !lostFormat(fsys, dir) {",
		tests: "^TestLawBlocks$",
	},
	{
		name: "new database: its log is synced", promise: "P1 an answer is on the disk", file: "engine/create.go",
		old: "if err := fsys.SyncDir(filepath.Join(dir, logDir)); err != nil {", new: "if err := error(nil); err != nil {",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "new database: its own name is synced", promise: "P1 an answer is on the disk", file: "engine/create.go",
		old: "err = fsys.SyncDir(filepath.Dir(dir))", new: "err = nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "MARK: checksum", promise: "P3 damaged bytes are never data", file: "engine/mark.go",
		old: "case crc32.ChecksumIEEE(b[:96]) != le.Uint32(b[96:]):", new: "case false:",
		tests: "^(TestSmallFiles|TestLawFlippedBitRead)$",
	},
	{
		name: "MARK: of this copy", promise: "P3 a foreign file is refused", file: "engine/mark.go",
		old: "if reason == \"\" && m.copy != copyID {", new: "if reason == \"\" && m.copy != copyID && false {",
		tests: "^TestLawBlocks$",
	},
	{
		name: "history: the new name before the old goes", promise: "P1 a segment stands somewhere at any moment", file: "engine/maintain.go",
		old: "errors.Join(db.fsys.SyncDir(historyPath), db.fsys.SyncDir(logPath))", new: "errors.Join(db.fsys.SyncDir(logPath), db.fsys.SyncDir(historyPath))",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "history: the names of others before the log", promise: "P1 a segment stands somewhere at any moment", file: "engine/log.go",
		old: "err := fsys.SyncDir(filepath.Join(dir, historyDir))", new: "var err error",
		tests: "^TestHistoryIsSyncedBeforeLog$",
	},
	{
		name: "snapshot: read back", promise: "P9 a backup is whole when it has its name", file: "engine/save.go",
		old: "if err := verify(w.path); err != nil {", new: "if err := verify(w.path); err != nil && !errors.Is(err, ErrDamaged) {",
		tests: "^TestLawReadBack$",
	},
	{
		name: "snapshot: replaces nothing", promise: "P9 no file is written over", file: "engine/save.go",
		old: "f, err := fsys.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)", new: "f, err := fsys.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o600)",
		tests: "^TestLawSnapshotOvertaken$",
	},
	{
		name: "restore: the copy is compared", promise: "P9 a restored database is what the backup was", file: "engine/snapshot.go",
		old: "if !bytes.Equal(back[:len(b)], t.data[offset:offset+int64(len(b))]) {", new: "if !bytes.Equal(back[:len(b)], t.data[offset:offset+int64(len(b))]) && false {",
		tests: "^TestLawReadBack$",
	},
	{
		name: "restore: can be tried again", promise: "P2 what never was a database may be made anew", file: "engine/create.go",
		old:   "if err := fsys.Rename(path+\".new\", path); err != nil {\n",
		new:   "if err := fsys.Rename(path+\".new\", path); err != nil {\n\t\t_ = fsys.Remove(path + \".new\")\n",
		tests: "^TestLawFaults$",
	},
	{
		name: "repair: files are kept as they were", promise: "P9 repair never destroys", file: "engine/mend.go",
		old: "\tif err := m.keep(file); err != nil {\n\t\treturn err\n\t}\n\ttemp, path", new: "\ttemp, path",
		tests: "^(TestLawRepair|TestLawRepairFaults)$",
	},
	{
		name: "repair: loss is accepted by its number", promise: "P9 loss needs an explicit word", file: "engine/repair.go",
		old: "case plan.LossN > 0 && plan.LossN != o.AcceptLoss:", new: "case plan.LossN > 0 && plan.LossN != o.AcceptLoss && false:",
		tests: "^(TestLawRepair|TestLawRepairFaults)$",
	},
	{
		name: "restore: synced", promise: "P1 an answer is on the disk", file: "engine/snapshot.go",
		old: "if err := out.Sync(); err != nil {", new: "if err := error(nil); err != nil {",
		tests: "^TestLawOrderOfSyncs$",
	},
}

// tableMutants believe tables, or let them go too early.
var tableMutants = []mutant{
	{
		name: "table: synced", promise: "P1 MANIFEST names what is on the disk", file: "engine/tablewriter.go",
		old: "w.e = w.file.Sync()", new: "w.e = nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "table: its name is synced", promise: "P1 MANIFEST names what is on the disk", file: "engine/maintain.go",
		old: "return db.fsys.SyncDir(filepath.Join(db.dir, tablesDir))", new: "return nil",
		tests: "^TestLawOrderOfSyncs$",
	},
	{
		name: "table: checksum of a block", promise: "P3 damaged bytes are never data", file: "engine/tableindex.go",
		old: "if !trusted && crc32.ChecksumIEEE(data) != e.crc {", new: "if !trusted && crc32.ChecksumIEEE(data) != e.crc && false {",
		tests: "^TestTableFlips$", quick: true,
	},
	{
		name: "table: checksum of a page of the index", promise: "P3 damaged bytes are never data", file: "engine/tableindex.go",
		old: "if crc32.ChecksumIEEE(raw) != d.crc {", new: "if crc32.ChecksumIEEE(raw) != d.crc && false {",
		tests: "^TestTableFlips$",
	},
	{
		name: "table: checksum of a filter", promise: "P3 damage hides no key", file: "engine/tableindex.go",
		old: "if filterPageCRC(page, t.inf.id, off) != filterPageSum(page) {", new: "if filterPageCRC(page, t.inf.id, off) != filterPageSum(page) && false {",
		tests: "^TestTableFlips$",
	},
	{
		name: "table: place of a filter", promise: "P3 a page that was swapped hides no key", file: "engine/filter.go",
		old: "return crc32.Update(crc32.ChecksumIEEE(place[:]), crc32.IEEETable, page[:len(page)-4])", new: "return crc32.ChecksumIEEE(page[:len(page)-4])",
		tests: "^TestTableGolden$",
	},
	{
		name: "table: checksum of the top index", promise: "P3 damaged bytes are never data", file: "engine/table.go",
		old: "if crc32.ChecksumIEEE(top) != le.Uint32(foot[32:]) {", new: "if crc32.ChecksumIEEE(top) != le.Uint32(foot[32:]) && false {",
		tests: "^TestTableFlips$",
	},
	{
		name: "table: digest", promise: "P3 another table under its name is refused", file: "engine/cache.go",
		old: "i.id != ref.id || i.size != ref.size || i.sum != ref.sum {", new: "i.size < 0 {",
		tests: "^TestLawForgedTable$", quick: true,
	},
	{
		name: "table: checksum of the digest", promise: "P3 another table with its id is refused", file: "engine/cache.go",
		old: "i.id != ref.id || i.size != ref.size || i.sum != ref.sum {", new: "i.id != ref.id {",
		tests: "^TestLawForgedTable$",
	},
	{
		name: "orphans: the log names tables too", promise: "P1 an import is not removed before it is in MANIFEST", file: "engine/maintain.go",
		old: "\t\t\tif o.op == OpIngest {\n\t\t\t\tlive[", new: "\t\t\tif o.op == OpIngest && false {\n\t\t\t\tlive[",
		tests: "^TestLawImportIsNoOrphan$",
	},
	{
		name: "merge: a delete stays while something is below", promise: "P1 what was deleted does not come back", file: "engine/merge.go",
		old: "found || err != nil {", new: "found && err != nil {",
		tests: "^(TestLawModel|TestRetainedKeepsAnswers)$",
	},
	{
		name: "merge: a slice is cut off its runs", promise: "P1 nothing is read twice", file: "engine/merge.go",
		old: "m.tables[i].lower = upTo", new: "m.tables[i].lower = \"\"",
		tests: "^TestLawModel$",
	},
	{
		name: "merge: a damaged run drops nothing", promise: "P9 a delete is kept when it cannot be told", file: "engine/merge.go",
		old: "found || err != nil {", new: "found && err == nil {",
		tests: "^TestLawMergeBesideDamage$",
	},
	{
		name: "import: sorted runs are checked", promise: "P3 a temporary file is not believed", file: "engine/sorter.go",
		old: "if crc32.ChecksumIEEE(r.buf) != binary.LittleEndian.Uint32(h[4:]) {", new: "if crc32.ChecksumIEEE(r.buf) != binary.LittleEndian.Uint32(h[4:]) && false {",
		tests: "^TestSorterDamage$",
	},
}
