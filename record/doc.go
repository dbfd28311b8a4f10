// Package record reads the folders that training runs write: what each is, how far it has come and its figures.
//
// It promises to write nothing, to follow runs that go on, and to hold a bounded number of points of a curve, however long
// a run is.
package record
