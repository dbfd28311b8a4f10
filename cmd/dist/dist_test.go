package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// built builds a system's archive, twice where it is asked to, and gives what is in it, unpacked below a folder.
func built(t *testing.T, system string, times int) (e entries, dir string) {
	t.Helper()
	if os.Getenv("XKD_TESTS") != "all" {
		t.Skip("builds the program anew, which takes minutes; XKD_TESTS=all does")
	}
	target := known[system]
	if _, err := exec.LookPath(target.cc); err != nil {
		t.Skipf("%s is missing: apt-get install %s", target.cc, target.pack)
	}
	var sums string
	for range times {
		out := t.TempDir()
		require.NoError(t, run(t.Context(), out, []string{system}, nil))
		text, err := os.ReadFile(filepath.Join(out, sumsFile))
		require.NoError(t, err)
		if sums != "" {
			require.Equal(t, sums, string(text), "another build has the same bytes")
		}
		sums = string(text)
		sum, name, ok := strings.Cut(strings.TrimSpace(sums), "  ")
		require.True(t, ok)
		archive, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(archive)), sum)
		e, _ = unpacked(t, name, archive)
		dir = strings.TrimSuffix(name, target.ending)
	}
	to := t.TempDir()
	for name, f := range e {
		path := filepath.Join(to, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, f.text, f.mode))
	}
	for _, file := range []string{"README.md", "CHANGELOG.md", "licences/go/LICENSE", "completions/xkd.ps1", target.program} {
		require.Contains(t, e, dir+"/"+file)
	}
	return e, filepath.Join(to, dir)
}

func TestDistLinux(t *testing.T) {
	e, dir := built(t, "linux", 2)
	name := filepath.Base(dir)
	for _, file := range []string{"man/man1/xkd.1", "man/man1/xkd-train.1", "completions/xkd", "completions/_xkd", "completions/xkd.fish"} {
		require.Contains(t, e, name+"/"+file)
	}
	out, err := exec.Command(filepath.Join(dir, "xkd"), "--version").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "xkd version")
	require.NotContains(t, string(e[name+"/xkd"].text), os.TempDir()+"/xkd-dist-", "no path of this machine")
}

// processPrng stands in for a library that Wine lacks before version 9, which Go's runtime asks for random numbers.
const processPrng = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
`

// The program for Windows trains, goes on and is locked by itself on the CPU path, under Wine.
func TestDistWindows(t *testing.T) {
	_, dir := built(t, "windows", 1)
	wine, err := exec.LookPath("wine")
	if err != nil {
		t.Skip("wine is missing, so that the program was built and not run: apt-get install wine wine64")
	}
	prefix := t.TempDir()
	environment := append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all")
	command := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, environment
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	defer command("wineserver", "-k")
	out, err := command(wine, "xkd.exe", "--version")
	if err != nil && strings.Contains(out, "bcryptprimitives.dll not found") {
		source := filepath.Join(t.TempDir(), "prng.c")
		require.NoError(t, os.WriteFile(source, []byte(processPrng), 0o644))
		out, err = command(known["windows"].cc, "-shared", "-o", filepath.Join(prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll"), source, "-ladvapi32")
		require.NoError(t, err, out)
		out, err = command(wine, "xkd.exe", "--version")
	}
	require.NoError(t, err, out)
	require.Contains(t, out, "xkd version")
	train := func(args ...string) string {
		out, err := command(wine, append([]string{"xkd.exe", "train", "--device", "cpu", "--batch", "2", "--out", "run"}, args...)...)
		require.NoError(t, err, out)
		return out
	}
	train("--steps", "2")
	require.Contains(t, train("--resume", "--steps", "3"), "3/3")
	require.NoFileExists(t, filepath.Join(dir, "run", ".lock"))
	out, err = command(wine, "xkd.exe", "check", "--device", "cpu", "--op", "matmul")
	require.NoError(t, err, out)
	require.Contains(t, out, "all within their limits")
}
