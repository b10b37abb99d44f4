package format

import (
	"bytes"
	"io"
	"testing"
)

func BenchmarkForeignImport(b *testing.B) {
	const n = 20_000
	records := benchRecords(n)
	for _, f := range []Format{FormatDump, FormatRESP} {
		file := exported(b, f, records)
		b.Run(f.String(), func(b *testing.B) { benchImport(b, f, file, n) })
	}
	var body bytes.Buffer
	for _, r := range records {
		body.WriteByte(rdbTypeString)
		body.WriteByte(byte(len(r.Key)))
		body.Write(r.Key)
		body.Write([]byte{0x40, byte(len(r.Value))})
		body.Write(r.Value)
	}
	file := rdbFile(11, body.String())
	b.Run("rdb", func(b *testing.B) { benchImport(b, FormatRDB, file, n) })
}

func BenchmarkForeignExport(b *testing.B) {
	records := benchRecords(20_000)
	for _, f := range []Format{FormatDump, FormatRESP, FormatSQL} {
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e, _ := NewExporter(io.Discard, f, ExportOptions{})
				for _, r := range records {
					if err := e.Write(r); err != nil {
						b.Fatal(err)
					}
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
