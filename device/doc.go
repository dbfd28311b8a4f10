// Package device opens what graphs run on: a GPU that WebGPU reaches, or the CPU path.
//
// It promises that Open("auto") always gives a device: the CPU path is there where no adapter is, and Auto says why it was
// taken. What does not fit into memory is refused before it is allocated, with graph.ErrTooLarge. Adapters keep their
// numbers, the best first, as long as the machine's drivers stay the same.
package device
