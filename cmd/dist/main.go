// Command dist builds the release archives on Linux on x86-64: xkd for Linux and, by mingw, for Windows, with manual pages,
// completions for shells and the licences of what is linked in, and the archives' SHA-256 sums.
//
// The same revision, Go and C compilers give the same bytes: times are the revision's, owners and orders are fixed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

func main() {
	out := flag.String("out", "dist", "`folder` to write into")
	systems := flag.String("os", "linux,windows", "the `systems` to build for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, strings.Split(*systems, ","), flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "dist: %v\n", err)
		os.Exit(1)
	}
}

// run builds the archives of the systems into a folder, all or none.
func run(ctx context.Context, out string, systems, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("there is no argument %q; see -help", rest[0])
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return errors.New("archives are built on Linux on x86-64, whose program also writes the manual pages and completions")
	}
	var targets []target
	for _, s := range systems {
		t, ok := known[s]
		if !ok {
			return fmt.Errorf("-os %q: there are linux and windows", s)
		}
		if _, err := exec.LookPath(t.cc); err != nil {
			return fmt.Errorf("the C compiler %s for %s is missing: apt-get install %s, or leave %s out by -os", t.cc, s, t.pack, s)
		}
		targets = append(targets, t)
	}
	b := builder{ctx: ctx}
	if err := b.begin(); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	return b.build(out, targets)
}

// target is a system to build for.
type target struct {
	os, cc  string
	pack    string // the package of Debian that has the compiler
	program string // the program's name there
	form    func(e entries, when time.Time) ([]byte, error)
	ending  string
	manuals bool
	shells  []string
}

var known = map[string]target{
	"linux":   {"linux", "gcc", "gcc", "xkd", tarGz, ".tar.gz", true, []string{"bash", "zsh", "fish", "powershell"}},
	"windows": {"windows", "x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64", "xkd.exe", zipped, ".zip", false, []string{"bash", "powershell"}},
}
