package xkd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/safetensors"
)

// Whatever a metrics file holds, a run that goes on finds steps in order in it, each once and none after its checkpoint, and
// all good lines that were there.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte(`{"step":1,"losses":{}}`+"\n\n"+`{"step":3,"losses":{}}`+"\n{"), 3)
	f.Add([]byte(`{"step":2,"losses":{}}`+"\n"+`{"step":2,"losses":{}}`+"\n"+`{"step":1,"losses":{"loss":1e99}}`+"\n"), 2)
	f.Add([]byte("\x00\xff\n"), 1<<62)
	f.Fuzz(func(t *testing.T, raw []byte, done int) {
		if done < 0 || done > maxSteps {
			return
		}
		path := filepath.Join(t.TempDir(), MetricsFile)
		require.NoError(t, os.WriteFile(path, raw, 0o644))
		_, _ = LoadMetrics(path)
		before := goodSteps(raw, done)
		file, _, err := openMetrics(path, done)
		require.NoError(t, err)
		_, err = file.WriteString("{}\n")
		require.NoError(t, err)
		require.NoError(t, file.Close())
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		last := 0
		lines := splitLines(now)
		require.Equal(t, "{}", lines[len(lines)-1])
		for _, line := range lines[:len(lines)-1] {
			step, ok := stepOf([]byte(line))
			require.True(t, ok && step > last && step <= done, "%q", line)
			last = step
			delete(before, step)
		}
		require.Empty(t, before, "lost")
	})
}

// goodSteps are the steps up to done that have a whole line, the first from 1 on however they are ended.
func goodSteps(raw []byte, done int) map[int]bool {
	steps := map[int]bool{}
	for _, line := range splitLines(raw) {
		if step, ok := stepOf([]byte(line)); ok && step <= done {
			steps[step] = true
		}
	}
	return steps
}

func splitLines(raw []byte) (lines []string) {
	begin := 0
	for i, b := range raw {
		if b == '\n' {
			lines, begin = append(lines, string(raw[begin:i])), i+1
		}
	}
	return lines
}

// A checkpoint's metadata may say anything: it is taken or refused as damaged.
func FuzzMetadata(f *testing.F) {
	config := `{"preset":"nano","train":{"steps":3}}`
	f.Add(config, "", "2", `{"path":"/a","clips":3}`)
	f.Add("", `{"preset":"nano","config":{"variant":"xkd"},"recipe":{"steps":-1}}`, "0", "")
	f.Add(`{"data":{"most_lost":2}}`, "x", "99999999999999999999", "null")
	f.Fuzz(func(t *testing.T, config, plan, step, data string) {
		path := filepath.Join(t.TempDir(), CheckpointFile)
		metadata := map[string]string{metaStep: step}
		for key, text := range map[string]string{metaConfig: config, metaPlan: plan, metaData: data} {
			if text != "" {
				metadata[key] = text
			}
		}
		require.NoError(t, (&safetensors.File{Metadata: metadata}).Save(path))
		l, err := LoadCheckpoint(path)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		defer l.Close()
		require.NoError(t, l.Config.Validate())
		require.True(t, l.Done >= 0 && l.Clips >= 0)
		_, _ = l.Data(), l.Began()
	})
}
