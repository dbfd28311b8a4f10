package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/mediatest"
)

// The first ten refused files are named, all where that is asked for, and a corpus without a clip is an error.
func TestIndexNamesFiles(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	for i := range 12 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("junk%02d.mp4", i)), nil, 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "z\x1b[2J.mp4"), nil, 0o644))
	run := func(args ...string) (string, error) {
		cmd := newIndex()
		var out, notes bytes.Buffer
		cmd.SetArgs(append(args, dir))
		cmd.SetOut(&out)
		cmd.SetErr(&notes)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(context.Background())
		return out.String(), err
	}
	out, err := run()
	require.ErrorContains(t, err, "none of 13 media files can be used")
	require.Equal(t, 10, strings.Count(out, ".mp4: the file is empty"))
	require.Contains(t, out, "and 3 more")
	out, err = run("--all")
	require.Error(t, err)
	require.Equal(t, 12, strings.Count(out, ".mp4: the file is empty"))
	require.Contains(t, out, `"z\x1b[2J.mp4": the file is empty`)
	require.NotContains(t, out, "\x1b")
	out, err = run("--json")
	require.Error(t, err)
	var doc indexSummary
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Len(t, doc.Files, 13)

	mediatest.Seconds(t, filepath.Join(dir, "two.ts"), 1, "-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:v", "mpeg2video", "-c:a", "mp2")
	out, err = run()
	require.NoError(t, err)
	require.Contains(t, out, "remarks\n  two.ts: 2 audio tracks, none marked as default")
}
