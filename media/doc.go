// Package media says what a clip is and what gives clips: Clip, Span, Source and Corpus, the options by which stored clips
// are opened and the report of what was found. It decodes, reads and draws nothing itself, so that everything else in media
// can rest on it: it imports none of its folders.
//
//   - media/corpus opens what lies at a path: a folder, a list, tar shards or a packed folder
//   - media/ffmpeg asks about media files and decodes them, by child processes
//   - media/pack writes decoded clips into shards and reads them back
//   - media/synthetic makes clips
//   - media/views cuts, augments and stacks clips of any Source into the batches of training
package media
