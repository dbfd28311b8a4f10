// Package op declares the operations of the trainer, one file per family: shape rule, reference in plain Go with sums in
// float64, gradient, launch on a GPU and test cases.
//
// It promises that an operation is declared here and nowhere else: what builds graphs calls its function, executors find the
// rest in the declaration. References are written from the formula for clarity; the cpu executor replaces the costly ones
// and is tested against them.
package op
