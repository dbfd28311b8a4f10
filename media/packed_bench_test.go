package media

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkSources reads one clip after another: real ones from files, the same from their pack, and
// generated ones from theirs.
func BenchmarkSources(b *testing.B) {
	run := func(name string, src Source) {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				_, err := src.Load(context.Background(), i%src.Len(), Span{1, 1})
				require.NoError(b, err)
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clips/s")
		})
	}
	dir, _ := pack(b, generate(64), packOptions())
	p, _ := openSmall(b, dir)
	run("generated/packed", p)

	const grid = "../../shared/data/grid/clips"
	needData(b, grid)
	opt := small(FolderOptions{CacheBytes: -1})
	opt.Index = filepath.Join(b.TempDir(), "index.jsonl")
	f, _, err := openFolder(context.Background(), linkSome(b, grid, "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4"), opt)
	require.NoError(b, err)
	run("grid/files", f)
	dir, _ = pack(b, f, packOptions())
	p, _ = openSmall(b, dir)
	run("grid/packed", p)
}
