package format

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how a file is compressed as a whole.
type Compression uint8

// The compressions.
const (
	NoCompression Compression = iota
	Gzip                      // .gz, RFC 1952
	Zstd                      // .zst, RFC 8878
)

func (c Compression) String() string {
	switch c {
	case NoCompression:
		return "none"
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// maxWindow bounds the memory a zstd file may ask for, in bytes. It is that of
// zstd --long.
const maxWindow = 128 << 20

// NewCompressor returns a writer that compresses to w. Close ends the file, also an empty
// one, and does not close w.
func NewCompressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case NoCompression:
		return nopCloser{w}, nil
	case Gzip:
		return gzip.NewWriter(w), nil
	case Zstd:
		return zstd.NewWriter(w, zstd.WithZeroFrames(true), zstd.WithEncoderConcurrency(2))
	}
	return nil, fmt.Errorf("cannot write %v", c)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// NewDecompressor returns a reader of what r says decompressed. A file that is cut short,
// an empty one included, ends in io.ErrUnexpectedEOF or another error, never in
// io.EOF. Close releases its memory and does not close r.
func NewDecompressor(r io.Reader, c Compression) (io.ReadCloser, error) {
	switch c {
	case NoCompression:
		return io.NopCloser(r), nil
	case Gzip:
		return &gzipReader{r: r}, nil
	case Zstd:
		from := &counter{r: r}
		d, err := zstd.NewReader(from, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, err
		}
		return &zstdReader{d, from}, nil
	}
	return nil, fmt.Errorf("cannot read %v", c)
}

// A gzipReader reads the header at the first Read, so that its errors come
// from there like all others.
type gzipReader struct {
	r io.Reader
	z *gzip.Reader
}

func (g *gzipReader) Read(b []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.r)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(b)
}

func (g *gzipReader) Close() error {
	if g.z == nil {
		return nil
	}
	return g.z.Close()
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// A zstdReader refuses the empty file, which the library takes for no frames.
type zstdReader struct {
	d    *zstd.Decoder
	from *counter
}

func (z *zstdReader) Read(b []byte) (int, error) {
	n, err := z.d.Read(b)
	if err == io.EOF && z.from.n == 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (z *zstdReader) Close() error {
	z.d.Close()
	return nil
}

// compressionOf tells the compression by the first bytes of a file.
func compressionOf(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	}
	return NoCompression
}
