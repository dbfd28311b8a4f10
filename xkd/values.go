package xkd

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// values are the figures of a step besides its losses: its schedule, the norms of its gradients before clipping, the speed and
// the memory.
func (t *Trainer) values(s Schedule, r *rate) map[string]float64 {
	v := map[string]float64{
		"weight_decay": s.WeightDecay, "steps_per_second": r.perSecond,
		"clips_per_second": r.perSecond * float64(t.Config.Train.Batch*t.MicroBatches()),
		"waiting":          r.waiting,
	}
	var squares [2]float64
	for i, n := range t.norms {
		squares[t.Step.normed[i].Modality] += float64(n) * float64(n)
	}
	for _, m := range t.Config.modalities() {
		v["temperature_"+m.String()], v["ema_"+m.String()] = s.TeacherTemp[m], s.EMA[m]
		v["gradient_"+m.String()] = math.Sqrt(squares[m])
	}
	if r.steps%memoryEvery == 1 {
		v["memory"] = float64(residentBytes())
	}
	return v
}

// memoryEvery is the number of steps between two looks at the memory.
const memoryEvery = 10

// residentBytes is the memory that the process holds: what the system says, or else what Go has asked for.
func residentBytes() int64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			if pages, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
