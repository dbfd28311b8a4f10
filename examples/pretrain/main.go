// Command pretrain trains video and audio encoders without labels on a folder of clips, or on generated ones, by the library alone.
//
//	go run ./examples/pretrain -out runs/example                # generated clips
//	go run ./examples/pretrain -out runs/mine -steps 2000 videos/
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"goxkd/device"
	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

func main() {
	log.SetFlags(0)
	out := flag.String("out", "runs/example", "folder for the checkpoint")
	steps := flag.Int("steps", 20, "steps to train")
	where := flag.String("device", device.AutoName, "auto, gpu, cpu or an adapter's number")
	flag.Parse()
	// Ctrl-C ends the context: the run finishes its step, saves and returns.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pretrain(ctx, flag.Arg(0), *out, *where, *steps); err != nil {
		log.Fatal("pretrain: ", err)
	}
}

func pretrain(ctx context.Context, folder, out, where string, steps int) error {
	config, err := xkd.Default("nano", xkd.XKD)
	if err != nil {
		return err
	}
	if config, err = config.With("", fmt.Sprintf("train.steps=%d", steps)); err != nil {
		return err
	}
	dev, err := device.Open(ctx, where)
	if err != nil {
		return err
	}
	defer dev.Close()
	clips, err := open(ctx, folder, config)
	if err != nil {
		return err
	}
	trainer, err := xkd.New(config, dev)
	if err != nil {
		return err
	}
	defer trainer.Close()
	summary, err := trainer.Run(ctx, clips, xkd.RunOptions{
		Folder: out,
		Progress: func(p xkd.Progress) {
			if p.Step%10 == 0 {
				fmt.Printf("step %d of %d: loss %.3f\n", p.Step, p.Steps, p.Losses[0])
			}
		},
	})
	if errors.Is(err, xkd.ErrCheckpointExists) {
		return fmt.Errorf("%w: choose another -out", err)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d steps on %s: %s\n", summary.Steps, dev.Name(), summary.Checkpoint)
	return nil
}

// open takes a folder's clips, or generated ones where none is named.
func open(ctx context.Context, folder string, config xkd.Config) (media.Source, error) {
	if folder == "" {
		return synthetic.New(config.Generated()), nil
	}
	clips, report, err := corpus.Open(ctx, folder, views.OptionsFor(config.Spec()))
	if err != nil {
		return nil, err
	}
	for _, bad := range report.Bad {
		log.Printf("left out: %s: %s", bad.Path, bad.Reason)
	}
	return clips, nil
}
