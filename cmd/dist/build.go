package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"goxkd/internal/files"
)

// sumsFile lists the archives with their SHA-256 sums, as sha256sum reads it.
const sumsFile = "SHA256SUMS"

// builder builds from the checkout in the current folder.
type builder struct {
	ctx      context.Context
	root     string    // the checkout
	work     string    // a folder that goes away
	revision string    // names the archives
	when     time.Time // of every file in them
}

// begin finds the checkout and its revision.
func (b *builder) begin() error {
	module, err := b.command("", nil, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	b.root = strings.TrimSpace(string(module))
	b.revision, b.when = "devel", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	// Git is not asked where there is none, or where the checkout is another user's.
	if head, err := b.command(b.root, nil, "git", "log", "-1", "--format=%h %ct", "--abbrev=12"); err == nil {
		hash, at, _ := strings.Cut(strings.TrimSpace(string(head)), " ")
		seconds, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return fmt.Errorf("git log says %q: %w", head, err)
		}
		b.revision, b.when = hash, time.Unix(seconds, 0).UTC()
		changed, err := b.command(b.root, nil, "git", "status", "--porcelain")
		if err != nil {
			return err
		}
		if len(changed) > 0 {
			b.revision += "-changed"
			fmt.Fprintln(os.Stderr, "note: the checkout has changes that no revision holds; the archives' names say so")
		}
	} else {
		fmt.Fprintf(os.Stderr, "note: %v; the archives are named devel\n", err)
	}
	b.work, err = os.MkdirTemp("", "xkd-dist-")
	return err
}

// build writes all archives and their sums, when all have been made.
func (b *builder) build(out string, targets []target) error {
	// The pages and completions of all systems are those that the program for this one writes.
	host := filepath.Join(b.work, "host")
	if err := b.compile(known["linux"], host); err != nil {
		return err
	}
	made := map[string][]byte{}
	for _, t := range targets {
		program := host
		if t.os != "linux" {
			program = filepath.Join(b.work, t.program)
			if err := b.compile(t, program); err != nil {
				return err
			}
		}
		name := fmt.Sprintf("xkd-%s-%s-amd64", b.revision, t.os)
		e, err := b.contents(t, name, program, host)
		if err != nil {
			return err
		}
		if made[name+t.ending], err = t.form(e, b.when); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return write(out, made)
}

// write puts files and their sums into a folder, each under its name only when it is whole.
func write(out string, made map[string][]byte) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var names []string
	for name := range made {
		names = append(names, name)
	}
	slices.Sort(names)
	var sums bytes.Buffer
	for _, name := range names {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(made[name]), name)
	}
	made[sumsFile] = sums.Bytes()
	for _, name := range append(names, sumsFile) {
		file := filepath.Join(out, name)
		if err := files.WriteAtomic(file, func(w io.Writer) error { _, err := w.Write(made[name]); return err }); err != nil {
			return err
		}
		fmt.Printf("%s  %.1f MB\n", file, float64(len(made[name]))/1e6)
	}
	return nil
}

// compile builds xkd for a system, without the paths of this machine in it.
func (b *builder) compile(t target, to string) error {
	env := []string{"CGO_ENABLED=1", "GOOS=" + t.os, "GOARCH=amd64", "GOAMD64=v1", "GOFLAGS=", "CC=" + t.cc}
	stamp := "-buildvcs=true"
	if strings.HasPrefix(b.revision, "devel") {
		stamp = "-buildvcs=false"
	}
	_, err := b.command(b.root, env, "go", "build", "-trimpath", stamp, "-ldflags=-s -w", "-o", to, "./cmd/xkd")
	return err
}

// contents are the files of an archive, below a folder of its name. host is the program for this system.
func (b *builder) contents(t target, name, program, host string) (entries, error) {
	e := entries{}
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	e[path.Join(name, t.program)] = entry{text, 0o755}
	for _, file := range []string{"README.md", "CHANGELOG.md", "LICENSE"} {
		text, err := os.ReadFile(filepath.Join(b.root, file))
		if errors.Is(err, fs.ErrNotExist) && file == "LICENSE" {
			continue // none has been chosen
		}
		if err != nil {
			return nil, err
		}
		e[path.Join(name, file)] = entry{text, 0o644}
	}
	if t.manuals {
		pages := filepath.Join(b.work, "man1")
		if _, err := b.command("", nil, host, "man", "--out", pages); err != nil {
			return nil, err
		}
		if err := e.addFolder(path.Join(name, "man", "man1"), pages); err != nil {
			return nil, err
		}
	}
	for _, shell := range t.shells {
		script, err := b.command("", nil, host, "completion", shell)
		if err != nil {
			return nil, err
		}
		e[path.Join(name, "completions", scripts[shell])] = entry{script, 0o644}
	}
	return e, b.addLicences(e, path.Join(name, "licences"), t)
}

// scripts are the names under which shells look for completions.
var scripts = map[string]string{"bash": "xkd", "zsh": "_xkd", "fish": "xkd.fish", "powershell": "xkd.ps1"}

// licence matches the names of files that say under which terms a library is given.
var licence = regexp.MustCompile(`(?i)^(.*-)?(licen[cs]es?|copying|notice|third_party_licenses)([.-].*)?$`)

// addLicences adds those of all modules that are linked in, of Go, and of what is embedded from the checkout.
func (b *builder) addLicences(e entries, to string, t target) error {
	list, err := b.command(b.root, []string{"CGO_ENABLED=1", "GOOS=" + t.os, "GOARCH=amd64", "GOFLAGS=", "CC=" + t.cc}, "go", "list", "-deps", "-json=Module", "./cmd/xkd")
	if err != nil {
		return err
	}
	goRoot, err := b.command("", nil, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	folders := map[string]string{"go": strings.TrimSpace(string(goRoot))}
	for in := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.Module != nil && !p.Module.Main {
			folders[p.Module.Path] = p.Module.Dir
		}
	}
	for module, dir := range folders {
		found, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("the licence of %s: %w", module, err)
		}
		before := len(e)
		for _, f := range found {
			from, as := filepath.Join(dir, f.Name()), path.Join(to, module, f.Name())
			switch {
			case !licence.MatchString(f.Name()):
				continue
			case f.IsDir():
				err = e.addFolder(as, from)
			default:
				err = e.addFile(as, from)
			}
			if err != nil {
				return fmt.Errorf("the licence of %s: %w", module, err)
			}
		}
		if len(e) == before {
			return fmt.Errorf("%s is linked in, and %s holds no licence", module, dir)
		}
	}
	return filepath.WalkDir(b.root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != b.root && strings.HasPrefix(d.Name(), "."), d.IsDir() && d.Name() == "runs":
			return filepath.SkipDir
		case d.IsDir() || filepath.Dir(p) == b.root || !licence.MatchString(d.Name()):
			return nil
		}
		rel, err := filepath.Rel(b.root, p)
		if err != nil {
			return err
		}
		return e.addFile(path.Join(to, "embedded", filepath.ToSlash(rel)), p)
	})
}

// command runs a program and gives what it writes. An error holds what it complains of.
func (b *builder) command(dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
