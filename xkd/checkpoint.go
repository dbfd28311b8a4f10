package xkd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// Checkpoint reads the trainer's whole state: the model under the released code's state-dict names, AdamW's moments under
// adam_m/ and adam_v/, and in the metadata the configuration and the number of steps.
func (t *Trainer) Checkpoint() (*safetensors.File, error) {
	config, err := json.Marshal(t.Config)
	if err != nil {
		return nil, err
	}
	f := &safetensors.File{
		Metadata: map[string]string{metaConfig: string(config), metaStep: strconv.Itoa(t.done)},
		Tensors:  map[string]safetensors.Tensor{},
	}
	for _, n := range t.Step.Kept() {
		data := make([]float32, n.Shape.Size())
		if err := t.exec.Read(n, data); err != nil {
			return nil, err
		}
		tensor := safetensors.Tensor{Shape: n.Shape, Data: data}
		f.Tensors[n.Name] = tensor
		for _, alias := range t.Config.aliases(n.Name) {
			f.Tensors[alias] = tensor
		}
	}
	return f, nil
}

// Save writes a checkpoint; the file is replaced whole or not at all.
func (t *Trainer) Save(path string) error {
	f, err := t.Checkpoint()
	if err != nil {
		return err
	}
	return f.Save(path)
}

// Loaded is a checkpoint read from a file.
type Loaded struct {
	Path   string
	Config Config
	Done   int // steps trained
	File   *safetensors.File
	stale  error // why it can be probed but not resumed
}

// LoadCheckpoint reads a checkpoint and its configuration, those of earlier versions too. Errors are ErrNoCheckpoint and
// ErrDamaged.
func LoadCheckpoint(path string) (*Loaded, error) {
	f, err := safetensors.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNoCheckpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; use an intact copy, or train again", ErrDamaged, err)
	}
	l := &Loaded{Path: path, File: f}
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
		return nil, fmt.Errorf("%w: %s holds tensors but no configuration: no training run wrote it", ErrDamaged, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: the configuration in its metadata cannot be used: %w", ErrDamaged, path, err)
	}
	if l.Done, err = strconv.Atoi(f.Metadata[metaStep]); err != nil || l.Done < 0 {
		return nil, fmt.Errorf("%w: %s: the step count in its metadata is %q", ErrDamaged, path, f.Metadata[metaStep])
	}
	return l, nil
}

// tensor finds a state's elements and checks their shape.
func (l *Loaded) tensor(n *graph.Node) ([]float32, error) {
	t, ok := l.File.Tensors[n.Name]
	if !ok {
		return nil, fmt.Errorf("%w: %s has no tensor %s", ErrDamaged, l.Path, n.Name)
	}
	if !n.Shape.Equal(t.Shape) {
		return nil, fmt.Errorf("%w: %s: %s has shape %v, its configuration needs %v", ErrDamaged, l.Path, n.Name, graph.Shape(t.Shape), n.Shape)
	}
	return t.Data, nil
}

// movable are the settings that a resumed run may change: its length, and where the same clips stand now.
var movable = []string{"train.steps", "data.path", "data.root"}

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
	t.done = l.Done
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
