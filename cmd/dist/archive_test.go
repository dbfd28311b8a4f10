package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	sample = entries{"x/b": {[]byte("text"), 0o644}, "x/a": {[]byte("program"), 0o755}}
	when   = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
)

// unpacked reads an archive back, and tells that times and owners are fixed.
func unpacked(t *testing.T, name string, archive []byte) (e entries, order []string) {
	t.Helper()
	e = entries{}
	if strings.HasSuffix(name, ".zip") {
		r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		require.NoError(t, err)
		for _, f := range r.File {
			in, err := f.Open()
			require.NoError(t, err)
			text, err := io.ReadAll(in)
			require.NoError(t, err)
			require.Equal(t, r.File[0].Modified, f.Modified)
			e[f.Name], order = entry{text, f.Mode()}, append(order, f.Name)
		}
		return e, order
	}
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	require.True(t, zr.ModTime.IsZero())
	for r := tar.NewReader(zr); ; {
		h, err := r.Next()
		if err == io.EOF {
			return e, order
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Zero(t, h.Uid+h.Gid)
		require.Empty(t, h.Uname+h.Gname)
		e[h.Name], order = entry{text, h.FileInfo().Mode()}, append(order, h.Name)
	}
}

// What is packed comes out again, in one order, and twice as the same bytes.
func TestForms(t *testing.T) {
	for _, target := range known {
		one, err := target.form(sample, when)
		require.NoError(t, err)
		for range 5 {
			two, err := target.form(sample, when)
			require.NoError(t, err)
			require.Equal(t, one, two)
		}
		got, order := unpacked(t, target.ending, one)
		require.Equal(t, sample, got)
		require.Equal(t, []string{"x/a", "x/b"}, order)
	}
}

func TestSums(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new")
	require.NoError(t, write(out, map[string][]byte{"b.zip": []byte("b"), "a.tar.gz": []byte("a")}))
	sums, err := os.ReadFile(filepath.Join(out, sumsFile))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%x  a.tar.gz\n%x  b.zip\n", sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))), string(sums))
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, left, 3)
}

// Every module that is linked in is there with its licence, and what is embedded.
func TestLicences(t *testing.T) {
	b := builder{ctx: t.Context(), root: filepath.Join("..", "..")}
	e := entries{}
	require.NoError(t, b.addLicences(e, "l", known["linux"]))
	for _, file := range []string{"l/go/LICENSE", "l/github.com/spf13/cobra/LICENSE.txt", "l/github.com/rajveermalviya/go-webgpu/wgpu/LICENSE", "l/gonum.org/v1/gonum/THIRD_PARTY_LICENSES/Boost-LICENSE", "l/embedded/watch/page/uplot-LICENSE.txt"} {
		require.Contains(t, e, file)
	}
	require.NotContains(t, e, "l/github.com/stretchr/testify/LICENSE", "what tests alone need")
}

func TestRefusals(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	require.ErrorContains(t, run(t.Context(), out, []string{"plan9"}, nil), `-os "plan9"`)
	require.ErrorContains(t, run(t.Context(), out, []string{"linux"}, []string{"more"}), `"more"`)
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, run(t.Context(), out, []string{"windows"}, nil), "apt-get install gcc-mingw-w64-x86-64")
	require.NoDirExists(t, out)
}
