package xkd

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the page of settings")

// Every setting and section is documented, a setting with range and source, and nothing is documented that there is not.
func TestEverySettingIsDocumented(t *testing.T) {
	used := map[string]bool{}
	walk(reflect.ValueOf(Config{}), "", func(path string, v reflect.Value, leaf bool) {
		found := 0
		for pattern := range docs {
			if matches(strings.Split(pattern, "."), strings.Split(path, ".")) {
				used[pattern] = true
				found++
			}
		}
		assert.Equal(t, 1, found, "%s: entries in the table of docs.go", path)
		d := docOf(path)
		assert.NotEmpty(t, d.Text, path)
		assert.Equal(t, leaf, d.Range != "", "%s: a setting has a range, a section none", path)
		assert.Equal(t, leaf, d.Source != "", "%s: a setting has a source, a section none", path)
		if leaf {
			_, err := json.Marshal(v.Interface())
			assert.NoError(t, err)
			assert.Equal(t, v.Interface(), Setting{path, v.Interface()}.Value)
		}
	})
	for pattern := range docs {
		assert.True(t, used[pattern], "docs.go explains %s, which is no setting", pattern)
	}
}

// The page of settings is the one that the table makes; go generate rewrites it.
func TestConfigurationPage(t *testing.T) {
	file := filepath.Join("..", "docs", "configuration.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(referencePage()), 0o644))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, referencePage(), string(have), "%s is stale: run go generate ./xkd", file)
}

// A configuration comes back the same from YAML, with comments and without, and from JSON, for all presets and variants.
func TestConfigRoundTrip(t *testing.T) {
	for _, preset := range Presets() {
		for _, variant := range Variants() {
			c, err := Default(preset, variant)
			require.NoError(t, err)
			require.NoError(t, c.Validate())
			c.Data.Path, c.Data.Split, c.Train.Seed = "a: [b] # \"c\"\\\t'é", "true", 1<<64-1
			c.EMA.Audio = Constant(0.5)
			texts := map[string]string{}
			for _, comments := range []bool{true, false} {
				var b bytes.Buffer
				require.NoError(t, c.WriteYAML(&b, comments))
				texts["yaml "+map[bool]string{true: "with comments", false: "plain"}[comments]] = b.String()
			}
			for _, indent := range []string{"", "  ", "\t"} {
				text, err := json.MarshalIndent(c, "", indent)
				require.NoError(t, err)
				texts["json "+indent] = string(text)
			}
			for name, text := range texts {
				back, err := readText(text)
				require.NoError(t, err, "%s: %s", name, text)
				require.Equal(t, c, back, name)
			}
		}
	}
}

// What is wrong in a file is named with file, line and field, all of it at once.
func TestReadConfigNamesMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "mine.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	for _, c := range []struct {
		text, want string
	}{
		{"optimizer:\n  grad_clp: 1", "mine.yaml:2: optimizer.grad_clp is no setting: did you mean optimizer.grad_clip?"},
		{"lr: 1", "mine.yaml:1: lr is no setting: did you mean optimizer.lr?"},
		{"optimzer: {lr: 1}", "did you mean optimizer?"},
		{"model: {attention: mean}", "did you mean model.refine?"},
		{"train: {steps: 1.5}", `mine.yaml:1: train.steps is "1.5": must be a whole number`},
		{"train: {steps: }", "train.steps has no value"},
		{"train: 3", "must be a section"},
		{"train: {steps: 3}\ntrain: {batch: 4}", "mine.yaml:2: train stands twice, first in line 1"},
		{"optimizer: {betas: [0.9]}", "optimizer.betas is a list of 1: must be a list of 2"},
		{"ema: {video: {base: 1, top: 2}}", "ema.video.top is no setting"},
		{"train: {zzzzzzzz: 2}", "there are modality, steps, batch, accumulate, recompute, seed, freeze_last_layer"},
		{"preset: huge", `preset is "huge": choose one of base, large, nano`},
		{"train: {steps: 0, batch: 0}", "train.batch is 0"},
		{"a: *b", "mine.yaml"},
		{"a: 1\n--- \nb: 2", "second document"},
		{"\ttrain: 1", "mine.yaml"},
	} {
		_, err := ReadConfig(write(c.text))
		require.ErrorContains(t, err, c.want, c.text)
	}
	_, err := ReadConfig(write("tran: {}\noptimizer: {lrr: 1}"))
	require.ErrorContains(t, err, "tran is")
	require.ErrorContains(t, err, "optimizer.lrr")
	var list FieldErrors
	require.ErrorAs(t, err, &list)
	require.Len(t, list, 2)
}

// Preset, file, settings: later over earlier, and what contradicts is refused.
func TestReadConfigOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(path, []byte("preset: tiny\nvariant: xkd_mas\noptimizer: {lr: 0.5}\nviews: {video: {mask: 0.5}}\nema: {video: 0.9}"), 0o644))
	c, err := ReadConfig(path, "train.batch=7", "ema.audio.base=0.25", "data.path=a b: c")
	require.NoError(t, err)
	want, err := Default("tiny", MAS)
	require.NoError(t, err)
	want.Optimizer.LR, want.Views.Video.Mask, want.EMA.Video = 0.5, 0.5, Constant(0.9)
	want.Train.Batch, want.EMA.Audio.Base, want.Data.Path = 7, 0.25, "a b: c"
	require.Equal(t, want, c)

	c, err = ReadConfig(path, "variant=xkd", "optimizer.lr=0.25")
	require.NoError(t, err)
	require.Equal(t, 1, c.Views.Video.Locals, "defaults are those of the variant that counts")
	require.Equal(t, 0.25, c.Optimizer.LR)

	_, err = ReadConfig(path, "preset=base")
	require.ErrorContains(t, err, "preset is tiny here, and base is asked for")
	_, err = ReadConfig("", "train.batch=4", "train.batch=8")
	require.ErrorContains(t, err, "train.batch is set twice, to 4 and to 8")
	_, err = ReadConfig("", "train.batch")
	require.ErrorContains(t, err, "a.b=value")
	_, err = ReadConfig("", "train.batchs=4")
	require.ErrorContains(t, err, "did you mean train.batch?")
	_, err = ReadConfig("", "train.batch.x=4")
	require.ErrorContains(t, err, "train.batch has nothing below it")
	_, err = ReadConfig("", "train.batch=many")
	require.ErrorContains(t, err, "must be a whole number")
}

func TestDiff(t *testing.T) {
	a, err := Default("nano", XKD)
	require.NoError(t, err)
	b := a
	require.Empty(t, Diff(a, b))
	b.EMA.Video, b.Model.Encoder.Dim = Constant(0.5), 48
	changes := Diff(a, b)
	require.Len(t, changes, 2)
	require.Equal(t, []string{"model.encoder.dim", "96", "48"}, []string{changes[0].Path, changes[0].A.Text(), changes[0].B.Text()})
	require.Equal(t, []string{"ema.video", "{start: 0, base: 0.99, final: 1, warm_up: 0}", "0.5"}, []string{changes[1].Path, changes[1].A.Text(), changes[1].B.Text()})
}
