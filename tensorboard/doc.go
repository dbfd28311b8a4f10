// Package tensorboard writes event files as TensorBoard reads them: scalars and images over steps.
//
// It promises records in TFRecord's framing, with masked CRC-32C of length and data, each of one Event message, and it
// depends on no other code of the project.
package tensorboard
