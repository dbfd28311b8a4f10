package xkd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"goxkd/graph"
	"goxkd/safetensors"
)

// Keys of a checkpoint's metadata.
const (
	metaPlan = "xkd.plan"
	metaStep = "xkd.step"
)

// aliases are the further keys under which the released state dict holds a tensor: the head's shared LayerNorm, and shared
// blocks under both modalities.
func (c Config) aliases(name string) []string {
	var out []string
	for i := 1; i < c.Head.Layers-1; i++ {
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
// adam_m/ and adam_v/, and in the metadata the plan and the number of steps.
func (t *Trainer) Checkpoint() (*safetensors.File, error) {
	plan, err := json.Marshal(t.Plan)
	if err != nil {
		return nil, err
	}
	f := &safetensors.File{
		Metadata: map[string]string{metaPlan: string(plan), metaStep: strconv.Itoa(t.done)},
		Tensors:  map[string]safetensors.Tensor{},
	}
	for _, n := range t.Step.Kept() {
		data := make([]float32, n.Shape.Size())
		if err := t.exec.Read(n, data); err != nil {
			return nil, err
		}
		tensor := safetensors.Tensor{Shape: n.Shape, Data: data}
		f.Tensors[n.Name] = tensor
		for _, alias := range t.Plan.Config.aliases(n.Name) {
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
	Path string
	Plan Plan
	Done int // steps trained
	File *safetensors.File
}

// LoadCheckpoint reads a checkpoint and its plan.
func LoadCheckpoint(path string) (*Loaded, error) {
	f, err := safetensors.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no checkpoint %s: xkd train writes one into its output folder", path)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %w; use an intact copy, or train again", err)
	}
	l := &Loaded{Path: path, File: f}
	text, ok := f.Metadata[metaPlan]
	if !ok {
		return nil, fmt.Errorf("%s holds tensors but no training plan: it was not written by xkd train", path)
	}
	if err := json.Unmarshal([]byte(text), &l.Plan); err != nil {
		return nil, fmt.Errorf("%s: the training plan in its metadata is damaged: %w", path, err)
	}
	if err := l.Plan.Validate(); err != nil {
		return nil, fmt.Errorf("%s: the training plan in its metadata does not hold: %w", path, err)
	}
	if l.Done, err = strconv.Atoi(f.Metadata[metaStep]); err != nil || l.Done < 0 {
		return nil, fmt.Errorf("%s: the step count %q in its metadata is damaged", path, f.Metadata[metaStep])
	}
	return l, nil
}

// tensor finds a state's elements and checks their shape.
func (l *Loaded) tensor(n *graph.Node) ([]float32, error) {
	t, ok := l.File.Tensors[n.Name]
	if !ok {
		return nil, fmt.Errorf("%s has no tensor %s: it is of another configuration", l.Path, n.Name)
	}
	if !n.Shape.Equal(t.Shape) {
		return nil, fmt.Errorf("%s: %s has shape %v, this configuration needs %v: give the preset and variant it was trained with", l.Path, n.Name, graph.Shape(t.Shape), n.Shape)
	}
	return t.Data, nil
}

// Resume sets the trainer to a checkpoint's state. The configurations must agree; the recipe may differ.
func (t *Trainer) Resume(l *Loaded) error {
	if t.Plan.Config != l.Plan.Config {
		return fmt.Errorf("%s was trained with another configuration (%s, batch %d, encoder %+v) than asked for (%s, batch %d, encoder %+v): resume without these flags", l.Path,
			l.Plan.Config.Variant, l.Plan.Config.Batch, l.Plan.Config.Encoder, t.Plan.Config.Variant, t.Plan.Config.Batch, t.Plan.Config.Encoder)
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
