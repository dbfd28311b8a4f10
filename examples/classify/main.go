// Command classify names the class of a media file: that of the labelled clip whose features, by a trained encoder, are most like
// its own. The labelled clips lie in a folder with one sub-folder a class.
//
//	go run ./examples/classify -checkpoint runs/latest/checkpoint.safetensors -labelled clips/ file.mp4
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"

	"goxkd/device"
	"goxkd/media/corpus"
	"goxkd/xkd"
)

func main() {
	log.SetFlags(0)
	checkpoint := flag.String("checkpoint", "runs/latest/checkpoint.safetensors", "a training run's checkpoint")
	labelled := flag.String("labelled", "", "folder of labelled clips, one sub-folder a class")
	audio := flag.Bool("audio", false, "go by the sound instead of the picture")
	where := flag.String("device", device.AutoName, "auto, gpu, cpu or an adapter's number")
	flag.Parse()
	if flag.NArg() != 1 || *labelled == "" {
		log.Fatal("classify: give -labelled FOLDER and one file; see -help")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	modality := xkd.Video
	if *audio {
		modality = xkd.Audio
	}
	if err := classify(ctx, *checkpoint, *labelled, flag.Arg(0), *where, modality); err != nil {
		log.Fatal("classify: ", err)
	}
}

func classify(ctx context.Context, checkpoint, labelled, file, where string, modality xkd.Modality) error {
	dev, err := device.Open(ctx, where)
	if err != nil {
		return err
	}
	defer dev.Close()
	encoder, err := xkd.OpenEncoder(checkpoint, modality, dev, xkd.EncoderOptions{})
	if err != nil {
		return err
	}
	defer encoder.Close()
	known, _, err := corpus.Open(ctx, labelled, encoder.Options())
	if err != nil {
		return err
	}
	asked, err := corpus.OpenFile(ctx, file, encoder.Options())
	if err != nil {
		return err
	}
	features, bad, err := encoder.Features(ctx, known)
	if err != nil {
		return err
	}
	for _, b := range bad {
		log.Printf("left out: %s: %s", b.Path, b.Reason)
	}
	query, bad, err := encoder.Features(ctx, asked)
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s: %s", bad[0].Path, bad[0].Reason)
	}
	best, top := -1, math.Inf(-1)
	for i, row := range features {
		if row == nil || known.Label(i) < 0 {
			continue
		}
		if s := cosine(query[0], row); s > top {
			best, top = i, s
		}
	}
	if best < 0 {
		return fmt.Errorf("%s: %w: sort clips into one sub-folder a class", labelled, xkd.ErrNoLabels)
	}
	fmt.Printf("%s: %s (cosine %.3f with %s)\n", asked.Name(0), known.Classes()[known.Label(best)], top, known.Name(best))
	return nil
}

// cosine is the similarity of two rows of features.
func cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i, v := range a {
		dot, aa, bb = dot+float64(v)*float64(b[i]), aa+float64(v)*float64(v), bb+float64(b[i])*float64(b[i])
	}
	return dot / math.Sqrt(aa*bb)
}
