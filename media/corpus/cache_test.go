package corpus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
)

// What counts is the memory that is held, not the part of it that is filled.
func TestCacheCountsBuffers(t *testing.T) {
	c := newClipCache(1000)
	for i := range 20 {
		clip := &media.Clip{Frames: make([]uint8, 10, 400), Wave: make([]float32, 5, 10)}
		require.Equal(t, int64(440), clip.Bytes())
		if i%2 == 0 {
			clip.Trim()
			require.Equal(t, int64(30), clip.Bytes())
		}
		c.put(i, clip)
	}
	held := int64(0)
	for e := c.order.Front(); e != nil; e = e.Next() {
		held += e.Value.(cached).clip.Bytes()
	}
	require.Equal(t, held, c.used)
	require.LessOrEqual(t, held, int64(1000))
}

func TestCacheIsBounded(t *testing.T) {
	c := newClipCache(100)
	clip := func(n int) *media.Clip { return &media.Clip{Frames: make([]uint8, n)} }
	for i := range 5 {
		c.put(i, clip(30))
		c.get(2)
	}
	require.LessOrEqual(t, c.used, int64(100))
	require.NotNil(t, c.get(2), "what is used stays")
	require.NotNil(t, c.get(4))
	require.Nil(t, c.get(0))
	c.put(9, clip(101))
	require.Nil(t, c.get(9))
	require.NotNil(t, c.get(4), "a clip that never fits drives nothing out")
	c.put(4, clip(30))
	require.Equal(t, int64(90), c.used)
}
