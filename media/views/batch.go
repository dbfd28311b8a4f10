package views

// Batch is what one training step reads. Views are dense and row-major. Video is pixels of 0 to 255, a quarter of what
// normalised floats would take on the way to the device; the device normalises them. Audio is normalised.
type Batch struct {
	B           int
	Step        int         // number of the batch, counted from 0
	VideoGlobal []uint8     // [B,3,T,H,W]; nil when the source has no video
	AudioGlobal []float32   // [B,1,F,S]; nil when the source has no audio
	VideoLocal  [][]uint8   // one [B,3,t,h,w] per local view
	AudioLocal  [][]float32 // one [B,1,F,s] per local view
	Labels      []int       // [B], -1 when unlabelled
	Names       []string    // [B]
	Indices     []int       // [B], the clips' indices in the source
}

// move copies the global views of one slot to another.
func (b *Batch) move(s Spec, to, from int) {
	if to == from {
		return
	}
	if b.VideoGlobal != nil {
		copy(part(b.VideoGlobal, to, s.videoGlobal()), part(b.VideoGlobal, from, s.videoGlobal()))
	}
	if b.AudioGlobal != nil {
		copy(part(b.AudioGlobal, to, s.audioGlobal()), part(b.AudioGlobal, from, s.audioGlobal()))
	}
}

// truncate keeps the first n clips.
func (b *Batch) truncate(s Spec, n int) {
	b.B = n
	b.Labels, b.Names, b.Indices = b.Labels[:n], b.Names[:n], b.Indices[:n]
	if b.VideoGlobal != nil {
		b.VideoGlobal = b.VideoGlobal[:n*s.videoGlobal()]
	}
	if b.AudioGlobal != nil {
		b.AudioGlobal = b.AudioGlobal[:n*s.audioGlobal()]
	}
}

// newBatch allocates a batch of b clips with the modalities named.
func (s Spec) newBatch(b int, video, audio, locals bool) *Batch {
	batch := &Batch{B: b, Labels: make([]int, b), Names: make([]string, b), Indices: make([]int, b)}
	if video {
		batch.VideoGlobal = make([]uint8, b*s.videoGlobal())
	}
	if audio {
		batch.AudioGlobal = make([]float32, b*s.audioGlobal())
	}
	for i := 0; locals && video && i < s.VideoLocals; i++ {
		batch.VideoLocal = append(batch.VideoLocal, make([]uint8, b*s.videoLocal()))
	}
	for i := 0; locals && audio && i < s.AudioLocals; i++ {
		batch.AudioLocal = append(batch.AudioLocal, make([]float32, b*s.audioLocal()))
	}
	return batch
}

// Elements of one clip's views.
func (s Spec) videoGlobal() int { return 3 * s.Frames * s.Size * s.Size }

func (s Spec) videoLocal() int { return 3 * s.LocalFrames * s.LocalSize * s.LocalSize }

func (s Spec) audioGlobal() int { return s.Mels * s.SpecFrames }

func (s Spec) audioLocal() int { return s.Mels * s.LocalSpecFrames }

// part is the share of slot i in a tensor of n elements per clip.
func part[T any](data []T, i, n int) []T { return data[i*n : (i+1)*n : (i+1)*n] }

// ViewerBytes is the memory of one worker that makes views, beside the clips that it reads.
func (s Spec) ViewerBytes() int64 {
	return 4 * int64(max(s.videoGlobal(), s.videoLocal())+4*s.audioGlobal()+2*s.Samples())
}

// batchBytes is the memory of a batch of b clips with the modalities named.
func (s Spec) batchBytes(b int, video, audio bool) int64 {
	n := 0
	if video {
		n += s.videoGlobal() + s.VideoLocals*s.videoLocal()
	}
	if audio {
		n += 4 * (s.audioGlobal() + s.AudioLocals*s.audioLocal())
	}
	return max(1, int64(b)*int64(n))
}
