package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"goxkd/device"
	"goxkd/graph"
)

const (
	deviceChoices = "auto, gpu (the best adapter), cpu, or an adapter's number from xkd devices"
	deviceUsage   = "`device`: " + deviceChoices
	useUsage      = "compute an operation by a `variant`, such as matmul=T64, where it has it; may be given again"
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

// openWith opens a device for a command of kernel authors: with a user's kernels, and with preferred variants.
func openWith(ctx context.Context, name, shaders string, use []string, notes io.Writer) (graph.Device, error) {
	variants := map[string]string{}
	for _, u := range use {
		op, variant, ok := strings.Cut(u, "=")
		if !ok || op == "" || variant == "" {
			return nil, usagef("--use %q: give an operation and a variant, such as matmul=T64; `xkd shader matmul --list` has them", u)
		}
		variants[op] = variant
	}
	d, err := openDevice(ctx, name, notes)
	if err != nil {
		return nil, err
	}
	if err = layOver(d, shaders); err == nil && len(variants) > 0 {
		var preferring graph.Device
		if preferring, err = device.Prefer(d, variants); err == nil {
			return preferring, nil
		}
		err = usagef("--use: %w", err)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
