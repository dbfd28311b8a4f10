// Package watch keeps what a run shows beside its figures, and serves runs as a page: curves, pictures, settings.
//
// The server promises to change nothing, to answer this machine alone unless told otherwise, to answer no page of another
// name (DNS rebinding), and to need nothing from outside the program.
package watch
