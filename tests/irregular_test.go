//go:build !windows

package tests

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/xkd"
)

// What may block for ever, or never end, is refused wherever a file or a folder is expected, and is not opened.
func TestPipesAndDevicesAreRefused(t *testing.T) {
	dir := t.TempDir()
	fifo := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, syscall.Mkfifo(path, 0o644))
		return name
	}
	pipe := fifo("pipe")
	fifo("saved/" + xkd.CheckpointFile)
	fifo("measured/" + xkd.MetricsFile)
	fifo("locked/" + xkd.LockFile)
	const train = "train --device cpu --batch 2 --steps 1 "
	for _, c := range []struct {
		args string
		code int
		part string
	}{
		{train + "--config " + pipe, 2, "pipe is a named pipe"},
		{train + "--config /dev/zero", 2, "/dev/zero is a device"},
		{train + "--config .", 2, ". is a folder"},
		{"config check " + pipe, 2, "pipe is a named pipe"},
		{train + "--data " + pipe, 1, "pipe: not a regular file"},
		{train + "--data /dev/zero", 1, "/dev/zero: not a regular file"},
		{train + "--out " + pipe, 1, "pipe"},
		{train + "--out /dev/null", 1, "/dev/null"},
		{train + "--out saved", 1, "there already"},
		{train + "--resume --out saved", 1, "saved/checkpoint.safetensors is a named pipe"},
		{train + "--out measured", 1, "measured/metrics.jsonl is a named pipe"},
		{train + "--out locked", 1, "locked/.lock is a named pipe"},
		{"probe --device cpu saved", 1, "is a named pipe"},
		{"probe --device cpu " + pipe, 1, "is a named pipe"},
		{"probe --device cpu /dev/zero", 1, "is a device"},
		{"plot measured", 1, "is a named pipe"},
		{"check golden --device cpu " + pipe, 1, "is a named pipe"},
	} {
		t.Run(c.args, func(t *testing.T) {
			xkdIn(t, dir, strings.Fields(c.args)...).fails(t, c.code, c.part)
		})
	}
	_, err := xkd.LoadCheckpoint(checkpointIn(filepath.Join(dir, "saved")))
	require.ErrorIs(t, err, xkd.ErrIrregular)
	_, err = xkd.ReadConfig(filepath.Join(dir, pipe))
	require.ErrorIs(t, err, xkd.ErrIrregular)
}
