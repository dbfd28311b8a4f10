package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/xkd"
)

// embedFlags are the flags of `xkd embed`.
type embedFlags struct {
	dataFlags
	readFlags
	out            string
	spans          int
	tokens, asJSON bool
}

func newEmbed() *cobra.Command {
	var f embedFlags
	cmd := &cobra.Command{
		Use:   "embed WEIGHTS",
		Short: "Write the features of clips to .npy, .npz or .safetensors",
		Long: `Embed reads clips, in their order, through the frozen encoders of WEIGHTS, a checkpoint or a run's folder, and writes their
features with the clips' names and times. Features are the mean over patch tokens after the final LayerNorm, or with
--tokens every token. Clips that cannot be read are left out, and named.

It needs little memory, and room on the disk for two copies: rows go to OUT.part first. If it is interrupted, the same
command goes on from there. .npy holds one modality, and names and times stand in a .csv beside it.

` + dataForms,
		Example: `  xkd embed runs/latest --data videos/ --out features.npz
  xkd embed runs/latest --data sounds/ --modality audio --tokens --out tokens.safetensors`,
		Args: oneArg("a checkpoint, such as runs/latest/checkpoint.safetensors"),
		RunE: func(cmd *cobra.Command, args []string) error { return embed(cmd, f, args[0]) },
	}
	f.dataFlags.add(cmd)
	fl := cmd.Flags()
	f.readFlags.add(cmd, "`path` of clips, or synthetic (default the checkpoint's)", "number of generated clips")
	fl.StringVar(&f.out, "out", "", "`file` to write: .npy, .npz or .safetensors")
	fl.IntVar(&f.spans, "spans", 1, "spans of a clip, evenly spaced; one lies in the middle")
	fl.BoolVar(&f.tokens, "tokens", false, "write every token, the class token first, instead of their mean")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON document about what was written")
	return cmd
}

const networkUsage = "`network` whose features they are: student or teacher"

// role reads a --network flag.
func role(name string) (xkd.Role, error) {
	for _, r := range []xkd.Role{xkd.Student, xkd.Teacher} {
		if name == r.String() {
			return r, nil
		}
	}
	return 0, oneOf("network", name)
}

// modalityOf reads a --modality flag; empty is none in particular.
func modalityOf(name string) []xkd.Modality {
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		if name == m.String() {
			return []xkd.Modality{m}
		}
	}
	return nil
}

func embed(cmd *cobra.Command, f embedFlags, path string) error {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	r, err := f.check(1)
	switch {
	case err != nil:
		return err
	case f.out == "":
		return usagef("`xkd embed` needs --out, such as --out features.npz")
	case xkd.CheckEmbedPath(f.out) != nil:
		return usagef("--out %s: name it .npy, .npz or .safetensors", media.Printable(f.out))
	case strings.HasSuffix(strings.ToLower(f.out), ".npy") && f.modality == "":
		return usagef("--out %s: .npy holds one array: give --modality video or audio, or write .npz", media.Printable(f.out))
	case f.spans < 1 || f.spans > 100:
		return usagef("--spans %d: give 1 to 100", f.spans)
	}
	modality := f.modality
	if f.data == xkd.SyntheticData {
		f.modality = "" // generated clips have both; which is written is another matter
	}
	l, dev, src, err := f.open(ctx, path, f.dataFlags, stderr)
	if err != nil {
		return err
	}
	defer l.Close()
	defer dev.Close()
	e, err := xkd.Embed(ctx, dev, src, l, f.out, xkd.EmbedOptions{
		Role: r, Modalities: modalityOf(modality), Tokens: f.tokens, Spans: f.spans, Batch: f.batch, Progress: counted(stderr, clipsRead),
	})
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "what was read is kept; the same command goes on")
		}
		return err
	}
	printBad(stderr, "lost", e.Lost)
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), e)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s", media.Printable(e.Path), count(e.Clips, "clip"))
	for _, name := range slices.Sorted(maps.Keys(e.Arrays)) {
		fmt.Fprintf(cmd.OutOrStdout(), ", %s %v", name, e.Arrays[name])
	}
	if e.Resumed > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "; %d had been read before", e.Resumed)
	}
	fmt.Fprintln(cmd.OutOrStdout())
	if e.Beside != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: their names and times\n", media.Printable(e.Beside))
	}
	return nil
}
