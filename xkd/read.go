package xkd

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"goxkd/internal/files"
)

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// ReadConfig makes a configuration: the preset, then the file's fields, then settings such as "optimizer.lr=1e-3", later over
// earlier. The file is YAML or JSON, whole or a part; path may be empty for none. Preset and variant may stand in either; without
// them the preset is nano and the variant xkd. What is unknown, stands twice or does not fit is refused with FieldErrors.
func ReadConfig(path string, settings ...string) (Config, error) {
	return Layers{File: path, Settings: settings}.Config()
}

// Layers are what lies over a preset, later over earlier.
type Layers struct {
	Released *ReleasedConfig // nil for none
	File     string          // of YAML or JSON, whole or a part; "" for none
	Settings []string        // such as "optimizer.lr=1e-3"
}

// Config makes a configuration as ReadConfig does; a released file names preset and variant.
func (s Layers) Config() (Config, error) {
	l, err := readOverlays(s)
	if err != nil {
		return Config{}, err
	}
	c, err := l.defaults()
	if err != nil {
		return Config{}, err
	}
	if err := l.apply(&c); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// With gives the configuration with a file's fields and settings over it, as ReadConfig takes them.
func (c Config) With(path string, settings ...string) (Config, error) {
	return Layers{File: path, Settings: settings}.Over(c)
}

// Over gives a configuration with the layers over it. Its steps stay where a released file counts them in epochs.
func (s Layers) Over(c Config) (Config, error) {
	c, err := s.over(c)
	if err != nil {
		return c, err
	}
	return c, c.Validate()
}

// over is Over, without a look at what comes out.
func (s Layers) over(c Config) (Config, error) {
	l, err := readOverlays(s)
	if err != nil {
		return c, err
	}
	steps := c.Train.Steps
	if l.released != nil {
		l.released.over(&c)
		c.Train.Steps = steps
	}
	return c, l.apply(&c)
}

// setting is a path with its value as text.
type setting struct{ path, text string }

// overlays are what lies over the preset.
type overlays struct {
	released *ReleasedConfig
	file     string
	root     *yaml.Node
	settings []setting
}

func readOverlays(s Layers) (*overlays, error) {
	l := &overlays{released: s.Released, file: s.File}
	if s.File != "" {
		text, err := readFile(s.File)
		if err != nil {
			return nil, err
		}
		if l.root, err = parse(text); err != nil {
			return nil, FieldError{File: s.File, Problem: strings.TrimPrefix(err.Error(), "yaml: ")}
		}
	}
	for _, s := range s.Settings {
		at, text, ok := strings.Cut(s, "=")
		if at = strings.TrimSpace(at); !ok || at == "" {
			return nil, FieldError{Problem: fmt.Sprintf("%q is no setting: write a.b=value, such as optimizer.lr=1e-3", s)}
		}
		i := slices.IndexFunc(l.settings, func(e setting) bool { return e.path == at })
		if i >= 0 && l.settings[i].text != text {
			return nil, FieldError{Path: at, Problem: fmt.Sprintf("is set twice, to %s and to %s: keep one", l.settings[i].text, text)}
		}
		l.settings = append(l.settings, setting{at, text})
	}
	return l, nil
}

func readFile(path string) ([]byte, error) {
	file, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = fmt.Errorf("%s is larger than %d bytes: it is no configuration", path, maxConfig)
	}
	return text, err
}

// defaults is the preset that the layers name. A preset cannot lie over a file that was made for another.
func (l *overlays) defaults() (Config, error) {
	preset, variant := l.named("preset"), l.named("variant")
	if in := l.inFile("preset"); in != "" && in != preset {
		return Config{}, FieldError{File: l.file, Path: "preset", Problem: fmt.Sprintf("is %s here, and %s is asked for: keep one", in, preset)}
	}
	if l.released != nil {
		return l.overReleased(preset, variant)
	}
	if preset == "" {
		preset = "nano"
	}
	if variant == "" {
		variant = XKD
	}
	return Default(preset, variant)
}

// overReleased is the default of the released file's preset, with what the file decides over it.
func (l *overlays) overReleased(preset, variant string) (Config, error) {
	own := l.released.Config.Preset
	if preset != "" && preset != own {
		return Config{}, FieldError{File: l.released.File, Path: "model.kwargs.student_cfg", Problem: fmt.Sprintf("makes the preset %s, and %s is asked for: keep one", own, preset)}
	}
	if variant == "" {
		variant = l.released.Config.Variant
	}
	c, err := Default(own, variant)
	if err == nil {
		l.released.over(&c)
		c.Variant = variant
	}
	return c, err
}

// named is the value of a top-level name: a setting's, or else the file's.
func (l *overlays) named(name string) string {
	for _, s := range l.settings {
		if s.path == name {
			return s.text
		}
	}
	return l.inFile(name)
}

func (l *overlays) inFile(name string) string {
	if l.root == nil || l.root.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(l.root.Content); i += 2 {
		if l.root.Content[i].Value == name {
			return l.root.Content[i+1].Value
		}
	}
	return ""
}

// apply lays file and settings over a configuration.
func (l *overlays) apply(c *Config) error {
	var errs FieldErrors
	if l.root != nil {
		overlay(reflect.ValueOf(c).Elem(), l.root, "", &errs)
		for i := range errs {
			errs[i].File = l.file
		}
	}
	for _, s := range l.settings {
		if err := c.Set(s.path, s.text); err != nil {
			if more, ok := err.(FieldErrors); ok {
				errs = append(errs, more...)
			} else {
				errs = append(errs, err.(FieldError))
			}
		}
	}
	return errs.or()
}

// Set changes one setting, or one section, to what a text says in YAML. The result is not validated.
func (c *Config) Set(path, text string) error {
	v, err := field(reflect.ValueOf(c).Elem(), path)
	if err != nil {
		return err
	}
	if v.Kind() == reflect.String {
		v.SetString(text) // as it is: a path may hold what means something in YAML
		return nil
	}
	n, err := parse([]byte(text))
	if err != nil || n == nil {
		return FieldError{Path: path, Problem: fmt.Sprintf("is %q: must be %s", text, kindName(v))}
	}
	var errs FieldErrors
	overlay(v, n, path, &errs)
	for i := range errs {
		errs[i].Line = 0
	}
	return errs.or()
}

// unmarshal reads a whole configuration as checkpoints hold it; fields that a newer version has added keep their defaults.
func (c *Config) unmarshal(text string) error {
	if !json.Valid([]byte(text)) {
		return fmt.Errorf("it is no JSON")
	}
	l := &overlays{}
	var err error
	if l.root, err = parse([]byte(text)); err != nil {
		return err
	}
	if *c, err = l.defaults(); err != nil {
		return err
	}
	if err := l.apply(c); err != nil {
		return err
	}
	return c.Validate()
}
