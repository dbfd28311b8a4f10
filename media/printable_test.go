package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for _, plain := range []string{"", "a b.mp4", "größe/日本 \"x\".mkv"} {
		require.Equal(t, plain, Printable(plain))
	}
	for text, want := range map[string]string{
		"a\x1b[2J": `"a\x1b[2J"`, "a\nclips: 9": `"a\nclips: 9"`, "a\x9b2J": `"a\x9b2J"`, "\u009b2J": `"\u009b2J"`,
		"a\u202egpm.exe": `"a\u202egpm.exe"`,
	} {
		require.Equal(t, want, Printable(text))
	}
}
