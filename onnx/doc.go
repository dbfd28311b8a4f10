// Package onnx writes models in the ONNX format, opset 17: graphs of float32 with named dynamic axes. It holds no more of the
// format than that takes.
package onnx
