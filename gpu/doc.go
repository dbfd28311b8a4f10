// Package gpu runs graphs on WebGPU adapters. It alone knows the WebGPU library.
//
// It promises the same bits for the same graph and inputs on the same adapter and driver, errors in place of the end of the
// process, and submissions that stay under the time after which systems reset an adapter.
//
// One goroutine owns each device, since the library's error scopes are one stack per device; calls from any other are
// marshalled to it. What the library would answer with the end of the process (a bad submission, mapped memory that is not
// there, memory that runs out) is checked before it is asked.
package gpu
