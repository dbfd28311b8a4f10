package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClean(t *testing.T) {
	require.Equal(t, `a "b" é – \x1b[2J\n\u009b1m\xff\u202e`, clean("a \"b\" é – \x1b[2J\n\u009b1m\xff\u202e"))
}
