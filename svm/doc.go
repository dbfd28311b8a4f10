// Package svm trains linear support vector machines, one class against the rest, to the optimum. The same samples give the
// same bits, whatever the number of cores.
package svm
