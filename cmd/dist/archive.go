package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// entry is a file of an archive.
type entry struct {
	text []byte
	mode fs.FileMode
}

// entries are the files of an archive by their paths in it.
type entries map[string]entry

func (e entries) addFile(as, from string) error {
	text, err := os.ReadFile(from)
	e[as] = entry{text, 0o644}
	return err
}

// addFolder adds the files of a folder, not of its sub-folders.
func (e entries) addFolder(as, from string) error {
	found, err := os.ReadDir(from)
	for _, f := range found {
		if err == nil && f.Type().IsRegular() {
			err = e.addFile(path.Join(as, f.Name()), filepath.Join(from, f.Name()))
		}
	}
	return err
}

// tarGz packs files with one time, in the order of their names, owned by nobody in particular.
func tarGz(e entries, when time.Time) ([]byte, error) {
	var b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(e)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(e[name].text)), Mode: int64(e[name].mode), ModTime: when}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e[name].text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// zipped packs files with one time, in the order of their names.
func zipped(e entries, when time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(e)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: when}
		h.SetMode(e[name].mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(e[name].text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
