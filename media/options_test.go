package media

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClassOrder(t *testing.T) {
	require.Equal(t, []string{"1", "2", "10"}, ClassesOf([]string{"10", "2", "", "1", "2"}))
	require.Equal(t, []string{"1", "10", "2x"}, ClassesOf([]string{"2x", "10", "1"}))
}

// Files and printed documents keep a bad file's path and reason, and nothing else.
func TestBadFileAsText(t *testing.T) {
	bad := NewBadFile("a.mp4", LackError{Audio: true})
	text, err := json.Marshal(bad)
	require.NoError(t, err)
	require.JSONEq(t, `{"Path":"a.mp4","Reason":"no usable audio stream"}`, string(text))
	require.ErrorIs(t, bad.Err, LackError{Audio: true})
}
