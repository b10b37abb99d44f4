package format

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Compression is how a file is compressed.
type Compression uint8

// The compressions.
const (
	CompressionNone Compression = iota
	CompressionGzip             // .gz
	CompressionZstd             // .zst
)

// String is the usual ending of a file name, without the dot; "none" for none.
func (c Compression) String() string {
	switch c {
	case CompressionNone:
		return "none"
	case CompressionGzip:
		return "gz"
	case CompressionZstd:
		return "zst"
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// CompressionOf returns the compression that a file name ends in, and the name
// without that ending.
func CompressionOf(name string) (c Compression, rest string) {
	for _, c := range []Compression{CompressionGzip, CompressionZstd} {
		if rest, ok := strings.CutSuffix(name, "."+c.String()); ok {
			return c, rest
		}
	}
	return CompressionNone, name
}

// maxZstdWindow bounds the memory that a zstd file can ask for, in bytes: what
// "zstd --long" and "zstd -19" write is within it.
const maxZstdWindow = 128 << 20

// NewCompressor returns a writer that compresses to w. It buffers: its Close
// must be called, ends the compressed data and does not close w.
func NewCompressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case CompressionNone:
		return nopCloser{w}, nil
	case CompressionGzip:
		return gzip.NewWriter(w), nil
	case CompressionZstd:
		// Without a frame, no data would make an empty file, which a reader
		// cannot tell from one that was cut.
		return zstd.NewWriter(w, zstd.WithZeroFrames(true), zstd.WithEncoderConcurrency(2))
	}
	return nil, fmt.Errorf("cannot write %s", c)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// NewDecompressor returns a reader of what r holds compressed. Data that is cut
// or damaged anywhere, an empty file included, ends in an *InputError rather
// than io.EOF; its Offset is in the uncompressed data. An error of r itself is
// passed on as it is. Close releases memory and does not close r.
func NewDecompressor(r io.Reader, c Compression) io.ReadCloser {
	if c == CompressionNone {
		return io.NopCloser(r)
	}
	return &decompressor{source: faultRecorder{r: r}, compression: c}
}

// A decompressor opens its library at the first Read.
type decompressor struct {
	source      faultRecorder
	compression Compression
	r           io.Reader // nil before the first Read
	zstd        *zstd.Decoder
	offset      int64 // of the uncompressed data that was read
	err         error // once set, the answer of every Read
}

func (d *decompressor) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if d.r == nil {
		if d.err = d.verdict(d.open()); d.err != nil {
			return 0, d.err
		}
	}
	n, err := d.r.Read(p)
	d.offset += int64(n)
	d.err = d.verdict(err)
	return n, d.err
}

// open makes the reader of the library.
func (d *decompressor) open() (err error) {
	buffered := bufio.NewReaderSize(&d.source, sinkBufferSize)
	magic, err := buffered.Peek(len(magicZstd))
	if len(magic) == 0 || CompressionOfData(magic) != d.compression {
		if err == io.EOF && len(magic) < len(magicZstd) {
			return io.ErrUnexpectedEOF
		}
		if err == nil {
			err = errors.New("it begins with other bytes")
		}
		return err
	}
	if d.compression == CompressionGzip {
		d.r, err = gzip.NewReader(buffered)
		return err
	}
	d.zstd, err = zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxZstdWindow),
		zstd.WithDecoderMaxMemory(maxZstdWindow), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(2))
	d.r = d.zstd
	return err
}

// verdict turns an error of the library into one of the data, unless the
// reader underneath failed.
func (d *decompressor) verdict(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case d.source.err != nil:
		return d.source.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &InputError{Offset: d.offset, Reason: d.compression.String() + " data is cut off"}
	}
	return &InputError{Offset: d.offset, Reason: fmt.Sprintf("bad %s data: %v", d.compression, err)}
}

func (d *decompressor) Close() error {
	if d.zstd != nil {
		d.zstd.Close()
		d.zstd = nil
	}
	d.r = nil
	if d.err == nil {
		d.err = errors.New("read after close")
	}
	return nil
}

// A faultRecorder keeps the error with which a reader failed, to tell it from
// errors that a library makes of the data.
type faultRecorder struct {
	r   io.Reader
	err error
}

func (f *faultRecorder) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// The bytes that compressed data begins with.
const (
	magicGzip = "\x1f\x8b"
	magicZstd = "\x28\xb5\x2f\xfd"
)

// CompressionOfData returns the compression of data that begins with head.
func CompressionOfData(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, []byte(magicGzip)):
		return CompressionGzip
	case bytes.HasPrefix(head, []byte(magicZstd)):
		return CompressionZstd
	}
	return CompressionNone
}
