package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// said is what the command writes to standard output; it must succeed.
func said(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(args, &stdout, &stderr), "%v: %s", args, stderr.String())
	return stdout.String()
}

// offered is what a shell is told that may follow, and cobra's directive.
func offered(t *testing.T, args ...string) (words []string, directive string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(said(t, append([]string{"__complete"}, args...)...)), "\n")
	last := len(lines) - 1
	for _, l := range lines[:last] {
		word, _, _ := strings.Cut(l, "\t")
		words = append(words, word)
	}
	return words, lines[last]
}

func TestCompletions(t *testing.T) {
	const files, nothing, unfinished, folders = ":0", ":4", ":6", ":16"
	for _, c := range []struct{ line, directive, words string }{
		{"train --preset", nothing, "nano tiny_h6 large"},
		{"pack --preset", nothing, "nano"},
		{"train --variant", nothing, "xkd xkd_mas xkd_mats"},
		{"plan --refine", nothing, "mean softmax none"},
		{"train --teacher-view", nothing, "global local0"},
		{"probe --device", nothing, "auto gpu cpu"},
		{"finetune --modality", nothing, "video audio"},
		{"train --modality", nothing, "video audio"},
		{"embed --network", nothing, "student teacher"},
		{"finetune --from", nothing, "weights scratch"},
		{"export --to", nothing, "onnx safetensors"},
		{"bench --tune", nothing, "off cached full"},
		{"plan --class", nothing, "discrete integrated software"},
		{"check --op", nothing, "matmul softmax"},
		{"check golden --use", unfinished, "matmul="},
		{"train --set", unfinished, "optimizer.lr= model.refine="},
		{"shader matmul --variant", nothing, "T64"},
		{"shader --class software softmax --variant", nothing, "serial"},
		{"bench op layernorm --case", nothing, "large"},
		{"eval", nothing, "esc50 kinetics400"},
		{"shader", nothing, "matmul"},
		{"shader matmul", nothing, ""},
		{"help", nothing, "train config"},
		{"help config", nothing, "show diff"},
		{"help train", nothing, ""},
		{"train", nothing, ""},
		{"train --steps", nothing, ""},
		{"train --out", folders, ""},
		{"train --data", files, ""},
		{"probe", files, ""},
	} {
		words, directive := offered(t, append(strings.Fields(c.line), "")...)
		require.Equal(t, c.directive, directive, c.line)
		require.Subset(t, words, strings.Fields(c.words), c.line)
		require.Equal(t, c.words == "", len(words) == 0, "%s: %v", c.line, words)
	}
}

// The table of words names no flag that is gone, and what is none of a flag's words is refused with all of them.
func TestFlagValues(t *testing.T) {
	there := map[string]bool{}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { there[f.Name] = true })
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(newRoot(io.Discard, io.Discard))
	for flag, words := range flagValues {
		require.True(t, there[flag], flag)
		for _, word := range words() {
			require.NoError(t, oneOf(flag, word))
			require.ErrorContains(t, oneOf(flag, "no "+word), word)
		}
	}
	for flag := range begun {
		require.True(t, there[flag], flag)
	}
	require.EqualError(t, oneOf("tune", "never"), `--tune "never": give off, cached or full`)
}

// What the completions offer of settings is what the library takes.
func TestWordsOfSettings(t *testing.T) {
	for _, flag := range []string{"preset", "variant", "refine", "teacher-view"} {
		for _, word := range flagValues[flag]() {
			said(t, "config", "show", "--plain", "--"+flag, word)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, said(t, "completion", shell), "__complete", shell)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is needed to read its script")
	}
	check := exec.Command(bash, "-n")
	check.Stdin = strings.NewReader(said(t, "completion", "bash"))
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Every command that help lists has a page, and two writings are equal.
func TestManPages(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "a", "man1"), t.TempDir()
	said(t, "man", "--out", one)
	said(t, "man", "--out", two)
	pages, err := os.ReadDir(one)
	require.NoError(t, err)
	n := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		text, err := os.ReadFile(filepath.Join(one, name+".1"))
		require.NoError(t, err)
		again, err := os.ReadFile(filepath.Join(two, name+".1"))
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
		require.Contains(t, string(text), `.TH "`+strings.ToUpper(name)+`" "1"`)
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			require.Equal(t, !f.Hidden, strings.Contains(string(text), `\fB--`+f.Name), "%s: --%s", name, f.Name)
		})
		n++
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				visit(c)
			}
		}
	}
	visit(newRoot(io.Discard, io.Discard))
	require.Len(t, pages, n)
	var stderr bytes.Buffer
	require.Equal(t, exitUsage, run([]string{"man"}, &stderr, &stderr))
	require.Contains(t, stderr.String(), "--out")
}
