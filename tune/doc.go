// Package tune chooses the variants of kernels for the shapes of one graph by timing them on one adapter, and keeps the choice
// in a file by adapter, driver, kernel text and shape.
//
// It promises that no variant is chosen whose result was not compared with the CPU path's on the same inputs, that a choice
// made under another driver or for other kernels is never used, and that a graph runs the same arithmetic with a choice as
// without one: only the order of sums may differ.
package tune
