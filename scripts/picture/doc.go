// Package picture draws session.svg, the picture of a session in the README. Its
// test runs the session at a terminal and compares; to draw it anew:
//
//	go test ./scripts/picture -update
package picture
