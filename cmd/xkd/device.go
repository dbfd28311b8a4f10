package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"goxkd/device"
	"goxkd/graph"
)

const (
	deviceChoices = "auto, gpu (the best adapter), cpu, or an adapter's number from xkd devices"
	deviceUsage   = "`device`: " + deviceChoices
	shadersUsage  = "lay the .wgsl files of this `folder` over the built-in kernels"
)

// parseDevice checks the form of a --device flag before anything is opened.
func parseDevice(name string) error {
	if device.CheckName(name) != nil {
		return usagef("--device %q: give %s", name, deviceChoices)
	}
	return nil
}

// openDevice opens what a --device flag names. Why auto chose as it did, where that may surprise, goes to notes.
func openDevice(ctx context.Context, name string, notes io.Writer) (graph.Device, error) {
	if err := parseDevice(name); err != nil {
		return nil, err
	}
	if name == device.AutoName {
		c := device.Auto(ctx)
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, c.Device.Close())
		}
		switch {
		case c.Surprise && c.Name == device.CPUName:
			fmt.Fprintf(notes, "device: computing on the CPU: %s\n", c.Reason)
		case c.Surprise:
			fmt.Fprintf(notes, "device: %s: %s\n", c.Device.Name(), c.Reason)
		}
		return c.Device, nil
	}
	d, err := device.Open(ctx, name)
	if errors.Is(err, device.ErrNoAdapter) {
		return nil, fmt.Errorf("--device %s: %w; or compute without one: --device cpu", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("--device %s: %w", name, err)
	}
	return d, nil
}

// layOver has a device compile a user's kernels in place of the built-in ones.
func layOver(dev graph.Device, dir string) error {
	if dir == "" {
		return nil
	}
	err := device.Overlay(dev, dir)
	if errors.Is(err, device.ErrNoKernels) {
		return usagef("--shaders: %s runs no kernels; give a GPU by --device", dev.Name())
	}
	return err
}
