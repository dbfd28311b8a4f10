package xkd

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed protocols/*.yaml
var protocols embed.FS

// Methods of protocols.
const (
	MethodFinetune = "finetune"
	MethodLinear   = "linear"
	MethodSVM      = "svm"
)

// Protocol is one row of the paper's results: how a set is divided and what is done with it.
type Protocol struct {
	Title    string   `yaml:"title"`
	Method   string   `yaml:"method"`   // finetune, linear or svm
	Modality string   `yaml:"modality"` // video, audio or both
	Classes  int      `yaml:"classes"`  // of the whole set
	Clips    int      `yaml:"clips"`    // of the whole set; 0 where that is not known
	Folds    int      `yaml:"folds"`
	Epochs   int      `yaml:"epochs"`
	Paper    float64  `yaml:"paper"`    // the paper's figure in %
	Settings []string `yaml:"settings"` // of the run, such as optimizer.lr=1e-4
}

// Protocols names those that are built in.
func Protocols() (names []string) {
	entries, err := protocols.ReadDir("protocols")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// ProtocolText is the file of a built-in protocol.
func ProtocolText(name string) ([]byte, error) {
	text, err := protocols.ReadFile(path.Join("protocols", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("there is no protocol %q: choose one of %s", name, strings.Join(Protocols(), ", "))
	}
	return text, nil
}

// ReadProtocol reads a built-in protocol or, where a file is named, that instead.
func ReadProtocol(name, file string) (p Protocol, err error) {
	text, from := []byte(nil), file
	if file == "" {
		text, err = ProtocolText(name)
		from = name
	} else {
		text, err = readFile(file)
	}
	if err != nil {
		return p, err
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("protocol %s: %s", from, strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", ";"))
	}
	switch {
	case !slices.Contains([]string{MethodFinetune, MethodLinear, MethodSVM}, p.Method):
		err = fmt.Errorf("protocol %s: method is %q: give finetune, linear or svm", from, p.Method)
	case p.Method != MethodSVM && p.Modality != Video.String() && p.Modality != Audio.String():
		err = fmt.Errorf("protocol %s: modality is %q: give video or audio", from, p.Modality)
	case p.Folds < 1 || p.Folds > 100:
		err = fmt.Errorf("protocol %s: folds is %d: give 1 to 100", from, p.Folds)
	case p.Method != MethodSVM && (p.Epochs < 1 || p.Epochs > 1<<20):
		err = fmt.Errorf("protocol %s: epochs is %d: give 1 or more", from, p.Epochs)
	}
	return p, err
}

// Config is that of a protocol's run on an encoder of another configuration; more settings replace the protocol's own.
func (p Protocol) Config(c Config, more ...string) (Config, error) {
	m := Video
	if p.Modality == Audio.String() {
		m = Audio
	}
	c = c.TuneFrom(m, max(p.Classes, 2))
	if p.Method == MethodLinear {
		c = c.Probing()
	}
	settings := slices.DeleteFunc(slices.Clone(p.Settings), func(s string) bool {
		at, _, _ := strings.Cut(s, "=")
		return slices.ContainsFunc(more, func(m string) bool { return strings.HasPrefix(m, at+"=") })
	})
	return c.With("", append(settings, more...)...)
}

// Probing makes a linear probe of a configuration that fine-tunes: the encoder frozen, normalised features, no mixing.
func (c Config) Probing() Config {
	t := &c.Tune
	t.Frozen, t.Head, t.L2, t.BatchNorm, t.Dropout, t.Mixup, t.Cutmix, t.LayerDecay = true, HeadClassifier, true, true, 0, 0, 0, 1
	c.Optimizer.WeightDecay, c.Optimizer.LR = 0, 1e-2
	return c
}
