// Package files holds what programs that keep files need and the standard library lacks: writing that a crash leaves whole,
// a folder's lock, causes without paths, and work side by side. It knows nothing of clips.
package files
