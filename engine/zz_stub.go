package engine

func (db *DB) identifySnapshot() error { return ErrNoDatabase }
func (db *DB) isSnapshot() bool        { return false }
func (db *DB) refreshSnapshot() error  { return nil }
