package xkd

import (
	"errors"

	"goxkd/internal/files"
)

// Errors that callers may tell apart by errors.Is. Settings that cannot be are FieldError and FieldErrors, by errors.As;
// what does not fit into memory is graph.ErrTooLarge; a program for media that cannot be run is media.ErrTool.
var (
	// ErrFolder means that a run's folder cannot be made or written.
	ErrFolder = errors.New("the run's folder cannot be written")
	// ErrLocked means that another run, which the message names, writes to the folder.
	ErrLocked = errors.New("another run has the folder")
	// ErrCheckpointExists means that a new run would overwrite a checkpoint.
	ErrCheckpointExists = errors.New("a checkpoint is there already")
	// ErrNoCheckpoint means that there is no file to load or to resume from.
	ErrNoCheckpoint = errors.New("there is no checkpoint")
	// ErrDamaged means that a file is no intact checkpoint of a training run.
	ErrDamaged = errors.New("no intact checkpoint")
	// ErrIrregular means that a pipe, a device or a folder stands where a file should; it is not opened, since that could block.
	ErrIrregular = files.ErrIrregular
	// ErrContradiction means that a checkpoint was trained with other settings than those it should go on with.
	ErrContradiction = errors.New("the checkpoint was trained with other settings")
	// ErrNotFinite means that weights of a checkpoint are infinite or no numbers.
	ErrNotFinite = errors.New("not all weights are numbers")
	// ErrDiverged means that a loss, a gradient or a weight is not finite, that the loss is above 1e6 or above 1e4 times that of
	// the run's first step, or a weight beyond 1e6; the trainer cannot go on. It is a DivergedError.
	ErrDiverged = errors.New("training has diverged")
	// ErrWeights means that weights which another program wrote cannot be used.
	ErrWeights = errors.New("no usable weights")
	// ErrNoEncoder means that weights are not of the network that is asked for.
	ErrNoEncoder = errors.New("no such encoder")
	// ErrFormat means that a file's ending names no format that can be written.
	ErrFormat = errors.New("not a format that can be written")
	// ErrOutputExists means that a file would be overwritten.
	ErrOutputExists = errors.New("the file exists already")
	// ErrNoLabels means that clips to be judged by their classes have fewer than two.
	ErrNoLabels = errors.New("the clips have no labels")
	// ErrSeveralLabels means that clips have several labels each where one is judged.
	ErrSeveralLabels = errors.New("clips have several labels")
	// ErrTooFewClips means that too few clips can be read for what is asked.
	ErrTooFewClips = errors.New("too few clips")
)
