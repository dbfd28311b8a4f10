package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"goxkd/cpu"
	"goxkd/gpu"
	"goxkd/graph"
)

// Names that Open takes besides an adapter's number.
const (
	AutoName = "auto" // what Auto chooses
	GPUName  = "gpu"  // the best adapter
	CPUName  = "cpu"  // the CPU path
)

// NoLimit is what an adapter's largest buffer is where its driver knows no limit.
const NoLimit = gpu.NoLimit

var (
	// ErrName is returned for a name that can be no device's.
	ErrName = errors.New("a device is auto, gpu, cpu or an adapter's number")
	// ErrNoAdapter is returned where a GPU was asked for and there is none.
	ErrNoAdapter = gpu.ErrNoAdapter
	// ErrNoKernels is returned by Overlay for a device that runs no kernels.
	ErrNoKernels = errors.New("it runs no kernels")
)

// Names are the names of devices that are no adapter's number.
func Names() []string { return []string{AutoName, GPUName, CPUName} }

// CheckName tells whether a name has the form of a device's, before anything is opened; errors are ErrName.
func CheckName(name string) error {
	if slices.Contains(Names(), name) {
		return nil
	}
	if n, err := strconv.Atoi(name); err != nil || n < 0 {
		return fmt.Errorf("%q: %w", name, ErrName)
	}
	return nil
}

// Open opens the device of a name: "auto", "gpu", "cpu", or an adapter's number in Adapters. The caller closes it.
func Open(ctx context.Context, name string) (graph.Device, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	quietDriver()
	switch name {
	case CPUName:
		return cpu.Device{}, nil
	case AutoName:
		c := Auto(ctx)
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, c.Device.Close())
		}
		return c.Device, nil
	}
	d, err := gpu.Open(name)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// CPU describes the CPU path.
func CPU() string { return cpu.Device{}.Name() }

// Adapters lists what WebGPU finds, the best first: discrete, integrated, then software. Without any the error is ErrNoAdapter.
func Adapters() ([]gpu.Adapter, error) {
	quietDriver()
	return gpu.Adapters()
}

// Overlay has a device compile the .wgsl files of a folder in place of the built-in kernels of the same names. A device that
// runs none is refused with ErrNoKernels.
func Overlay(d graph.Device, dir string) error {
	g, ok := d.(*gpu.Device)
	if !ok {
		return fmt.Errorf("%s: %w", d.Name(), ErrNoKernels)
	}
	return g.Overlay(dir)
}

// quietDriver keeps Mesa from complaining on standard error where the session has no runtime folder, as in containers.
func quietDriver() {
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		os.Setenv("XDG_RUNTIME_DIR", os.TempDir())
	}
}

// oneLine joins the lines of an error, such as errors.Join and drivers make.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}
