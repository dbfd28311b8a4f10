package corpus

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"goxkd/internal/files"
)

// shardEndings are the ends of an archive's name.
var shardEndings = []string{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst"}

// isShard tells whether a file is an archive of clips, by its name.
func isShard(name string) bool {
	name = strings.ToLower(name)
	for _, end := range shardEndings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// An archive of media hardly shrinks. One that grows by more than this is none: growth times its size, and slack.
const (
	unpackGrowth = 16
	unpackSlack  = 64 << 20
)

var errBomb = errors.New("it unpacks to more than sixteen times its size, as no archive of media does: unpack it yourself if it is sound")

// unpacked is the archive itself, or where it is compressed a copy that is not, in the user's cache: a clip is read from
// the middle of an archive, which a compressed one does not allow. The copy is made once, and again when the archive changes.
func unpacked(archive string) (string, error) {
	lower := strings.ToLower(archive)
	if strings.HasSuffix(lower, ".tar") {
		return archive, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("compressed, and there is no folder for unpacking it: unpack it to a .tar: %w", err)
	}
	info, err := os.Stat(archive)
	if err != nil {
		return "", files.Cause(err)
	}
	if !info.Mode().IsRegular() {
		return "", errIrregular
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", archive, info.Size()))
	copied := filepath.Join(cache, copiesFolder, hex.EncodeToString(sum[:12])+".tar")
	if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
		return "", fmt.Errorf("it cannot be unpacked: %w", err)
	}
	if err := claimCopy(copied, archive); err != nil {
		return "", fmt.Errorf("it cannot be unpacked: %w", err)
	}
	// The copy bears the archive's time, by which it is known.
	if old, err := os.Stat(copied); err == nil && old.Mode().IsRegular() && old.ModTime().Equal(info.ModTime()) {
		return copied, nil
	}
	in, err := files.OpenRegular(archive)
	if err != nil {
		return "", files.Cause(err)
	}
	defer in.Close()
	var plain io.Reader
	if strings.HasSuffix(lower, "gz") {
		z, err := gzip.NewReader(in)
		if err != nil {
			return "", fmt.Errorf("not readable as gzip: %w", err)
		}
		plain = z
	} else {
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return "", fmt.Errorf("not readable as zstd: %w", err)
		}
		defer z.Close()
		plain = z
	}
	limit := info.Size()*unpackGrowth + unpackSlack
	err = files.WriteAtomic(copied, func(w io.Writer) error {
		n, err := io.Copy(struct{ io.Writer }{w}, io.LimitReader(plain, limit+1)) // which would keep a reader's error
		switch {
		case n > limit:
			return errBomb
		// Of an archive that broke off, what was there is read.
		case n > 0 && errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("it cannot be unpacked: %w", err)
	}
	if err := os.Chtimes(copied, info.ModTime(), info.ModTime()); err != nil {
		return "", fmt.Errorf("it cannot be unpacked: %w", err)
	}
	dropOlder(copied, archive)
	return copied, nil
}
