package xkd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"goxkd/graph"
	"goxkd/safetensors"
)

// Keys of a checkpoint's metadata.
const (
	metaConfig = "xkd.config"
	metaPlan   = "xkd.plan" // of earlier versions: see legacy.go
	metaStep   = "xkd.step"
	metaData   = "xkd.data"
	metaFrom   = "xkd.provenance"
)

// aliases are the further keys under which the released state dict holds a tensor: the head's shared LayerNorm, and shared
// blocks under both modalities.
func (c Config) aliases(name string) []string {
	var out []string
	for i := 1; i < c.Model.Head.Layers-1; i++ {
		if strings.Contains(name, ".head.mlp.1.") {
			out = append(out, strings.Replace(name, ".head.mlp.1.", fmt.Sprintf(".head.mlp.%d.", 3*i+1), 1))
		}
	}
	for _, r := range []Role{Student, Teacher} {
		if rest, ok := strings.CutPrefix(name, netName(Video, r)+".backbone.encoder.blocks."); ok && c.shared(r) {
			out = append(out, netName(Audio, r)+".backbone.encoder.blocks."+rest)
		}
	}
	return out
}

// Checkpoint is the trainer's whole state: the model under the released code's state-dict names, AdamW's moments under
// adam_m/ and adam_v/, and in the metadata the configuration and the number of steps. Its tensors are read from the device
// one by one as the file is written, which is to happen before the next step.
func (t *Trainer) Checkpoint() (*safetensors.File, error) {
	config, err := json.Marshal(t.Config)
	if err != nil {
		return nil, err
	}
	provenance, err := json.Marshal(t.Provenance())
	if err != nil {
		return nil, err
	}
	f := &safetensors.File{
		Metadata: map[string]string{metaConfig: string(config), metaStep: strconv.Itoa(t.done), metaFrom: string(provenance)},
		Tensors:  map[string]safetensors.Tensor{},
	}
	if p := placesOf(t.Config.Data, t.clips, t.digest); p != nil {
		text, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		f.Metadata[metaData] = string(text)
	}
	for _, n := range t.Step.Kept() {
		tensor := safetensors.Tensor{Shape: n.Shape, Fill: func(dst []float32) error {
			if err := t.exec.Read(n, dst); err != nil {
				return err
			}
			return t.checkTensor(n, dst)
		}}
		f.Tensors[n.Name] = tensor
		for _, alias := range t.Config.aliases(n.Name) {
			f.Tensors[alias] = tensor
		}
	}
	return f, nil
}

// Save writes a checkpoint; the file is replaced whole or not at all. Weights that are not finite are not written: the error
// is ErrDiverged.
func (t *Trainer) Save(path string) error { return t.saveKeeping(path, "") }

// saveKeeping keeps the checkpoint that was there as previous, unless that is empty.
func (t *Trainer) saveKeeping(path, previous string) error {
	f, err := t.Checkpoint()
	if err != nil {
		return err
	}
	err = f.Replace(path, previous)
	if d := (*DivergedError)(nil); errors.As(err, &d) {
		return t.worst(d)
	}
	return err
}

// Loaded is a checkpoint: what its header says, verified, and the open file, of which tensors are read when they are needed.
type Loaded struct {
	Path   string
	Config Config
	Done   int // steps trained
	Clips  int // in the data set, 0 where that is not known
	// Missing and Unused are the tensors that the encoders lack, and that they have no use for, of weights that this program
	// did not write; Skipped are entries of such a file beside its weights.
	Missing, Unused, Skipped []string
	file                     tensors
	keys                     map[string]string // names in the file by those of training; nil where they are the same
	told                     bool              // what the tensors do not say stands in the file
	holds                    [2][2]bool        // encoders, by modality and role, where keys are there
	// Provenance is what made the weights; nil in files of earlier versions.
	Provenance *Provenance
	places     *places
	stale      error // why it can be probed but not resumed
}

// key is a tensor's name in the file.
func (l *Loaded) key(name string) string {
	if l.keys == nil {
		return name
	}
	return l.keys[name]
}

// DamagedError is an ErrDamaged, or an ErrNoCheckpoint, that knows of the checkpoint before.
type DamagedError struct {
	Path     string // the file that cannot be used
	Previous string // the one saved before it, intact
	Done     int    // steps of that
	Err      error  // what is wrong with the first
}

func (e DamagedError) Error() string {
	return fmt.Sprintf("%v; the one saved before it is intact, with %d steps: %s", e.Err, e.Done, e.Previous)
}

func (e DamagedError) Unwrap() error { return e.Err }

// Close closes the file.
func (l *Loaded) Close() error { return l.file.Close() }

// LoadCheckpoint reads a checkpoint's configuration, those of earlier versions too, and verifies the whole file, in little
// memory. Errors are ErrNoCheckpoint, ErrIrregular and ErrDamaged; the first and the last are a DamagedError where the run's
// folder has the checkpoint before, intact. Whoever has it closes it.
//
// Weights that the released code wrote are read too: backbones and whole checkpoints, in PyTorch's formats (package pth) or as
// safetensors. Their configuration follows from the tensors; settings, such as model.encoder.heads=6, change what it says.
func LoadCheckpoint(path string, settings ...string) (*Loaded, error) {
	l, err := loadCheckpoint(path, settings)
	if err == nil {
		return l, nil
	}
	if filepath.Base(path) == CheckpointFile && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrNoCheckpoint)) {
		if before, err2 := loadCheckpoint(filepath.Join(filepath.Dir(path), PreviousFile), nil); err2 == nil {
			before.Close()
			return nil, DamagedError{path, before.Path, before.Done, err}
		}
	}
	if errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w; use an intact copy, or train again", err)
	}
	return nil, err
}

func loadCheckpoint(path string, settings []string) (l *Loaded, err error) {
	if isPyTorch(path) {
		return openWeights(path, settings)
	}
	f, err := safetensors.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, ErrNoCheckpoint)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, ErrIrregular):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			l = nil
		}
	}()
	l = &Loaded{Path: path, file: f}
	text, current := f.Metadata[metaConfig]
	former, old := f.Metadata[metaPlan]
	switch {
	case current:
		err = l.Config.unmarshal(text)
	case old:
		if l.Config, err = convertPlan(former); err == nil {
			l.stale = sameClips(l.Config, former)
		}
	default:
		var given *Config
		if text, ok := f.Metadata[metaNetwork]; ok { // Export wrote it
			given = &Config{}
			if err := given.unmarshal(text); err != nil {
				return nil, fmt.Errorf("%w: %s: the configuration in its metadata cannot be used: %w", ErrWeights, path, err)
			}
		}
		released, err := loadWeights(path, f, given, f.Metadata[metaModality] == Video.String(), settings)
		if err != nil {
			return nil, err // f is closed, as l is nil then
		}
		return released, f.Verify(context.Background())
	}
	if err == nil && len(settings) > 0 {
		l.Config, err = l.Config.With("", settings...)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: the configuration in its metadata cannot be used: %w", ErrDamaged, path, err)
	}
	if l.Done, err = strconv.Atoi(f.Metadata[metaStep]); err != nil || l.Done < 0 || l.Done > maxSteps {
		return nil, fmt.Errorf("%w: %s: the step count in its metadata is %q", ErrDamaged, path, f.Metadata[metaStep])
	}
	if text, ok := f.Metadata[metaFrom]; ok {
		if err := json.Unmarshal([]byte(text), &l.Provenance); err != nil {
			return nil, fmt.Errorf("%w: %s: the provenance in its metadata cannot be read: %q", ErrDamaged, path, text)
		}
	}
	if text, ok := f.Metadata[metaData]; ok {
		if err := json.Unmarshal([]byte(text), &l.places); err != nil || l.places == nil || l.places.Clips < 0 {
			return nil, fmt.Errorf("%w: %s: the data's place in its metadata cannot be read: %q", ErrDamaged, path, text)
		}
		l.Clips = l.places.Clips
	}
	if err = f.Verify(context.Background()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return l, nil
}

// places say where a run's clips lie whatever the folder that the command is run in, and how many there are.
type places struct {
	Path  string `json:"path"`           // absolute
	Root  string `json:"root,omitempty"` // absolute
	Clips int    `json:"clips,omitempty"`
	// Digest is media.Digest of them.
	Digest string `json:"digest,omitempty"`
}

// placesOf is nil for generated clips, which lie nowhere.
func placesOf(d Data, clips int, digest string) *places {
	if d.Path == SyntheticData {
		return nil
	}
	p := &places{Path: absolute(d.Path), Clips: clips, Digest: digest}
	if d.Root != "" {
		p.Root = absolute(d.Root)
	}
	return p
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Began is the absolute path of the clips with which the run was begun, or went on last; empty where it is not known.
func (l *Loaded) Began() string {
	if l.places == nil {
		return ""
	}
	return l.places.Path
}

// digest is that of the clips; empty where it is not known.
func (l *Loaded) digest() string {
	if l.places == nil {
		return ""
	}
	return l.places.Digest
}

// Data is the configuration's, with paths that lead to the same clips from the present folder as from the one in which the
// run was begun. A path that leads nowhere any more stays as it was given.
func (l *Loaded) Data() Data {
	d := l.Config.Data
	if l.places == nil || d.Path == SyntheticData {
		return d
	}
	for _, p := range []struct {
		given *string
		was   string
	}{{&d.Path, l.places.Path}, {&d.Root, l.places.Root}} {
		if _, err := os.Lstat(p.was); err == nil && absolute(*p.given) != p.was {
			*p.given = p.was
		}
	}
	return d
}

// fits checks that the file has a state, in the shape that the configuration gives it.
func (l *Loaded) fits(n *graph.Node) error { return l.fitsAs(n, n.Name) }

func (l *Loaded) fitsAs(n *graph.Node, name string) error {
	shape, ok := l.file.Shape(l.key(name))
	if !ok {
		return fmt.Errorf("%w: %s has no tensor %s", ErrDamaged, l.Path, name)
	}
	if !n.Shape.Equal(shape) {
		return fmt.Errorf("%w: %s: %s has shape %v, its configuration needs %v", ErrDamaged, l.Path, name, graph.Shape(shape), n.Shape)
	}
	return nil
}

// tensor reads a state's elements, and checks their shape and that they are numbers.
func (l *Loaded) tensor(n *graph.Node) ([]float32, error) { return l.tensorAs(n, n.Name) }

// tensorAs reads a state that has another name in the file.
func (l *Loaded) tensorAs(n *graph.Node, name string) ([]float32, error) {
	if err := l.fitsAs(n, name); err != nil {
		return nil, err
	}
	t, err := l.file.Read(l.key(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return t.Data, l.checkLoaded(name, t.Data)
}

// movable are the settings that a resumed run may change: its length, where the same clips stand now, how many of them may
// fail, and the learning rate, which is what helps a run that has diverged.
var movable = []string{"train.steps", "data.path", "data.root", "data.most_lost", "optimizer.lr"}

// Contradictions are the settings in which a run differs from the checkpoint that it would go on from, besides those that a
// resumed run may change.
func (l *Loaded) Contradictions(c Config) []Change {
	return slices.DeleteFunc(Diff(l.Config, c), func(d Change) bool {
		return slices.Contains(movable, d.Path) && (d.Path != "data.path" || (l.Config.Data.Path == SyntheticData) == (c.Data.Path == SyntheticData))
	})
}

// Resume sets the trainer to a checkpoint's state; a configuration that contradicts the checkpoint's is refused.
func (t *Trainer) Resume(l *Loaded) error {
	if l.stale != nil {
		return fmt.Errorf("%s: %w: %w", l.Path, ErrContradiction, l.stale)
	}
	if changes := l.Contradictions(t.Config); len(changes) > 0 {
		var parts []string
		for _, d := range changes {
			parts = append(parts, fmt.Sprintf("%s is %s there and %s here", d.Path, d.A.Text(), d.B.Text()))
		}
		return fmt.Errorf("%s: %w: %s: resume with its own, or train anew in another folder", l.Path, ErrContradiction, strings.Join(parts, ", "))
	}
	var errs []error
	for _, n := range t.Step.Kept() {
		data, err := l.tensor(n)
		if err == nil {
			err = t.exec.Write(n, data)
		}
		if err != nil {
			errs = append(errs, err)
			break // one missing tensor is message enough
		}
	}
	t.done, t.clips, t.digest = l.Done, l.Clips, l.digest()
	return errors.Join(errs...)
}

// Restore writes a checkpoint's weights into a feature graph's executor.
func (f *Features) Restore(e graph.Executor, l *Loaded) error {
	for _, q := range f.Params {
		data, err := l.tensor(q.Node)
		if err != nil {
			return err
		}
		if err := e.Write(q.Node, data); err != nil {
			return err
		}
	}
	return nil
}
