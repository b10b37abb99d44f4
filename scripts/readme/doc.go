// Package readme holds the tests of README.md and CONTRIBUTING.md: what is shown
// there happens so, and what is named there is there. It has no code to import.
package readme
