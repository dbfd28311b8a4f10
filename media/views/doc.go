// Package views makes what the networks see: it cuts a span out of each clip of a Source, draws the global and local views
// of both modalities, and stacks them into a Batch. What a clip becomes depends on (seed, epoch, clip index, view) alone,
// never on the number of workers or their order, so a run that resumes at a step sees the batches that an uninterrupted run
// would have seen. Spec names every shape and every parameter.
package views
