package engine

import "strings"

// A scanCopy copies what a scan yields into pieces of memory that neighbouring
// entries share: a piece of memory for each key and each value would cost more
// than all else of a scan. No byte of a piece is used twice, so an entry is its
// owner's for ever.
//
// A piece is for as many entries as the scan may still yield, if it has a
// limit, and else for four times as many as the one before: who takes one entry
// pays for one. It has no more than scanPieceSize bytes, so that is also how
// much an entry that is kept may keep of others. What is larger has its own.
type scanCopy struct {
	keys   strings.Builder
	values []byte
	left   int // entries that the scan may still yield; 0: it has no limit
	room   struct{ keys, values int }
}

const (
	scanPieceSize    = 8 << 10
	scanPieceEntries = 64 // at most
)

func (c *scanCopy) key(key []byte) string {
	if c.keys.Cap()-c.keys.Len() < len(key) {
		c.keys.Reset() // the string of the piece before stays with those that have it
		c.keys.Grow(c.pieceSize(len(key), &c.room.keys))
	}
	from := c.keys.Len()
	c.keys.Write(key)
	return c.keys.String()[from:]
}

func (c *scanCopy) value(value []byte) []byte {
	if c.values == nil || cap(c.values)-len(c.values) < len(value) {
		if len(value) > scanPieceSize {
			return append(make([]byte, 0, len(value)), value...)
		}
		c.values = make([]byte, 0, c.pieceSize(len(value), &c.room.values))
	}
	from := len(c.values)
	c.values = append(c.values, value...)
	return c.values[from:len(c.values):len(c.values)]
}

// pieceSize is how many bytes a new piece has, of which the first entry takes
// size. room is for how many entries of that size the piece before was.
func (c *scanCopy) pieceSize(size int, room *int) int {
	if *room = min(max(*room*4, 1), scanPieceEntries); c.left > 0 {
		*room = min(c.left, scanPieceEntries)
	}
	return max(size, min(size**room, scanPieceSize))
}
