//go:build !cgo

package views

// Without a C compiler all is computed plainly.
var (
	samplePlanes    = plainSample
	transformPlanes = plainTransform
	huePlanes       = plainHue
	sumPlanes       = plainSums
	blurPlane       = plainBlur
	storeBytes      = plainStore
)

type spectra struct{}

func newSpectra(*Spectrogram) *spectra { return nil }

func (*spectra) clone() *spectra { return nil }

func (*spectra) sums([]float64, []float32, int) {}
