// Package shaders holds the WGSL files, one per family of operations, and specialises their text.
//
// It promises that a file is valid as it stands, with defaults for its constants. Specialising replaces the value of constant
// lines and the file behind include lines, and has no other directive; the same constants give the same text.
package shaders
