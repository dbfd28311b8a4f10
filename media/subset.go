package media

import "context"

// MultiLabelled is implemented by sources whose clips may have several labels.
type MultiLabelled interface {
	// Labels are the class indices of clip i.
	Labels(i int) []int
}

// LabelsOf are a clip's class indices, none where it has no label.
func LabelsOf(src Source, i int) []int {
	if m, ok := src.(MultiLabelled); ok {
		return m.Labels(i)
	}
	if l := src.Label(i); l >= 0 {
		return []int{l}
	}
	return nil
}

// Several tells whether any clip of a source has more than one label.
func Several(src Source) bool {
	for i := range src.Len() {
		if len(LabelsOf(src, i)) > 1 {
			return true
		}
	}
	return false
}

// Commonest is the share of the commonest label among the clips of a source: the accuracy of always naming it.
func Commonest(src Source) float64 {
	counts, most := map[int]int{}, 0
	for i := range src.Len() {
		counts[src.Label(i)]++
		most = max(most, counts[src.Label(i)])
	}
	return float64(most) / float64(max(src.Len(), 1))
}

// Subset shows the clips of a source with the given indices, in their order.
type Subset struct {
	Of      Source
	Indices []int
}

func (s Subset) Len() int               { return len(s.Indices) }
func (s Subset) Name(i int) string      { return s.Of.Name(s.Indices[i]) }
func (s Subset) Label(i int) int        { return s.Of.Label(s.Indices[i]) }
func (s Subset) Labels(i int) []int     { return LabelsOf(s.Of, s.Indices[i]) }
func (s Subset) Classes() []string      { return s.Of.Classes() }
func (s Subset) Duration(i int) float64 { return s.Of.Duration(s.Indices[i]) }

// Load is the source's.
func (s Subset) Load(ctx context.Context, i int, span Span) (*Clip, error) {
	return s.Of.Load(ctx, s.Indices[i], span)
}

// Modalities are the source's.
func (s Subset) Modalities() (video, audio bool) { return Modalities(s.Of) }

// CacheBytes is the memory that the source may keep.
func (s Subset) CacheBytes() int64 {
	if c, ok := s.Of.(interface{ CacheBytes() int64 }); ok {
		return c.CacheBytes()
	}
	return 0
}
