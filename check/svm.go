package check

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"goxkd/graph"
	"goxkd/safetensors"
	"goxkd/svm"
)

// limitScore is that of a linear SVM's averaged decision values.
const limitScore = 1e-4

// metaAccuracies is the metadata key that only recorded linear SVMs have: top-1 and top-5 accuracies by C.
const metaAccuracies = "accuracy_top1_top5"

// isSVM tells a case of linear SVMs.
func isSVM(file *safetensors.File) bool {
	_, ok := file.Metadata[metaAccuracies]
	return ok
}

// svm trains the recorded linear SVMs from their features and compares weights, intercepts, averaged scores and accuracies. It
// is in float64 on the host, whatever the device.
func (r *GoldenResult) svm(ctx context.Context, _ graph.Device, file *safetensors.File) error {
	var accuracies map[string][2]float64
	if err := json.Unmarshal([]byte(file.Metadata[metaAccuracies]), &accuracies); err != nil {
		return fmt.Errorf("metadata %q: %w", metaAccuracies, err)
	}
	if len(accuracies) == 0 {
		return fmt.Errorf("metadata %q names no C", metaAccuracies)
	}
	train, err := svmSet(file, "train")
	if err != nil {
		return err
	}
	test, err := svmSet(file, "test")
	if err != nil {
		return err
	}
	classes := slices.Max(append(slices.Clone(train.Labels), test.Labels...)) + 1
	for _, text := range slices.Sorted(maps.Keys(accuracies)) {
		c, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("metadata %q: C is %q", metaAccuracies, text)
		}
		m, err := svm.Train(ctx, train, classes, c, nil)
		if err != nil {
			return err
		}
		scores, labels := m.Average(test)
		for _, part := range []struct {
			name string
			rows [][]float64
		}{{"coef", m.Weights}, {"intercept", [][]float64{m.Intercepts}}, {"scores", scores}} {
			name := "C" + text + "/" + part.name
			t, ok := file.Tensors[name]
			got := float32s(part.rows)
			if !ok || len(t.Data) != len(got) {
				return fmt.Errorf("%s has %d elements, expected %d", name, len(t.Data), len(got))
			}
			r.add("linear SVM, "+part.name, name, got, t.Data, limitScore)
		}
		for i, k := range []int{1, 5} {
			// Recorded accuracies are shares of whole samples: less than half a sample's difference is in the last digits.
			e := svm.Accuracy(scores, labels, k) - accuracies[text][i]
			limit := 0.5 / float64(len(labels))
			r.Figures = append(r.Figures, Figure{fmt.Sprintf("C%s/top%d", text, k), "linear SVM, accuracies", max(e, -e), limit, max(e, -e) < limit})
		}
	}
	return nil
}

// svmSet reads features [n,dim] or [n,clips,dim] with labels [n].
func svmSet(file *safetensors.File, part string) (svm.Set, error) {
	x, y := file.Tensors[part+"/features"], file.Tensors[part+"/labels"]
	if len(x.Shape) < 2 || len(x.Shape) > 3 || len(y.Shape) != 1 || y.Shape[0] != x.Shape[0] || len(x.Data) == 0 {
		return svm.Set{}, fmt.Errorf("%s/features %v and %s/labels %v: expected [n,dim] or [n,clips,dim], and [n]", part, x.Shape, part, y.Shape)
	}
	var s svm.Set
	dim := x.Shape[len(x.Shape)-1]
	clips := len(x.Data) / dim / x.Shape[0]
	for i := range len(x.Data) / dim {
		row := make([]float64, dim)
		for k := range row {
			row[k] = float64(x.Data[i*dim+k])
		}
		label := y.Data[i/clips]
		if label < 0 || label >= 1<<20 || label != float32(int(label)) {
			return s, fmt.Errorf("%s/labels: %g is no class", part, label)
		}
		s.Rows, s.Labels, s.Samples = append(s.Rows, row), append(s.Labels, int(label)), append(s.Samples, i/clips)
	}
	return s, nil
}

func float32s(rows [][]float64) (out []float32) {
	for _, r := range rows {
		for _, v := range r {
			out = append(out, float32(v))
		}
	}
	return out
}
