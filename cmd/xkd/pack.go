package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/pack"
)

func newPack() *cobra.Command {
	var data dataFlags
	var sizes settings
	var shardMB int
	var longest float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pack DATA OUT",
		Short: "Decode a corpus once into shards that train quickly",
		Long: `Pack decodes every clip at the frame rate, frame size and sample rate of a configuration and writes frames and waveforms into tar
shards in the folder OUT, with checksums. Train, probe and bench read that folder in place of the clips, without ffmpeg and
many times faster; what they read of files up to 10 s is the same to the bit.

A pack that was stopped goes on where it was with the same command. Clips that cannot be decoded are left out and named.

` + dataForms,
		Example: `  xkd pack videos/ packed/ --preset tiny
  xkd train --data packed/ --preset tiny
  xkd pack videos/ packed/ --config mine.yaml     # for views of other sizes`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("`%s` needs the clips and a folder for the shards; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
			switch {
			case shardMB < 1 || shardMB > 1<<20:
				return usagef("--shard-mb %d: give 1 or more", shardMB)
			case !(longest >= 1 && longest <= 3600):
				return usagef("--max-seconds %g: give a figure from 1 to 3600", longest)
			}
			layers, err := sizes.layers(nil)
			if err != nil {
				return err
			}
			c, err := layers.Config()
			if err != nil {
				return sizes.explain(err)
			}
			spec := c.Spec()
			opt, err := data.options(spec)
			if err != nil {
				return err
			}
			opt.CacheBytes = -1 // each clip is decoded once
			fmt.Fprintf(stderr, "looking through %s\n", args[0])
			src, report, err := corpus.Open(ctx, args[0], opt)
			if err != nil {
				return err
			}
			fmt.Fprintf(stderr, "clips:      %d in %s\n", report.Good, args[0])
			printBad(stderr, "refused", report.Bad)
			printBad(stderr, "remarks", report.Remarks)
			how := pack.Options{
				FPS: spec.FPS, Size: spec.Size, Rate: spec.Rate, LabelColumn: data.label,
				ShardBytes: int64(shardMB) << 20, MaxSeconds: longest, Workers: data.workers,
			}
			if _, tty := terminalWidth(stderr); tty {
				how.Progress = func(done, of int) {
					fmt.Fprintf(stderr, "\r\x1b[Kpacking: %d of %d", done, of)
					if done == of {
						fmt.Fprint(stderr, "\r\x1b[K")
					}
				}
			}
			r, err := pack.Write(ctx, src, args[1], how)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), packSummary(r, report))
			}
			printBad(stderr, "skipped", r.Skipped)
			fmt.Fprintf(cmd.OutOrStdout(), "packed %s in %s, %s", count(r.Clips, "clip"), count(r.Shards, "shard"), megabytes(r.Bytes))
			if r.Kept > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), " (%d by an earlier run)", r.Kept)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nnext: xkd train --data %s%s\n", args[1], sizes.again())
			return err
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.String("preset", "nano", presetUsage)
	sizes.addFile(cmd)
	fl.IntVar(&shardMB, "shard-mb", 256, "size of a shard in MiB at most; a larger clip has its own")
	fl.Float64Var(&longest, "max-seconds", 60, "longer clips become several of equal length")
	data.add(cmd)
	fl.BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// packJSON is the JSON form of a pack's outcome.
type packJSON struct {
	Clips   int           `json:"clips"`
	Kept    int           `json:"kept"` // by earlier runs
	Shards  int           `json:"shards"`
	Bytes   int64         `json:"bytes"`
	Refused []refusedFile `json:"refused"` // not readable as clips
	Skipped []refusedFile `json:"skipped"` // not decodable
}

func packSummary(r *pack.Report, report *media.Report) packJSON {
	out := packJSON{Clips: r.Clips, Kept: r.Kept, Shards: r.Shards, Bytes: r.Bytes, Refused: []refusedFile{}, Skipped: []refusedFile{}}
	for _, b := range report.Bad {
		out.Refused = append(out.Refused, refusedFile{b.Path, b.Reason})
	}
	for _, b := range r.Skipped {
		out.Skipped = append(out.Skipped, refusedFile{b.Path, b.Reason})
	}
	return out
}
