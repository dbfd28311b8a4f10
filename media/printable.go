package media

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable is a text of others, such as the name of a file or a class, as it may be shown to people: as it is, or in
// quotes with escapes where it would move a terminal's cursor or start another line.
func Printable(text string) string {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
