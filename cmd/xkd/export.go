package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/xkd"
)

// exportFlags are the flags of `xkd export`.
type exportFlags struct {
	to, out, modality, network string
	set                        []string
}

func newExport() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export WEIGHTS",
		Short: "Write an encoder as an ONNX model, or under the names that other programs know",
		Long: `Export writes one encoder of WEIGHTS, a checkpoint or a run's folder, to one file:

  onnx         a model of opset 17: prepared views in, tokens and pooled features out; batch and length may vary
  safetensors  weights under the names of timm's vision transformers, as the released evaluation code has them
  pth-keys     weights under the names of the released .pth.tar files, as safetensors

How views are prepared stands in the file's metadata. xkd reads the last two again, wherever it takes a checkpoint.`,
		Example: `  xkd export runs/latest --to onnx --modality video --out video.onnx
  xkd export runs/latest --to pth-keys --modality audio --network teacher --out audio.safetensors`,
		Args: oneArg("a checkpoint, such as runs/latest/checkpoint.safetensors"),
		RunE: func(cmd *cobra.Command, args []string) error { return export(cmd, f, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "`form`: "+strings.Join(xkd.ExportForms, ", "))
	fl.StringVar(&f.out, "out", "", "`file` to write")
	fl.StringVar(&f.modality, "modality", "", "video or audio (default the only one that WEIGHTS have)")
	fl.StringVar(&f.network, "network", "student", "`network` to write: student or teacher")
	fl.StringArrayVar(&f.set, "set", nil, weightsUsage)
	return cmd
}

func export(cmd *cobra.Command, f exportFlags, path string) error {
	r, err := role(f.network)
	switch {
	case err != nil:
		return err
	case oneOf("to", f.to) != nil:
		return oneOf("to", f.to)
	case f.out == "":
		return usagef("`xkd export` needs --out, such as --out video.onnx")
	case f.modality != "" && modalityOf(f.modality) == nil:
		return oneOf("modality", f.modality)
	}
	l, err := openWeights(path, f.set, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer l.Close()
	which := modalityOf(f.modality)
	if which == nil {
		for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
			if l.Has(m, r) {
				which = append(which, m)
			}
		}
		if len(which) != 1 {
			return usagef("%s holds encoders of %s: choose by --modality", media.Printable(l.Path), strings.Join(l.Encoders(), ", "))
		}
	}
	if err := xkd.Export(l, f.out, xkd.ExportOptions{Modality: which[0], Role: r, To: f.to}); err != nil {
		return err
	}
	info, err := os.Stat(f.out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: the %s %s, %.1f MB\n", media.Printable(f.out), which[0], r, float64(info.Size())/1e6)
	return err
}
