package format

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// benchRecords are records of 16-byte keys and 100-byte values of plain text.
func benchRecords(n int) []Record {
	rnd := rand.New(rand.NewPCG(1, 2))
	records := make([]Record, n)
	for i := range records {
		value := make([]byte, 100)
		for j := range value {
			value[j] = 'a' + byte(rnd.IntN(26))
		}
		records[i] = Record{Key: fmt.Appendf(nil, "%016x", rnd.Uint64()), Value: value, Rev: uint64(i + 1), Time: time.UnixMilli(1795248000000 + int64(i))}
	}
	return records
}

func BenchmarkImport(b *testing.B) {
	for _, f := range fileFormats {
		const n = 20_000
		file := exported(b, f, benchRecords(n))
		b.Run(f.String(), func(b *testing.B) {
			benchImport(b, f, file, n)
		})
	}
	var plain bytes.Buffer
	for _, r := range benchRecords(20_000) {
		fmt.Fprintf(&plain, "{\"key\":%q,\"value\":%q}\n", r.Key, r.Value)
	}
	b.Run("plainjsonl", func(b *testing.B) { benchImport(b, FormatJSONL, plain.Bytes(), 20_000) })
}

func benchImport(b *testing.B, f Format, file []byte, n int) {
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range NewImporter(bytes.NewReader(file), f, ImportOptions{}).Records() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkExport(b *testing.B) {
	records := benchRecords(20_000)
	for _, f := range fileFormats {
		b.Run(f.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e, err := NewExporter(io.Discard, f, ExportOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for _, r := range records {
					if err := e.Write(r); err != nil {
						b.Fatal(err)
					}
				}
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(records)*b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
