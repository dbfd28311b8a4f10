// Package safetensors reads and writes the safetensors format: an 8-byte little-endian header length, a JSON header, and the
// tensors' bytes. Only float32 tensors are read and written, since nothing else occurs in checkpoints and golden cases.
//
// It promises that a file is written whole or not at all, and that one which is damaged is refused with its name and the
// reason, without allocating more than it holds.
package safetensors
