// Package safetensors reads and writes the safetensors format: an 8-byte little-endian header length, a JSON header, and the
// tensors' bytes. Tensors are float32; F64, F16 and BF16 are converted when read.
//
// It promises that a file is written whole or not at all, with checksums in its metadata, and that one which is damaged is
// refused with its name and the reason, without allocating more than it holds.
package safetensors
