// Package pth reads the tensors of PyTorch's files (.pth, .pth.tar, .pt): the zip format, and the one before it.
//
// It promises that nothing in a file is executed: the pickle inside is read by a machine that knows the few opcodes and names
// which weights need, and refuses all others by name. What a file claims is not allocated before the file is seen to hold it.
package pth
