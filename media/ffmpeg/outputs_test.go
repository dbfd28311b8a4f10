package ffmpeg

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// A process for each output, as Windows needs it, decodes what one process for all decodes.
func TestOneOutputAProcess(t *testing.T) {
	mediatest.NeedTools(t)
	in := Place{Path: filepath.Join(t.TempDir(), "a.mp4")}
	mediatest.AV(t, in.Path, 2, "64x48", 10)
	found, err := Probe(context.Background(), in)
	require.NoError(t, err)
	choice, err := found.Pick(true, true)
	require.NoError(t, err)
	decode := func() []media.Loaded {
		return DecodeAll(context.Background(), []Job{{in, choice, media.Span{Start: 0.5, Seconds: 1}}, {in, choice, media.Span{Seconds: 1}}}, Format{FPS: 8, Size: 48, Rate: 16000, Limit: time.Minute})
	}
	want := decode()
	manyOutputs = false
	defer func() { manyOutputs = true }()
	got := decode()
	for i := range want {
		require.NoError(t, want[i].Err)
		require.NoError(t, got[i].Err)
		require.Equal(t, want[i].Clip, got[i].Clip)
	}
	broken := Job{Place{Path: filepath.Join(t.TempDir(), "absent.mp4")}, choice, media.Span{Seconds: 1}}
	require.ErrorContains(t, DecodeAll(context.Background(), []Job{broken}, Format{FPS: 8, Size: 48, Rate: 16000, Limit: time.Minute})[0].Err, "No such file")
}
