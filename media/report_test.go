package media

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files and printed documents keep a bad file's path and reason, and nothing else.
func TestBadFileAsText(t *testing.T) {
	bad := NewBadFile("a.mp4", LackError{Audio: true})
	text, err := json.Marshal(bad)
	require.NoError(t, err)
	require.JSONEq(t, `{"Path":"a.mp4","Reason":"no usable audio stream"}`, string(text))
	require.ErrorIs(t, bad.Err, LackError{Audio: true})
}
