package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClassOrder(t *testing.T) {
	require.Equal(t, []string{"1", "2", "10"}, ClassesOf([]string{"10", "2", "", "1", "2"}))
	require.Equal(t, []string{"1", "10", "2x"}, ClassesOf([]string{"2x", "10", "1"}))
}
