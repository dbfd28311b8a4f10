package xkd

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzConfig reads configurations: none crashes, and one that is accepted builds and comes back the same from its own text,
// as JSON and as YAML.
func FuzzConfig(f *testing.F) {
	c, err := Default("nano", XKD)
	require.NoError(f, err)
	text, err := json.Marshal(c)
	require.NoError(f, err)
	f.Add(string(text))
	f.Add(`{"model":{"encoder":{"dim":-1}}}`)
	f.Add("views: {video: {global: {frames: 1e9}}}")
	f.Add("ema: {video: 0.9}\ndata:\n  path: \"a: b\"\n")
	f.Add("schedule: {lr: {warm_up: .nan}}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readText(text)
		if err != nil {
			return
		}
		asJSON, err := json.Marshal(c)
		require.NoError(t, err)
		var asYAML bytes.Buffer
		require.NoError(t, c.WriteYAML(&asYAML, true))
		for _, again := range []string{string(asJSON), asYAML.String()} {
			back, err := readText(again)
			require.NoError(t, err, again)
			require.Equal(t, c, back)
		}
		locals := 1
		v := c.Views.Video
		for i, n := range []int{v.Local.Frames, v.Local.Size[0], v.Local.Size[1]} {
			locals *= n / v.Patch[i]
		}
		if c.VideoTokens()+c.AudioTokens()+locals > 2048 || c.Model.Encoder.Depth+c.Model.Decoder.Depth > 16 || c.Model.Head.Layers > 8 {
			return // takes too long to build many times
		}
		_, err = BuildStep(c, StepOptions{})
		require.NoError(t, err)
	})
}

// readText reads a configuration's text as ReadConfig reads a file's.
func readText(text string) (c Config, err error) {
	l := &overlays{}
	if l.root, err = parse([]byte(text)); err != nil {
		return c, err
	}
	if c, err = l.defaults(); err != nil {
		return c, err
	}
	if err = l.apply(&c); err != nil {
		return c, err
	}
	return c, c.Validate()
}
