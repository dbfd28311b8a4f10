package corpus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
)

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
