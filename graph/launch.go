package graph

// Class is the kind of adapter; kernels are chosen by it.
type Class uint8

// The classes of adapters, in order of preference.
const (
	Discrete Class = iota
	Integrated
	Software // a CPU that answers as a GPU, such as lavapipe
)

func (c Class) String() string { return [...]string{"discrete", "integrated", "software"}[c] }

// Target is what a launch needs to know of the device.
type Target struct {
	Class Class
	// Variant is the way in which the node at hand is computed, one of its Op.Variants.
	Variant string
}

// MaxTrips bounds the loop iterations of one invocation, summed over its loops: some drivers stop silently at 65,535.
const MaxTrips = 60_000

// MaxGroups is the number of workgroups WebGPU allows per dimension.
const MaxGroups = 65_535

// Arg names a buffer of a dispatch: an input, the result, or scratch.
type Arg struct {
	kind  argKind
	index int
}

type argKind uint8

const (
	argIn argKind = iota
	argOut
	argScratch
)

// In is the node's input i.
func In(i int) Arg { return Arg{argIn, i} }

// Out is the node's result, the first where there are several.
func Out() Arg { return Arg{argOut, 0} }

// Result is the node's result i.
func Result(i int) Arg { return Arg{argOut, i} }

// Scratch is the launch's scratch buffer i.
func Scratch(i int) Arg { return Arg{argScratch, i} }

// Input gives the index of an input argument.
func (a Arg) Input() (int, bool) { return a.index, a.kind == argIn }

// Result gives the index of an argument that is a result.
func (a Arg) Result() (int, bool) { return a.index, a.kind == argOut }

// Scratch gives the index of a scratch argument.
func (a Arg) Scratch() (int, bool) { return a.index, a.kind == argScratch }

// Bind ties a storage variable of the WGSL text to a buffer.
type Bind struct {
	Var string
	Arg Arg
	// Elements that are read or written, to count what is moved; 0 for the whole buffer, and negative for none, where it
	// stands in for one that there is not.
	Elements int
}

// Const replaces the value in the line `const NAME: type = value;` of the WGSL text.
type Const struct {
	Name  string
	Value string
}

// Dispatch runs one entry point of one WGSL file.
type Dispatch struct {
	Shader   string  // file in shaders/, without .wgsl
	Entry    string  // entry point
	Consts   []Const // specialisation
	Includes []Const // `//include NAME` lines → file to include instead of NAME.wgsl
	Binds    []Bind  // storage buffers by variable name
	Params   any     // struct of uint32, int32 and float32 fields for `var<uniform> params: Params`, or nil
	Groups   [3]int  // workgroups; see Grid
	Trips    int     // the most loop turns of one invocation, at most MaxTrips
}

// Launch is a node's work on a GPU: dispatches in order, and the scratch they share (in elements).
type Launch struct {
	Dispatches []Dispatch
	Scratch    []int
	Variant    string // that was chosen; set by executors
}

// Grid folds a one-dimensional grid of n workgroups into x and y. Kernels number the groups by
// `id.y * num_workgroups.x + id.x` and ignore those past the end.
func Grid(n int) [3]int {
	if n <= MaxGroups {
		return [3]int{max(n, 1), 1, 1}
	}
	y := (n + MaxGroups - 1) / MaxGroups
	return [3]int{(n + y - 1) / y, y, 1}
}

// CeilDiv is a/b rounded up.
func CeilDiv(a, b int) int { return (a + b - 1) / b }
