// Package ffmpeg reads media files by ffmpeg and ffprobe as child processes, with argument lists, time limits and bounded
// output; nothing of them is linked in. Files may be hostile: no name becomes an option or a protocol, no header makes the
// tools allocate without bound, and no child outlives its context. Here alone the tools' own words become errors.
package ffmpeg
