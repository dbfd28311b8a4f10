package xkd

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/synthetic"
)

// FuzzPlan reads configurations: none crashes, and one that is accepted builds and comes back the same from its own text.
func FuzzPlan(f *testing.F) {
	c, spec, err := Preset("nano")
	require.NoError(f, err)
	text, err := json.Marshal(Plan{Preset: "nano", Data: "synthetic", Config: c, Media: spec, Recipe: DefaultRecipe("nano", XKD, 10, 1), Synthetic: synthetic.Config{}})
	require.NoError(f, err)
	f.Add(string(text))
	f.Add(`{"config":{"encoder":{"embed_dim":-1}}}`)
	f.Add(`{"media":{"frames":1e9}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var p Plan
		if json.Unmarshal([]byte(text), &p) != nil || p.Validate() != nil {
			return
		}
		again, err := json.Marshal(p)
		require.NoError(t, err)
		var q Plan
		require.NoError(t, json.Unmarshal(again, &q))
		require.Equal(t, p, q)
		c := p.Config
		locals := 1
		for i, p := range c.Video.Patch {
			locals *= c.Video.Local[i+1] / p
		}
		if c.VideoTokens()+c.AudioTokens()+locals > 2048 || c.Encoder.Depth+c.Decoder.Depth > 16 || c.Head.Layers > 8 {
			return // takes too long to build many times
		}
		_, err = BuildStep(c, StepOptions{})
		require.NoError(t, err)
	})
}
