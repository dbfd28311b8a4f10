package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// settings are the flags that make a configuration: a file, single settings, and flags of their own for the commonest.
type settings struct {
	released string
	told     bool // of the released file's keys, by the command itself
	file     string
	set      []string
	alone    string // the one modality that is trained
	cmd      *cobra.Command
}

// flagPaths are the settings that each flag stands for.
var flagPaths = []struct {
	flag  string
	paths []string
}{
	{"preset", []string{"preset"}}, {"variant", []string{"variant"}},
	{"data", []string{"data.path"}}, {"split", []string{"data.split"}}, {"fold", []string{"data.fold"}}, {"root", []string{"data.root"}},
	{"difficulty", []string{"data.synthetic.difficulty"}},
	{"steps", []string{"train.steps"}}, {"batch", []string{"train.batch"}}, {"accumulate", []string{"train.accumulate"}}, {"recompute", []string{"train.recompute"}},
	{"seed", []string{"train.seed", "data.synthetic.seed"}}, {"lr", []string{"optimizer.lr"}},
	{"label", []string{"tune.label"}}, {"clips", []string{"tune.clips"}},
	{"cls", []string{"model.cls"}}, {"refine", []string{"model.refine"}}, {"teacher-view", []string{"model.teacher_view"}},
}

// Help of the flags that fix a network, for all commands.
const (
	presetUsage      = "`size` of the networks: nano, tiny, tiny_h6, small, small_h12, base or large"
	variantUsage     = "`variant`: xkd (separate networks), xkd_mas (the students share blocks) or xkd_mats (the teachers too)"
	refineUsage      = "how attention refines the teachers' `features`: mean, softmax or none"
	teacherViewUsage = "`view` that the teachers see: global (the paper) or local0 (the released code)"
)

const recomputeUsage = "compute what blocks leave for the gradient again instead of keeping it: less memory, the same results"

// addNetwork declares the flags that fix the networks.
func (s *settings) addNetwork(cmd *cobra.Command) {
	s.cmd = cmd
	fl := cmd.Flags()
	fl.StringVar(&s.released, "released", "", "YAML `file` of the method's released PyTorch code in place of a preset, such as xkd.yaml")
	fl.String("preset", "nano", presetUsage)
	fl.String("variant", xkd.XKD, variantUsage)
	fl.Bool("cls", true, "networks have a class token")
	fl.String("refine", xkd.RefineMean, refineUsage)
	fl.String("teacher-view", xkd.TeacherGlobal, teacherViewUsage)
}

// addFile declares the flags that take any setting.
func (s *settings) addFile(cmd *cobra.Command) {
	s.cmd = cmd
	fl := cmd.Flags()
	fl.StringVar(&s.file, "config", "", "YAML or JSON `file` whose fields replace the preset's")
	fl.StringArrayVar(&s.set, "set", nil, "one `setting`, such as optimizer.lr=1e-3, over the preset's and the file's; may be given again")
}

// addRun declares the flags of a training run.
func (s *settings) addRun(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.String("data", xkd.SyntheticData, "`path` of clips with sound: a folder, a list of files, shards or what xkd pack has written; or synthetic for generated clips")
	fl.String("split", "", splitUsage)
	fl.Int("fold", 1, foldUsage)
	fl.String("root", "", rootUsage)
	fl.Int("steps", 800, "steps to train; with --resume, the new total")
	fl.Int("batch", 16, "clips per step, or per micro-batch")
	fl.Int("accumulate", 1, "micro-batches per step")
	fl.Bool("recompute", false, recomputeUsage)
	fl.Uint64("seed", 0, "seed of the weights, the order, the masks and the generated clips")
	fl.Float64("lr", 0, "highest learning rate (default the preset's; nano: 1e-3, others: 1e-4)")
	fl.Float64("difficulty", synthetic.DefaultDifficulty, "of the generated clips, from 0 to 1")
	s.addNetwork(cmd)
	s.addFile(cmd)
}

// addAlone declares the flag that trains one modality.
func (s *settings) addAlone(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.alone, "modality", "", "train video or audio alone, by masked reconstruction, on clips that may lack the other (default both together)")
}

// given lists what --set and the flags ask for, but for some flags. A flag that contradicts a --set is refused with it by the library.
func (s *settings) given(but ...string) []string {
	list := slices.Clone(s.set)
	for _, f := range flagPaths {
		if fl := s.cmd.Flags().Lookup(f.flag); fl == nil || !fl.Changed || slices.Contains(but, f.flag) {
			continue
		}
		for _, path := range f.paths {
			value := s.cmd.Flags().Lookup(f.flag).Value.String()
			if len(f.paths) > 1 && path != f.paths[0] && s.sets(path) {
				continue // the flag's second setting gives way to its own --set
			}
			list = append(list, path+"="+value)
		}
	}
	if s.alone != "" {
		for _, e := range xkd.AloneSettings(s.alone) {
			if path, _, _ := strings.Cut(e, "="); !s.sets(path) {
				list = append(list, e)
			}
		}
	}
	return list
}

// sets reports whether --set names a path.
func (s *settings) sets(path string) bool {
	return slices.ContainsFunc(s.set, func(e string) bool { return strings.HasPrefix(e, path+"=") })
}

// layers are all that was given, but for some flags, and what a command says itself.
func (s *settings) layers(more []string, but ...string) (xkd.Layers, error) {
	l := xkd.Layers{File: s.file, Settings: append(s.given(but...), more...)}
	if s.released == "" {
		return l, nil
	}
	r, err := xkd.ReadReleased(s.released)
	if err != nil {
		return l, s.explainFile("released", err)
	}
	l.Released = r
	return l, nil
}

// config is the configuration of a new run.
func (s *settings) config(more ...string) (xkd.Config, error) {
	l, err := s.layers(more)
	if err != nil {
		return xkd.Config{}, err
	}
	s.sayIdle(l.Released)
	c, err := l.Config()
	if err != nil {
		return c, s.explain(err)
	}
	return c, s.idle(c)
}

// again are the flags that give another command the same preset, file and settings.
func (s *settings) again() string {
	text := ""
	if fl := s.cmd.Flags().Lookup("preset"); fl.Changed || s.file == "" {
		text += " --preset " + fl.Value.String()
	}
	if s.file != "" {
		text += " --config " + media.Printable(s.file)
	}
	for _, e := range s.set {
		text += fmt.Sprintf(" --set '%s'", media.Printable(e))
	}
	return text
}

// sayIdle says which keys of a released file have no effect.
func (s *settings) sayIdle(r *xkd.ReleasedConfig) {
	if r == nil || s.told {
		return
	}
	var names []string
	for _, k := range r.Keys {
		if k.Idle() {
			names = append(names, k.Path[strings.LastIndex(k.Path, ".")+1:])
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > 0 {
		fmt.Fprintf(s.cmd.ErrOrStderr(), "note: %s: without effect: %s; `xkd config show --released` says why\n", media.Printable(r.File), strings.Join(names, ", "))
	}
}

// idle refuses flags that the configuration has no use for.
func (s *settings) idle(c xkd.Config) error {
	generated := c.Data.Path == xkd.SyntheticData
	for _, flag := range []string{"split", "fold", "root"} {
		if s.cmd.Flags().Changed(flag) && generated {
			return usagef("--%s is for files: generated clips have no use for it", flag)
		}
	}
	if s.cmd.Flags().Changed("difficulty") && !generated {
		return usagef("--difficulty is for generated clips, and --data names %s", c.Data.Path)
	}
	return nil
}

// explain makes a usage error of what the library says about settings, and names the flags they came by.
func (s *settings) explain(err error) error { return s.explainFile("config", err) }

// explainFile is explain, where a file that cannot be read came by a flag.
func (s *settings) explainFile(flag string, err error) error {
	var many xkd.FieldErrors
	var one xkd.FieldError
	switch {
	case errors.As(err, &many):
	case errors.As(err, &one):
		many = xkd.FieldErrors{one}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return usagef("--%s: %w", flag, err)
	default:
		return usagef("%w", err)
	}
	var parts []string
	for _, e := range many {
		text := e.Error()
		if flag := s.flagOf(e.Path); flag != "" && e.File == "" {
			text = fmt.Sprintf("--%s %s: %s", flag, s.cmd.Flags().Lookup(flag).Value, text)
		}
		parts = append(parts, text)
	}
	hint := ""
	if slices.ContainsFunc(many, func(e xkd.FieldError) bool { return strings.Contains(e.Problem, "is no setting") }) {
		hint = "; `xkd config show` prints all settings"
	}
	return usagef("%s%s", strings.Join(parts, "; "), hint)
}

// flagOf is the flag that was given for a path.
func (s *settings) flagOf(path string) string {
	for _, f := range flagPaths {
		if slices.Contains(f.paths, path) && s.cmd.Flags().Changed(f.flag) {
			return f.flag
		}
	}
	if s.alone != "" && path == "train.modality" {
		return "modality"
	}
	return ""
}

// over lays what was given over a checkpoint's configuration. What contradicts it is refused.
func (s *settings) over(l *xkd.Loaded) (xkd.Config, error) {
	given, err := s.layers(nil)
	if err != nil {
		return l.Config, err
	}
	c, err := given.Over(l.Config)
	if err != nil {
		return c, s.explain(err)
	}
	var parts []string
	for _, d := range l.Contradictions(c) {
		name := d.Path + " " + d.B.Text()
		if flag := s.flagOf(d.Path); flag != "" {
			name = fmt.Sprintf("--%s %s", flag, s.cmd.Flags().Lookup(flag).Value)
		}
		parts = append(parts, fmt.Sprintf("%s contradicts the checkpoint, which has %s", name, d.A.Text()))
	}
	if len(parts) > 0 {
		return c, usagef("%s: leave it out, or train anew with another --out", strings.Join(parts, "; "))
	}
	return c, nil
}
