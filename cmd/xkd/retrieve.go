package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"goxkd/xkd"
)

// retrieveFlags are the flags of `xkd retrieve`.
type retrieveFlags struct {
	dataFlags
	readFlags
	asJSON bool
}

func newRetrieve() *cobra.Command {
	var f retrieveFlags
	cmd := &cobra.Command{
		Use:   "retrieve CHECKPOINT",
		Short: "Find the sound of a video among many, and the video of a sound",
		Long: `Retrieve ranks, for the video of each clip, the sounds of all clips by likeness, and the reverse: by the outputs of the
projection heads, which training brings together, and by pooled features, which it does not. Untrained networks stand
beside. Recall at k is the share of clips whose counterpart is among the k that are most like it.

` + dataForms,
		Example: `  xkd retrieve runs/latest --data videos/ --clips 1000
  xkd retrieve runs/latest --data synthetic --clips 100 --json`,
		Args: oneArg("a checkpoint, such as runs/latest/checkpoint.safetensors"),
		RunE: func(cmd *cobra.Command, args []string) error { return retrieve(cmd, f, args[0]) },
	}
	f.dataFlags.add(cmd)
	fl := cmd.Flags()
	for _, both := range []string{"modality", "label"} {
		_ = fl.MarkHidden(both) // both are needed, labels are not
	}
	f.readFlags.add(cmd, "`path` of clips with video and sound, or synthetic (default the checkpoint's)", "clips used at most")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON document")
	return cmd
}

func retrieve(cmd *cobra.Command, f retrieveFlags, path string) error {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	r, err := f.check(2)
	switch {
	case err != nil:
		return err
	case f.modality != "":
		return usagef("--modality: `xkd retrieve` needs both video and audio")
	}
	l, dev, src, err := f.open(ctx, path, f.dataFlags, stderr)
	if err != nil {
		return err
	}
	defer l.Close()
	defer dev.Close()
	found, err := xkd.Retrieve(ctx, dev, src, l, xkd.RetrieveOptions{Role: r, Clips: f.clips, Batch: f.batch, Progress: counted(stderr, clipsRead)})
	if err != nil {
		return err
	}
	printBad(stderr, "unreadable", found.Bad)
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			*xkd.Retrieval
			Chance xkd.RetrieveRow `json:"chance"`
		}{found, found.Chance()})
	}
	return printRetrieval(cmd.OutOrStdout(), found, f.network)
}

func printRetrieval(w io.Writer, r *xkd.Retrieval, network string) error {
	fmt.Fprintf(w, "%s features, %s\n\n", network, count(r.Clips, "clip"))
	t := newTable("search", "by", "network", ">recall at 1", ">at 5", ">at 10", ">median rank")
	add := func(search, by, network string, row xkd.RetrieveRow) {
		share := func(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }
		t.add(search, by, network, share(row.Recall1), share(row.Recall5), share(row.Recall10), fmt.Sprintf("%g", row.MedianRank))
	}
	for _, row := range r.Rows {
		add(row.From+" to "+row.To, row.Features, row.Network, row)
	}
	add("", "", "chance", r.Chance())
	return t.print(w)
}
