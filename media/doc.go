// Package media turns files, or a generator, into the batches that one training step reads.
//
// A Source yields decoded clips (frames and a waveform); a Loader cuts a span out of each, draws
// the global and local views of both modalities and stacks them into a Batch. What a clip becomes
// depends on (seed, epoch, clip index, view) alone, never on the number of workers or their order,
// so a run that resumes at a step sees the batches that an uninterrupted run would have seen.
//
// Files are decoded by ffmpeg and ffprobe as child processes with argument lists, time limits and
// bounded output; nothing of them is linked in.
package media
