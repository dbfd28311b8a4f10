// Package cpu runs a plan in plain Go: the reference that every device is compared with, and a training path for machines
// without a GPU.
//
// It promises the same bits for the same graph and inputs on the same machine, whatever the number of cores. Nothing of size
// is allocated after an executor is made, and what does not fit into memory is refused with graph.ErrTooLarge.
package cpu
