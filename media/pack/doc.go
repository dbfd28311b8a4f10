// Package pack keeps decoded clips in tar shards, from which any stretch of a clip is read by one seek and verified against
// its checksums, without ffmpeg. What Write puts there depends on the corpus alone, and a run that was stopped goes on where
// it was; Open gives the same samples as the corpus that was packed.
package pack
