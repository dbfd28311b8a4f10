package pth

import (
	"fmt"
	"math"
	"strings"
)

// What a pickle of weights is made of, besides nil, bool, int64, float64 and string.
type (
	raw    string // bytes
	long   string // an integer beyond 64 bits, little-endian
	tuple  []any
	list   struct{ items []any }
	dict   struct{ items []pair }
	pair   struct{ key, value any }
	global struct{ module, name string }
	// inert stands for an object whose content does not matter; what is done to it is forgotten.
	inert struct{}
	// storage is a run of elements somewhere in the file.
	storage struct {
		dtype string // as in safetensors; empty for an untyped one
		key   string
		count int64 // elements; bytes where dtype is empty
		first int64 // elements of a root storage that are left out, as old files have it
	}
	// tensor is a view of a storage.
	tensor struct {
		storage
		offset int64 // elements
		shape  []int
		stride []int64
	}
)

func (g global) String() string { return g.module + "." + g.name }

// storageTypes are PyTorch's classes of storages and its types of elements, as safetensors names these.
var storageTypes = map[string]string{
	"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64",
	"LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
	"UntypedStorage": "",
	"float32":        "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64",
	"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}

// sizes of elements in bytes.
var sizes = map[string]int64{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "": 1}

// inertNames are classes and functions of which checkpoints keep objects beside the weights: options, scores, times.
var inertNames = map[string]bool{
	"argparse.Namespace": true, "numpy.core.multiarray.scalar": true, "numpy._core.multiarray.scalar": true, "numpy.dtype": true,
	"_codecs.encode": true, "torch.device": true, "torch.Size": true, "torch.FloatTensor": true,
	"builtins.set": true, "__builtin__.set": true, "collections.Counter": true,
}

// allowed tells whether weights may name a global.
func (g global) allowed() bool {
	switch g.module {
	case "collections":
		return g.name == "OrderedDict" || g.name == "defaultdict" || inertNames[g.String()]
	case "torch._utils":
		switch g.name {
		case "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_parameter_with_state":
			return true
		}
		return false
	case "torch", "torch.cuda", "torch.storage":
		if _, ok := storageTypes[g.name]; ok {
			return true
		}
	}
	return inertNames[g.String()]
}

// call is what a global gives for arguments.
func (g global) call(args tuple) (any, error) {
	if inertNames[g.String()] {
		return inert{}, nil
	}
	switch g.name {
	case "OrderedDict", "defaultdict":
		d := &dict{}
		if len(args) == 1 && g.name == "OrderedDict" { // a list of pairs, as Python 2 wrote them
			items, ok := args[0].(*list)
			if !ok {
				return nil, fmt.Errorf("%s is made of no list", g)
			}
			for _, it := range items.items {
				kv, ok := entries(it)
				if !ok || len(kv) != 2 {
					return nil, fmt.Errorf("%s is made of no pairs", g)
				}
				d.items = append(d.items, pair{kv[0], kv[1]})
			}
		}
		return d, nil
	case "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3":
		return rebuild(g.name, args)
	case "_rebuild_parameter", "_rebuild_parameter_with_state":
		if len(args) < 1 {
			return nil, fmt.Errorf("%s has no arguments", g)
		}
		if _, ok := args[0].(*tensor); !ok {
			return nil, fmt.Errorf("%s is given no tensor", g)
		}
		return args[0], nil
	}
	return nil, fmt.Errorf("%s is called, which weights do not do", g)
}

func entries(v any) ([]any, bool) {
	switch v := v.(type) {
	case tuple:
		return v, true
	case *list:
		return v.items, true
	}
	return nil, false
}

// rebuild makes a tensor of (storage, offset, shape, stride, ...); version 3 adds the type of the elements.
func rebuild(name string, args tuple) (*tensor, error) {
	fail := func(what string) error { return fmt.Errorf("%s has no %s", name, what) }
	if len(args) < 4 {
		return nil, fail("storage, offset, shape and stride")
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, fail("storage")
	}
	t := &tensor{storage: *s}
	if name == "_rebuild_tensor_v3" {
		if len(args) < 7 {
			return nil, fail("type")
		}
		kind, ok := args[6].(global)
		if !ok || !kind.allowed() || storageTypes[kind.name] == "" {
			return nil, fail("known type")
		}
		t.dtype = storageTypes[kind.name]
		t.count /= sizes[t.dtype]
	}
	if t.dtype == "" {
		return nil, fail("type")
	}
	if t.offset, ok = args[1].(int64); !ok || t.offset < 0 {
		return nil, fail("offset")
	}
	shape, ok1 := entries(args[2])
	stride, ok2 := entries(args[3])
	if !ok1 || !ok2 || len(shape) != len(stride) || len(shape) > 16 {
		return nil, fail("matching shape and stride")
	}
	for i := range shape {
		n, ok1 := shape[i].(int64)
		d, ok2 := stride[i].(int64)
		if !ok1 || !ok2 || n < 0 || n > math.MaxInt32 || d < 0 {
			return nil, fail("shape and stride of whole numbers")
		}
		t.shape, t.stride = append(t.shape, int(n)), append(t.stride, d)
	}
	return t, t.check()
}

// repeated bounds the elements of a tensor that shows an element of its storage more than once.
const repeated = 1 << 16

// check sees that a tensor's elements lie in its storage, and that it claims no more of them than that holds.
func (t *tensor) check() error {
	elements, last := int64(1), t.offset
	for i, n := range t.shape {
		if n == 0 {
			return nil
		}
		if elements > math.MaxInt64/int64(n) || t.stride[i] > 0 && int64(n-1) > (math.MaxInt64-last)/t.stride[i] {
			return fmt.Errorf("a tensor has the absurd shape %v with strides %v", t.shape, t.stride)
		}
		elements *= int64(n)
		last += int64(n-1) * t.stride[i]
	}
	if last >= t.count {
		return fmt.Errorf("a tensor of shape %v reaches element %d of a storage of %d", t.shape, last, t.count)
	}
	if elements > max(t.count, repeated) {
		return fmt.Errorf("a tensor of shape %v claims %d elements of a storage of %d", t.shape, elements, t.count)
	}
	return nil
}

// elements is the number of a tensor's elements.
func (t *tensor) elements() int64 {
	n := int64(1)
	for _, d := range t.shape {
		n *= int64(d)
	}
	return n
}

// persistent reads what stands for a storage: ("storage", class, key, place, elements[, view]).
func persistent(v any) (*storage, error) {
	args, ok := v.(tuple)
	if !ok || len(args) < 5 || args[0] != any("storage") {
		return nil, fmt.Errorf("a reference is to something else than a storage")
	}
	class, ok1 := args[1].(global)
	key, ok2 := args[2].(string)
	count, ok3 := args[4].(int64)
	if !ok1 || !ok2 || !ok3 || count < 0 || !strings.HasSuffix(class.name, "Storage") {
		return nil, fmt.Errorf("a storage is described in an unknown way")
	}
	s := &storage{dtype: storageTypes[class.name], key: key, count: count}
	if count > math.MaxInt64/16 {
		return nil, fmt.Errorf("storage %q has absurdly many elements", key)
	}
	if len(args) > 5 && args[5] != nil { // a part of another: (key, first element, elements)
		view, ok := args[5].(tuple)
		if !ok || len(view) != 3 {
			return nil, fmt.Errorf("storage %q is a part in an unknown way", key)
		}
		first, ok1 := view[1].(int64)
		n, ok2 := view[2].(int64)
		if !ok1 || !ok2 || first < 0 || n < 0 || first > count-n {
			return nil, fmt.Errorf("storage %q is a part that is not inside the whole", key)
		}
		s.first, s.count = first, n
	}
	return s, nil
}
