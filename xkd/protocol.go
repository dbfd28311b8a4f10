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
	// Of a support vector machine: views of a training clip, spans of a test clip, and the values of C that are tried.
	TrainClips int       `yaml:"train_clips"`
	TestClips  int       `yaml:"test_clips"`
	Cs         []float64 `yaml:"c"`
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
	case len(p.Modalities()) == 0 || p.Method != MethodSVM && len(p.Modalities()) != 1:
		err = fmt.Errorf("protocol %s: modality is %q: give video or audio, or of svm both", from, p.Modality)
	case p.Folds < 1 || p.Folds > 100:
		err = fmt.Errorf("protocol %s: folds is %d: give 1 to 100", from, p.Folds)
	case p.Method != MethodSVM && (p.Epochs < 1 || p.Epochs > 1<<20):
		err = fmt.Errorf("protocol %s: epochs is %d: give 1 or more", from, p.Epochs)
	case p.Method == MethodSVM && (p.TrainClips < 1 || p.TrainClips > 1000 || p.TestClips < 1 || p.TestClips > 1000):
		err = fmt.Errorf("protocol %s: train_clips and test_clips are %d and %d: give 1 to 1000", from, p.TrainClips, p.TestClips)
	case p.Method == MethodSVM && (len(p.Cs) == 0 || slices.ContainsFunc(p.Cs, func(c float64) bool { return !(c > 0 && c < 1e9) })):
		err = fmt.Errorf("protocol %s: c is %v: give numbers above 0", from, p.Cs)
	}
	return p, err
}

// Modalities are those of a protocol; none where it names no known one.
func (p Protocol) Modalities() []Modality {
	switch p.Modality {
	case Video.String():
		return []Modality{Video}
	case Audio.String():
		return []Modality{Audio}
	case "both":
		return []Modality{Video, Audio}
	}
	return nil
}

// Config is that of a protocol's run on an encoder of another configuration; more settings replace the protocol's own.
func (p Protocol) Config(c Config, more ...string) (Config, error) {
	switch p.Method {
	case MethodSVM:
		c.Tune, c.Data.Split, c.Data.Root = defaultTune, "", "" // how clips are divided
	case MethodLinear:
		c = c.TuneFrom(p.Modalities()[0], max(p.Classes, 2)).Probing()
	default:
		c = c.TuneFrom(p.Modalities()[0], max(p.Classes, 2))
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
