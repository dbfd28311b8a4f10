package pack

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/views"
)

// Members longer than a block are verified block by block.
func TestBlobBlocks(t *testing.T) {
	data := make([]byte, 3*blockBytes-5)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	file := append([]byte("head"), data...)
	b := blob{At: 4, Size: int64(len(data)), Sums: checksums(data)}
	require.Len(t, b.Sums, 3)
	file[4+2*blockBytes] ^= 1
	r := bytes.NewReader(file)
	got, err := b.read(r, blockBytes-3, 2*blockBytes)
	require.NoError(t, err)
	require.Equal(t, data[blockBytes-3:2*blockBytes], got)
	_, err = b.read(r, blockBytes, 2*blockBytes+1)
	require.ErrorContains(t, err, "checksum of bytes 524288 to 786427")
	_, err = b.read(bytes.NewReader(file[:9]), 0, 10)
	require.ErrorContains(t, err, "cut short")
}

// Why sound is not always packed in 16 bits: the log-mels of a quiet clip would move by more than 1e-4.
func TestSixteenBitsAreNotEnough(t *testing.T) {
	wave := make([]float32, 16000)
	for i := range wave {
		wave[i] = float32(0.01 * math.Sin(float64(i)*0.3))
	}
	raw, form := packWave(wave)
	require.Equal(t, waveFloat, form)
	require.Equal(t, wave, unpackWave(raw, form))
	rounded := make([]float32, len(wave))
	for i, v := range wave {
		rounded[i] = float32(math.RoundToEven(float64(v)*32768)) / 32768
	}
	raw, form = packWave(rounded)
	require.Equal(t, waveInt, form)
	require.Equal(t, rounded, unpackWave(raw, form))
	sg, err := views.NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	a, b := sg.LogMel(nil, wave), sg.LogMel(nil, rounded)
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i]-b[i])))
	}
	require.Greater(t, worst, 1e-4)
	_, form = packWave([]float32{1})
	require.Equal(t, waveFloat, form, "1 is beyond 16 bits")
	_, form = packWave([]float32{-1, 32767.0 / 32768, 0})
	require.Equal(t, waveInt, form)
}
