// Package arch holds the test that the packages of kvsh depend on each other,
// and on libraries, only as CONTRIBUTING.md draws it. It has no code to import.
package arch
