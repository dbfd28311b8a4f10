package media

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// ClassesOf are the distinct labels in order: of number where all are whole numbers, else of letters.
func ClassesOf(labels []string) []string {
	seen := map[string]bool{}
	var classes []string
	numbers := true
	for _, name := range labels {
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		classes = append(classes, name)
		if _, err := strconv.Atoi(name); err != nil {
			numbers = false
		}
	}
	slices.SortFunc(classes, func(a, b string) int {
		if numbers {
			x, _ := strconv.Atoi(a)
			y, _ := strconv.Atoi(b)
			if x != y {
				return cmp.Compare(x, y)
			}
		}
		return strings.Compare(a, b)
	})
	return classes
}
