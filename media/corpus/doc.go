// Package corpus finds clips: Open recognises folders, lists, tar shards and packed folders and gives what can be used of
// them, with a report of what cannot and why. Every file is asked about once; what it holds is kept in an index, and
// IndexClips sums a corpus up. A file that is damaged, has gone or has changed costs its own clips and no others.
package corpus
