// Package check compares executors with each other and with golden figures: single operations, one training step node by
// node, and whole cases of the released PyTorch code.
//
// It promises that every result names what was compared, its error and its limit, that limits do not depend on the device, and
// that a figure which is not finite fails.
package check
