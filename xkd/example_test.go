package xkd_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"goxkd/device"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// A configuration starts from a preset; single settings go over it, and those that cannot be are refused by name.
func ExampleConfig_With() {
	config, err := xkd.Default("tiny", xkd.MATS)
	if err != nil {
		panic(err)
	}
	config, err = config.With("", "train.batch=32", "optimizer.lr=2e-4")
	fmt.Println(config.Preset, config.Variant, config.Train.Batch, config.Optimizer.LR, err)

	_, err = config.With("", "optimizer.rate=1")
	var field xkd.FieldErrors
	fmt.Println(errors.As(err, &field), field[0].Path)
	// Output:
	// tiny xkd_mats 32 0.0002 <nil>
	// true optimizer.rate
}

// Two steps on generated clips. A real run takes the source of a folder from media/corpus.
func ExampleTrainer_Run() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "xkd-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	config, err := xkd.Default("nano", xkd.XKD)
	if err != nil {
		panic(err)
	}
	if config, err = config.With("", "train.steps=2", "train.batch=2"); err != nil {
		panic(err)
	}
	dev, err := device.Open(ctx, "cpu") // or "auto"
	if err != nil {
		panic(err)
	}
	defer dev.Close()
	trainer, err := xkd.New(config, dev)
	if err != nil {
		panic(err)
	}
	defer trainer.Close()
	clips := synthetic.New(config.Generated())
	summary, err := trainer.Run(ctx, clips, xkd.RunOptions{
		Folder:   folder,
		Progress: func(p xkd.Progress) { fmt.Printf("step %d of %d\n", p.Step, p.Steps) },
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("stopped early:", summary.Stopped)

	_, err = trainer.Run(ctx, clips, xkd.RunOptions{Folder: folder})
	fmt.Println("would overwrite:", errors.Is(err, xkd.ErrCheckpointExists))
	// Output:
	// step 1 of 2
	// step 2 of 2
	// stopped early: false
	// would overwrite: true
}

// Features of clips by a trained network.
func ExampleOpenEncoder() {
	ctx := context.Background()
	dev, err := device.Open(ctx, "cpu")
	if err != nil {
		panic(err)
	}
	defer dev.Close()
	_, err = xkd.OpenEncoder("missing.safetensors", xkd.Audio, dev, xkd.EncoderOptions{})
	fmt.Println("missing:", errors.Is(err, xkd.ErrNoCheckpoint))

	path := checkpoint(ctx) // as xkd train writes it
	defer os.Remove(path)
	encoder, err := xkd.OpenEncoder(path, xkd.Audio, dev, xkd.EncoderOptions{Role: xkd.Teacher})
	if err != nil {
		panic(err)
	}
	defer encoder.Close()
	generated := encoder.Config.Generated()
	generated.Clips = 3
	rows, bad, err := encoder.Features(ctx, synthetic.New(generated)) // of files: corpus.Open(ctx, folder, encoder.Options())
	if err != nil {
		panic(err)
	}
	fmt.Println(len(rows), "clips,", len(rows[0]), "features each,", len(bad), "unreadable")
	// Output:
	// missing: true
	// 3 clips, 96 features each, 0 unreadable
}

// checkpoint writes that of an untrained nano network.
func checkpoint(ctx context.Context) string {
	config, err := xkd.Default("nano", xkd.XKD)
	if err != nil {
		panic(err)
	}
	config.Train.Batch = 2
	dev, err := device.Open(ctx, "cpu")
	if err != nil {
		panic(err)
	}
	defer dev.Close()
	trainer, err := xkd.New(config, dev)
	if err != nil {
		panic(err)
	}
	defer trainer.Close()
	path := os.TempDir() + fmt.Sprintf("/xkd-example-%d.safetensors", os.Getpid())
	if err := trainer.Save(path); err != nil {
		panic(err)
	}
	return path
}
