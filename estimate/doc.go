// Package estimate tells what a training step needs before a device is there: memory by kind, kernel calls, bytes moved and
// arithmetic, by operation, the largest batch that fits, and by given peaks a time.
//
// It promises that dispatches and memory are those of the plan that an adapter of the class would run, to the byte. Bytes moved
// count every tensor that a kernel binds once, so caches may move less and kernels that read twice more. A time by peaks is
// a bound, not a forecast.
package estimate
