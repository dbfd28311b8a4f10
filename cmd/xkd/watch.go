package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/media/synthetic"
	"goxkd/record"
	"goxkd/watch"
	"goxkd/xkd"
)

const watchUsage = "serve the run as a page while it trains, on this machine alone unless an `address` host:port is given"

// watching are the flags by which a run is watched.
type watching struct {
	address     string
	tensorboard bool
	every       int
}

// add adds all of them.
func (f *watching) add(cmd *cobra.Command) {
	f.addPage(cmd)
	cmd.Flags().IntVar(&f.every, "look-every", 0, "steps between two looks: k-NN on held-out clips, pictures (default a twentieth of the steps with --watch or --tensorboard, else never)")
}

// addPage adds those of a run that is not looked at.
func (f *watching) addPage(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.address, "watch", "", watchUsage)
	fl.Lookup("watch").NoOptDefVal = watch.DefaultAddress
	fl.BoolVar(&f.tensorboard, "tensorboard", false, "write TensorBoard's event files into the run's folder")
}

func (f *watching) check() error {
	if f.every < 0 {
		return usagef("--look-every %d: give 1 or more, or leave it out", f.every)
	}
	if f.address != "" {
		if _, err := watch.Address(f.address); err != nil {
			return usagef("--watch: %w", err)
		}
	}
	return nil
}

// serve serves the runs in the folders, if the page is asked for.
func (f *watching) serve(ctx context.Context, notes io.Writer, folders ...string) error {
	if f.address == "" {
		return nil
	}
	return serve(ctx, f.address, notes, folders...)
}

// apply adds to a run's options what records it and looks at its networks on held-out clips. done ends the recording.
func (f *watching) apply(c xkd.Config, held media.Source, folder string, first int, opt *xkd.RunOptions) (done func() error, err error) {
	r := watch.NewRecorder(folder, c)
	if f.tensorboard {
		if err := r.Events(first + 1); err != nil {
			return nil, fmt.Errorf("--tensorboard: %w", err)
		}
	}
	every := f.every
	if every == 0 && (f.address != "" || f.tensorboard) {
		every = max(1, c.Train.Steps/20)
	}
	if every > 0 && c.Tune.Modality == "" {
		opt.Observe = &xkd.Observe{Every: every, Held: held, Look: r.Look}
	}
	var failed error
	progress, note := opt.Progress, opt.Note
	opt.Progress = func(p xkd.Progress) {
		if err := r.Progress(p); err != nil && failed == nil {
			failed = err
			note(fmt.Sprintf("--tensorboard: %v; training goes on without", err))
		}
		progress(p)
	}
	return r.Close, nil
}

// heldOut are clips to look at while a network is trained on those of src: generated ones of another seed, or of files those of
// training, without labels.
func heldOut(c xkd.Config, src media.Source) media.Source {
	if c.Data.Path != xkd.SyntheticData {
		return unlabelled{src}
	}
	g := c.Generated()
	g.Clips, g.Seed = 256, g.Seed+unseen
	return synthetic.New(g)
}

// unlabelled hides the labels of clips on which a network has been trained: an accuracy on them would mislead.
type unlabelled struct{ media.Source }

// Classes implements media.Source: there are none.
func (unlabelled) Classes() []string { return nil }

// Label implements media.Source.
func (unlabelled) Label(int) int { return -1 }

// Modalities implements media.Modal.
func (u unlabelled) Modalities() (video, audio bool) { return media.Modalities(u.Source) }

// serve serves runs and says where. An address that nobody has named gives way where it is taken.
func serve(ctx context.Context, address string, notes io.Writer, folders ...string) error {
	at, err := watch.Address(address)
	if err != nil {
		return usagef("%w", err)
	}
	s, err := watch.New(folders...)
	if err != nil {
		return err
	}
	url, err := s.Start(ctx, at)
	if watch.InUse(err) && address == watch.DefaultAddress {
		url, err = s.Start(ctx, "127.0.0.1:0")
	}
	if err != nil {
		return fmt.Errorf("the page cannot be served at %s: %w: name another address", at, err)
	}
	fmt.Fprintf(notes, "watch:      %s\n", url)
	return nil
}

func newWatch() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "watch RUN...",
		Short: "Serve training runs as a page: curves, pictures, settings",
		Long: `Watch serves runs, finished ones or ones under way, as a page from inside the program: curves of every figure, what the
networks rebuild and attend to, settings and in what the runs differ. It needs no network, changes nothing and answers this
machine alone unless --address names another. A RUN is the output folder of xkd train, or a folder that holds several.
Ctrl-C ends it.`,
		Example: `  xkd watch runs/latest
  xkd watch runs/a runs/b --address 8080`,
		Args: someArgs("the folder of a run, such as runs/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, err := record.Find(args...)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			if err := serve(ctx, address, cmd.OutOrStdout(), folders...); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "address", watch.DefaultAddress, "`address` to serve at: a port, or host:port")
	return cmd
}

// page is what writes the report of runs.
type page struct{ folders []string }

// Write implements picture.
func (p page) Write(w io.Writer) error { return watch.Report(w, p.folders...) }

func newReport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report RUN...",
		Short: "Write the page of training runs as one file",
		Long: `Report writes what xkd watch serves, curves, pictures and settings of runs, into one HTML file that needs nothing beside it
and no network. A RUN is the output folder of xkd train, or a folder that holds several.`,
		Example: "  xkd report runs/a runs/b --out report.html",
		Args:    someArgs("the folder of a run, such as runs/latest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, err := record.Find(args...)
			if err != nil {
				return err
			}
			if err := writePicture(out, page{folders}); err != nil {
				return fmt.Errorf("--out %s: %w", out, err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "report.html", "`file` to write")
	return cmd
}
