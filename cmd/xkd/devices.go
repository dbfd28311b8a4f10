package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"goxkd/device"
)

// devicesReport is the JSON form of `xkd devices`.
type devicesReport struct {
	Adapters []adapterReport `json:"adapters"`
	CPU      cpuReport       `json:"cpu"`
	Auto     autoReport      `json:"auto"`
}

type adapterReport struct {
	Number  int    `json:"number"`
	Name    string `json:"name"`
	Class   string `json:"class"`
	Backend string `json:"backend"`
	Driver  string `json:"driver"`
	// Bytes of one buffer (null where the driver knows no limit) and of one storage binding, of workgroup memory; threads of one workgroup.
	MaxBuffer       *int64 `json:"max_buffer_bytes"`
	MaxBinding      int64  `json:"max_binding_bytes"`
	WorkgroupMemory int    `json:"workgroup_memory_bytes"`
	Invocations     int    `json:"workgroup_threads"`
}

type cpuReport struct {
	Name  string `json:"name"`
	Cores int    `json:"cores"`
}

type autoReport struct {
	Device string `json:"device"` // the --device that names it
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func newDevices() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the GPUs and the CPU path, and which one auto takes",
		Long: `Devices lists the adapters that WebGPU finds, the best first, with the numbers that --device takes, and the CPU path.
A software adapter computes on the CPU's cores. The last line says which device "auto" takes and why.`,
		Example: "  xkd devices\n  xkd devices --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := devicesReport{Adapters: []adapterReport{}, CPU: cpuReport{device.CPU(), runtime.GOMAXPROCS(0)}}
			adapters, err := device.Adapters()
			if err != nil && !errors.Is(err, device.ErrNoAdapter) {
				return err
			}
			for i, a := range adapters {
				r.Adapters = append(r.Adapters, adapterReport{
					Number: i, Name: a.Name, Class: a.Class.String(), Backend: a.Backend, Driver: a.Driver,
					MaxBuffer: limited(a.Limits.Buffer), MaxBinding: a.Limits.StorageBinding,
					WorkgroupMemory: a.Limits.WorkgroupMemory, Invocations: a.Limits.Invocations,
				})
			}
			if len(adapters) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", oneLine(err))
			}
			choice := device.Auto(cmd.Context())
			defer choice.Device.Close()
			r.Auto = autoReport{choice.Name, choice.Device.Name(), choice.Reason}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// limited is nil for no limit.
func limited(bytes int64) *int64 {
	if bytes == device.NoLimit {
		return nil
	}
	return &bytes
}

func atMost(bytes *int64) string {
	if bytes == nil {
		return "any"
	}
	return megabytes(*bytes)
}

func (r devicesReport) print(cmd *cobra.Command) error {
	t := newTable("--device", "name", "class", "backend", "driver", ">buffer", ">binding", ">workgroup")
	for _, a := range r.Adapters {
		t.add(strconv.Itoa(a.Number), a.Name, a.Class, a.Backend, a.Driver,
			atMost(a.MaxBuffer), megabytes(a.MaxBinding), fmt.Sprintf("%d KiB", a.WorkgroupMemory>>10))
	}
	t.add("cpu", r.CPU.Name, "cpu", "Go", "", "", "", "")
	if err := t.print(cmd.OutOrStdout()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "\nauto takes --device %s, %s: %s\n", r.Auto.Device, r.Auto.Name, r.Auto.Reason)
	return err
}
