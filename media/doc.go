// Package media turns files, or a generator, into the batches that one training step reads.
//
// A Source yields decoded clips (frames and a waveform); a Loader cuts a span out of each, draws
// the global and local views of both modalities and stacks them into a Batch. What a clip becomes
// depends on (seed, epoch, clip index, view) alone, never on the number of workers or their order,
// so a run that resumes at a step sees the batches that an uninterrupted run would have seen.
//
// Open recognises folders, lists, tar shards and packed folders and gives their clips as a Source.
// IndexClips looks at the files of a corpus once and keeps what it finds; Pack decodes them once into
// shards (Packed) that are read without ffmpeg.
//
// Files are decoded by ffmpeg and ffprobe as child processes with argument lists, time limits and
// bounded output; nothing of them is linked in.
package media
