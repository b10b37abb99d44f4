package format

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// compressed returns data compressed.
func compressed(t testing.TB, c Compression, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewCompressor(&out, c)
	if err != nil {
		t.Fatalf("NewCompressor(%s) = %v", c, err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatalf("%s: Write = %v", c, err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("%s: Close = %v", c, err)
	}
	return out.Bytes()
}

// decompressed reads a compressed file to its end.
func decompressed(c Compression, file []byte) ([]byte, error) {
	d := NewDecompressor(bytes.NewReader(file), c)
	defer d.Close()
	return io.ReadAll(d)
}

// Ensure that every format passes through every compression.
func TestExportImportCompressed(t *testing.T) {
	rnd := newRand(t)
	for _, c := range []Compression{CompressionNone, CompressionGzip, CompressionZstd} {
		for _, f := range fileFormats {
			want := randomRecords(rnd, f, 50)
			file := compressed(t, c, exported(t, f, want))
			d := NewDecompressor(iotest.OneByteReader(bytes.NewReader(file)), c)
			got, err := imported(t, f, d)
			if err != nil {
				t.Fatalf("%s.%s: import = %v, want nil", f, c, err)
			}
			if diff := diffRecords(got, want); diff != "" {
				t.Errorf("%s.%s: %s", f, c, diff)
			}
			if err := d.Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		}
	}
}

// Ensure that a compressed file is refused if it is cut anywhere, whatever the
// format within, and that the importer says so in its own error.
func TestCutCompressed(t *testing.T) {
	rnd := newRand(t)
	noise := make([]byte, 400)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for _, c := range []Compression{CompressionGzip, CompressionZstd} {
		for _, data := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("set a b\n"), 300), noise} {
			file := compressed(t, c, data)
			for i := range file {
				got, err := decompressed(c, file[:i])
				var bad *InputError
				if !errors.As(err, &bad) {
					t.Fatalf("%s of %d bytes, cut after %d of %d: %d bytes and %v, want an *InputError", c, len(data), i, len(file), len(got), err)
				}
			}
			if got, err := decompressed(c, file); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s of %d bytes, whole: %d bytes and %v", c, len(data), len(got), err)
			}
		}
		file := compressed(t, c, exported(t, FormatTSV, randomRecords(rnd, FormatTSV, 3)))
		if _, err := imported(t, FormatTSV, NewDecompressor(bytes.NewReader(file[:len(file)-1]), c)); err == nil {
			t.Errorf("import of a cut .tsv.%s = nil, want an error", c)
		}
	}
}

// Ensure that no flipped bit of a compressed file yields other data in silence.
func TestFlippedCompressed(t *testing.T) {
	data := bytes.Repeat([]byte("set a b\n"), 50)
	for _, c := range []Compression{CompressionGzip, CompressionZstd} {
		file := compressed(t, c, data)
		for i := range 8 * len(file) {
			bad := bytes.Clone(file)
			bad[i/8] ^= 1 << (i % 8)
			if got, err := decompressed(c, bad); err == nil && !bytes.Equal(got, data) {
				t.Errorf("%s with bit %d flipped: %d other bytes, no error", c, i, len(got))
			}
		}
	}
}

// Ensure that a file that is not compressed as said, a second compressed part
// and a failing reader are told apart.
func TestDecompressor(t *testing.T) {
	for _, c := range []Compression{CompressionGzip, CompressionZstd} {
		var bad *InputError
		if _, err := decompressed(c, []byte("key,value\n")); !errors.As(err, &bad) {
			t.Errorf("%s of plain text: %v, want an *InputError", c, err)
		}
		one := compressed(t, c, []byte("one"))
		if got, err := decompressed(c, append(bytes.Clone(one), one...)); string(got) != "oneone" || err != nil {
			t.Errorf("%s twice: %q, %v, want %q", c, got, err, "oneone")
		}
		if got, err := decompressed(c, append(bytes.Clone(one), "garbage"...)); !errors.As(err, &bad) {
			t.Errorf("%s with garbage behind: %q, %v, want an *InputError", c, got, err)
		}
		broken := errors.New("disk on fire")
		for i := range len(one) {
			d := NewDecompressor(io.MultiReader(bytes.NewReader(one[:i]), iotest.ErrReader(broken)), c)
			if _, err := io.ReadAll(d); !errors.Is(err, broken) {
				t.Errorf("%s, the disk failing after %d bytes: %v, want %v", c, i, err, broken)
			}
			d.Close()
		}
	}
}
