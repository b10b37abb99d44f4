package format_test

import (
	"fmt"
	"os"
	"strings"

	"kvsh/format"
)

func ExampleNewExporter() {
	e, err := format.NewExporter(os.Stdout, format.FormatJSONL, format.ExportOptions{Database: "notes.kv", Rev: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range []format.Record{
		{Key: []byte("a"), Value: []byte("text"), Rev: 1},
		{Key: []byte("b"), Value: []byte{0xff}, Rev: 2},
	} {
		if err := e.Write(r); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := e.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"kvsh":"export","version":1,"database":"notes.kv","rev":2}
	// {"key":"a","value":"text","rev":1}
	// {"key":"b","value_b64":"/w==","rev":2}
	// {"kvsh":"end","count":2,"checksum":"2154fca6"}
}

func ExampleNewImporter() {
	file := "key,value\na,1\nb,\"2\n"
	in := format.NewImporter(strings.NewReader(file), format.FormatCSV, format.ImportOptions{Name: "data.csv"})
	for r, err := range in.Records() {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s = %s\n", r.Key, r.Value)
	}
	// Output:
	// a = 1
	// data.csv:3: a quote is still open at the end of the file (column 3)
}
