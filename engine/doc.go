// Package engine is a durable key-value store: keys and values of any bytes,
// transactions, column families, expiry, snapshots, and the history of every
// key. A database is a directory; any number of processes use it at once.
//
//	db, err := engine.Open(ctx, "notes.kv", engine.Options{Create: true})
//	...
//	_, err = db.Update(ctx, func(tx engine.Tx) error {
//		return tx.Set(ctx, "user:7", []byte("Ada"))
//	})
//	err = db.View(ctx, engine.Newest, func(tx engine.Tx) error {
//		for e, err := range tx.Scan(ctx, engine.Range{Prefix: "user:"}) {
//			...
//		}
//	})
//
// [Store] is the interface; [DB], the database in a directory, and [Mem], one
// in memory, implement it, and package enginetest says what every
// implementation does.
//
// # Files
//
//	FORMAT       version of the format, id of the database and of this copy
//	LOCK         the advisory lock of writers, and who held it last
//	MARK         the highest acknowledged revision and where it ends in the log
//	MANIFEST     which tables are live, and up to which revision they hold everything
//	log/         segments of records that are newer than the tables
//	history/     segments that are in tables, kept for as long as history.keep says
//	tables/      sorted, immutable files
//	quarantine/  bytes that recovery took out of the way, each with its origin
//	repair.log   what repairs did, a line each; there only if there were any
//	locks/       files that other programs lock; the engine does not look into it
//
// The formats stand beside their codecs: record.go, mark.go, manifest.go,
// identity.go, table.go, quarantine.go. Every byte of every file is covered by
// a checksum but for LOCK and locks/, which serve messages only.
//
// # What is durable when
//
// A transaction is one record of the log. Update, OpenTx.Commit and Load return
// [Committed] when the record is where the setting sync says:
//
//   - always (the default): on the disk, by fsync. It survives the end of the
//     process and the loss of power at any moment.
//   - interval: with the operating system, and on the disk a second later or
//     when the DB is closed. It survives the end of the process.
//   - never: with the operating system. It survives the end of the process.
//
// A transaction is there whole or not at all after any crash. An error of a
// write tells which: [NotCommitted] means that it was taken back and can never
// appear, [OutcomeUnknown] (with [ErrUnknownOutcome]) that taking it back failed
// too; that process then takes no more writes, and the next one to open the
// database settles the matter.
//
// After a crash the next writer looks at the end of the log. Whole records that
// their writer did not live to acknowledge are kept. Torn bytes behind them are
// moved to quarantine/. A bad place that had been acknowledged is damage: it is
// refused with a [CorruptError], and nothing is changed. MARK, which is written
// after each commit, and a flag in each record tell the two apart.
//
// # The past
//
// Every version of a key is kept as long as history.keep says, in the tables
// and in the log alike, whatever was imported, folded or merged since. View
// reads any revision from Beginning on, exactly as it was when it was committed:
// what had a time to live is there if it lived then. RevAt and ViewTime do so
// by time, Versions for one key. [Diff] compares two states, and [Undo] commits
// the values again that were there before. What is older is [ErrHistoryGone],
// never a wrong value.
//
// # Damage
//
// What is damaged is refused with a [CorruptError] by whatever read could be
// wrong because of it, and by every write that would build on it; all else
// works. A bad block of a table concerns the keys between its bounds. A bad
// record that no table has concerns every key, for any may have stood in it:
// only the state of a revision before it can be read for certain.
//
// [Check] tells of damage, [PlanRepair] what can be done about it, and [Repair]
// does that. [Salvage] collects what is whole of anything.
//
// # What may run at once
//
// Readers take no lock and write nothing: they read MANIFEST, map the tables
// they need, and read the log up to MARK. They see each commit from the moment
// it is acknowledged, and never one that is not. A View keeps its state however
// long it runs; files that are replaced meanwhile stay readable for it.
//
// A Watch sees what other processes commit through notices of the system that
// MARK changed (inotify), else by looking at it, and reads it from the log.
//
// Writers, in one process or in many, take turns by an advisory lock (flock) on
// LOCK, held for one transaction; transactions of one process that wait
// together share one write and one fsync. Begin holds no lock: its commit is
// refused with [ErrConflict] if what it read was changed. So the histories of
// all processes together are linearizable. The directory must be on a file
// system whose locks and page cache all its processes share: not on a network.
//
// When the tail of the log has grown to 4 MiB, or to 1 MiB at the first commit
// of a DB, the commit that noticed folds it into a table, and merges tables in
// steps of bounded size. Both hold the lock only to replace MANIFEST.
package engine
