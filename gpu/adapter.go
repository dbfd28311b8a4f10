package gpu

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"runtime"
	"sort"
	"strconv"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
)

// ErrNoAdapter is returned where no usable adapter is found.
var ErrNoAdapter = errors.New("no GPU adapter found")

// Adapter describes one GPU, or a CPU that answers as one.
type Adapter struct {
	Name    string
	Backend string // Vulkan, Metal or D3D12
	Class   graph.Class
	Kernels graph.Class // whose kernels suit it: Intel's discrete GPUs have the registers of its integrated ones
	Vendor  string
	Driver  string
	Limits  Limits
}

// Limits are the adapter's limits that kernels and plans depend on.
type Limits struct {
	StorageBinding  int64 // bytes of one storage binding
	Buffer          int64 // bytes of one buffer; NoLimit where the driver knows none
	StorageBuffers  int   // storage buffers of one kernel
	Invocations     int   // threads of one workgroup
	WorkgroupMemory int   // bytes of workgroup memory
	Workgroups      int   // workgroups per dimension
}

func (a Adapter) String() string {
	return fmt.Sprintf("%s (%s, %s)", a.Name, a.Class, a.Backend)
}

// instance leaves out OpenGL, whose adapters are noisy to look for and do not compute reliably. Mesa's layer that sorts the
// adapters complains where there is no display, and they are sorted here.
func instance() *wgpu.Instance {
	if _, set := os.LookupEnv("NODEVICE_SELECT"); !set {
		_ = os.Setenv("NODEVICE_SELECT", "1") // without it there is a line of noise
	}
	wgpu.SetLogLevel(wgpu.LogLevel_Error)
	return wgpu.CreateInstance(&wgpu.InstanceDescriptor{
		Backends: wgpu.InstanceBackend_Vulkan | wgpu.InstanceBackend_Metal | wgpu.InstanceBackend_DX12,
	})
}

// found pairs an adapter with its description.
type found struct {
	handle *wgpu.Adapter
	Adapter
}

// enumerate lists the adapters of an instance, best first.
func enumerate(inst *wgpu.Instance) []found {
	var list []found
	for _, h := range inst.EnumerateAdapters(nil) {
		p := h.GetProperties()
		l := limitsOf(h)
		a := Adapter{
			Name:    p.Name,
			Backend: p.BackendType.String(),
			Vendor:  p.VendorName,
			Driver:  p.DriverDescription,
			Limits: Limits{
				StorageBinding:  int64(min(l.MaxStorageBufferBindingSize, NoLimit)),
				Buffer:          int64(min(l.MaxBufferSize, NoLimit)),
				StorageBuffers:  int(l.MaxStorageBuffersPerShaderStage),
				Invocations:     int(l.MaxComputeInvocationsPerWorkgroup),
				WorkgroupMemory: int(l.MaxComputeWorkgroupStorageSize),
				Workgroups:      int(l.MaxComputeWorkgroupsPerDimension),
			},
		}
		switch p.AdapterType {
		case wgpu.AdapterType_DiscreteGPU:
			a.Class = graph.Discrete
		case wgpu.AdapterType_CPU:
			a.Class = graph.Software
		default:
			a.Class = graph.Integrated
		}
		a.Kernels = a.Class
		if a.Class == graph.Discrete && p.VendorId == vendorIntel {
			a.Kernels = graph.Integrated
		}
		list = append(list, found{h, a})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].Class < list[j].Class })
	return list
}

// limitsOf gives an adapter's limits in a form that can be asked for. A field with all bits set means to the library that
// nothing is asked, and the device gets WebGPU's default, such as 256 MiB for a buffer; drivers answer with just that
// where they know no limit.
func limitsOf(h *wgpu.Adapter) wgpu.Limits {
	l := h.GetLimits().Limits
	askable(&l)
	return l
}

func askable(l *wgpu.Limits) {
	fields := reflect.ValueOf(l).Elem()
	for i := range fields.NumField() {
		// Half of the range is beyond any machine; a few limits are powers of two or sizes that get rounded up.
		switch f := fields.Field(i); f.Kind() {
		case reflect.Uint32:
			if f.Uint() == math.MaxUint32 {
				f.SetUint(1 << 31)
			}
		case reflect.Uint64:
			if f.Uint() == math.MaxUint64 {
				f.SetUint(NoLimit)
			}
		}
	}
}

// vendorIntel is the number of a maker in the lists of PCI.
const vendorIntel = 0x8086

// NoLimit is what Limits.Buffer is where the driver knows no limit.
const NoLimit = 1 << 62

// Adapters lists the adapters: discrete first, then integrated, then software.
func Adapters() ([]Adapter, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	inst := instance()
	defer inst.Release()
	list := enumerate(inst)
	if len(list) == 0 {
		return nil, noAdapter()
	}
	out := make([]Adapter, len(list))
	for i, f := range list {
		out[i] = f.Adapter
		f.handle.Release()
	}
	return out, nil
}

func noAdapter() error {
	hint := "install or update the graphics driver"
	if runtime.GOOS == "linux" {
		hint = "install a Vulkan driver: the vendor's for a GPU, or `apt install mesa-vulkan-drivers` for Mesa's, which also computes on the CPU"
	}
	return fmt.Errorf("gpu: %w; %s", ErrNoAdapter, hint)
}

// choose finds the adapter that sel names: "gpu" or "" for the best, or its number in the list.
func choose(list []found, sel string) (int, error) {
	if len(list) == 0 {
		return 0, noAdapter()
	}
	if sel == "" || sel == "gpu" {
		return 0, nil
	}
	i, err := strconv.Atoi(sel)
	if err != nil || i < 0 || i >= len(list) {
		return 0, fmt.Errorf("gpu: there is no adapter %q: expected \"gpu\" or a number from 0 to %d", sel, len(list)-1)
	}
	return i, nil
}
