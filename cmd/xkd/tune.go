package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"goxkd/bench"
	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/tune"
	"goxkd/xkd"
)

// How --tune chooses kernels.
const (
	tuneOff    = "off"
	tuneCached = "cached"
	tuneFull   = "full"
	tuneUsage  = "`mode` of choosing kernels: off (the shipped defaults), cached (what xkd tune has found here) or full (tune first)"
)

func newTune() *cobra.Command {
	var s settings
	var device string
	var again, asJSON bool
	cmd := &cobra.Command{
		Use:   "tune",
		Short: "Find the fastest kernels of a configuration on this device",
		Long: `Tune times the variants of every kernel at the shapes of a training step, after it has compared each with the CPU path, and
keeps the choice in the user's cache folder, if whole steps are faster with it. train and bench use it from then on (--tune
off does not); the first run of train on a GPU tunes by itself. It holds for this adapter, driver and these kernels, and for these shapes: another preset or batch is tuned
anew, but for what they share.

The choice may change the order of sums, so a run that was begun before ends with other bits after it.`,
		Example: "  xkd tune --preset base --batch 16\n  xkd tune --preset tiny --batch 64 --device 1",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.config()
			if err != nil {
				return err
			}
			dev, err := openDevice(cmd.Context(), device, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer dev.Close()
			g, ok := dev.(*gpu.Device)
			if !ok {
				return usagef("--device %s: %s: %w", device, dev.Name(), tune.ErrNoVariants)
			}
			cache, r, err := tuneStep(cmd.Context(), g, c, again, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), cache)
			}
			return printTuned(cmd.OutOrStdout(), cache, r)
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&device, "device", "gpu", deviceUsage)
	s.addNetwork(cmd)
	s.addFile(cmd)
	fl.Int("batch", 16, "clips per step, or per micro-batch")
	fl.Int("accumulate", 1, "micro-batches per step")
	fl.Bool("recompute", false, recomputeUsage)
	fl.BoolVar(&again, "again", false, "try what the cache knows, too")
	fl.BoolVar(&asJSON, "json", false, "print the cache as one JSON document")
	return cmd
}

// tuneStep tunes a configuration's step, and says in one line what it took.
func tuneStep(ctx context.Context, dev *gpu.Device, c xkd.Config, again bool, notes io.Writer) (*tune.Cache, *tune.Report, error) {
	cache, err := openTuned(dev)
	if err != nil {
		return nil, nil, err
	}
	step, err := xkd.BuildStep(c, xkd.StepOptions{Binding: dev.Binding(), Accumulate: c.Train.Accumulate})
	if err != nil {
		return nil, nil, err
	}
	_, tty := terminalWidth(notes)
	began := time.Now()
	r, err := cache.Graph(ctx, dev, step.Graph, again, func(done, of int) {
		if tty {
			fmt.Fprintf(notes, "\r\x1b[Ktuning: %d of %s", done, count(of, "shape"))
		}
	})
	if tty {
		fmt.Fprint(notes, "\r\x1b[K")
	}
	if err != nil {
		return nil, nil, err
	}
	if len(r.Tried) == 0 {
		return cache, r, nil
	}
	usual, chosen, err := compareSteps(ctx, dev, cache, step.Graph, c)
	if err != nil {
		return nil, nil, err
	}
	verdict := "the choices are kept"
	if chosen > stepGain*usual {
		verdict = "the defaults stay"
		if err := cache.Use(dev, step.Graph, false); err != nil {
			return nil, nil, err
		}
	}
	fmt.Fprintf(notes, "tuned:      %s in %s, %d known before; a step takes %.1f ms with the defaults and %.1f ms with the choices: %s\n",
		count(len(r.Tried), "shape"), seconds(time.Since(began).Seconds()), r.Known, 1e3*usual, 1e3*chosen, verdict)
	return cache, r, nil
}

// stepGain is the part of the defaults' time that a step with the choices must not exceed for them to be kept.
const stepGain = 0.99

// compareSteps times whole steps with the defaults and with what was chosen.
func compareSteps(ctx context.Context, dev *gpu.Device, cache *tune.Cache, g *graph.Graph, c xkd.Config) (usual, chosen float64, err error) {
	if err := cache.Use(dev, g, true); err != nil {
		return 0, 0, err
	}
	median := func(d graph.Device) (float64, error) {
		t, err := xkd.New(c, d)
		if err != nil {
			return 0, err
		}
		defer t.Close()
		times, _, err := bench.TimeSteps(ctx, t, 3, 5)
		if err != nil {
			return 0, err
		}
		return times.Median(), nil
	}
	if usual, err = median(dev); err == nil {
		chosen, err = median(cache.Device(dev))
	}
	if err != nil {
		return 0, 0, errors.Join(err, cache.Use(dev, g, false))
	}
	return usual, chosen, nil
}

func openTuned(dev *gpu.Device) (*tune.Cache, error) {
	folder, err := tune.Folder()
	if err != nil {
		return nil, err
	}
	return tune.OpenCache(folder, dev.Adapter())
}

// tuneFirst is what a run does without --tune: it tunes where there is a GPU, once for a configuration. A software adapter is
// left with what is known, since tuning takes long there, and so is a run that goes on.
func tuneFirst(dev graph.Device, resume bool) string {
	if g, ok := dev.(*gpu.Device); ok && !resume {
		return firstMode(g.Adapter().Class)
	}
	return tuneCached
}

func firstMode(class graph.Class) string {
	if class == graph.Software {
		return tuneCached
	}
	return tuneFull
}

// tuned gives the device with the kernels that --tune asks for. A device without kernels to choose from comes back as it is.
func tuned(ctx context.Context, dev graph.Device, mode string, c xkd.Config, notes io.Writer) (graph.Device, error) {
	g, ok := dev.(*gpu.Device)
	if !ok || mode == tuneOff {
		return dev, nil
	}
	if mode == tuneFull {
		cache, _, err := tuneStep(ctx, g, c, false, notes)
		if err != nil {
			return nil, err
		}
		return cache.Device(g), nil
	}
	cache, err := openTuned(g)
	if err != nil {
		fmt.Fprintf(notes, "note: no tuned kernels: %s\n", oneLine(err))
		return dev, nil
	}
	if len(cache.Choices) == 0 {
		if g.Adapter().Class != graph.Software {
			fmt.Fprintln(notes, "note: the kernels are the shipped defaults; `xkd tune` finds the fastest here, once")
		}
		return dev, nil
	}
	return cache.Device(g), nil
}

func printTuned(w io.Writer, c *tune.Cache, r *tune.Report) error {
	if len(r.Tried) > 0 {
		t := newTable("operation and shape", ">nodes", "was", "is", ">ms", ">gain in a step", "others")
		for _, x := range r.Tried {
			var others []string
			for _, v := range x.Variants {
				switch s, ok := x.Seconds[v]; {
				case v == x.Best:
				case ok:
					others = append(others, fmt.Sprintf("%s %.3f", v, 1e3*s))
				default:
					others = append(others, v+" "+x.Wrong[v])
				}
			}
			is := x.Best
			if is == x.Variants[0] {
				is = "same"
			}
			t.add(x.Key, fmt.Sprint(x.Nodes), x.Variants[0], is, fmt.Sprintf("%.3f", 1e3*x.Seconds[x.Best]), fmt.Sprintf("%.2f ms", 1e3*x.Gain()), strings.Join(others, ", "))
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d shapes known before, %d tried; kept in %s\n", r.Known, len(r.Tried), c.File())
	return err
}
