package pth

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// ErrRefused marks a file that asks for more than weights need: a class, a function or an opcode.
var ErrRefused = errors.New("refused")

// Bounds of one pickle. The released checkpoints of the largest model, with optimiser, have a hundredth of them.
const (
	maxOps    = 1 << 22
	maxString = 1 << 20
	maxPickle = 1 << 26
	maxStack  = 1 << 20
)

// machine runs a pickle's opcodes on values of this package.
type machine struct {
	in    *bufio.Reader
	read  int64 // bytes
	ops   int
	stack []any
	marks []int
	memo  map[int64]any
}

// unpickle reads one pickle and leaves the reader after it.
func unpickle(in *bufio.Reader) (v any, n int64, err error) {
	m := &machine{in: in, memo: map[int64]any{}}
	for {
		done, err := m.step()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the pickle is cut short")
			}
			return nil, m.read, err
		}
		if done {
			if len(m.stack) != 1 || len(m.marks) > 0 {
				return nil, m.read, errors.New("the pickle does not end with one value")
			}
			return m.stack[0], m.read, nil
		}
	}
}

func (m *machine) bytes(n int64) ([]byte, error) {
	if n < 0 || n > maxString {
		return nil, fmt.Errorf("a text of %d bytes is too long for a name", n)
	}
	if m.read += n; m.read > maxPickle {
		return nil, fmt.Errorf("the pickle is longer than %d bytes", maxPickle)
	}
	if n > int64(m.in.Size()) { // in parts: what is claimed may not be there
		var out strings.Builder
		if _, err := io.CopyN(&out, m.in, n); err != nil {
			return nil, err
		}
		return []byte(out.String()), nil
	}
	b := make([]byte, n)
	_, err := io.ReadFull(m.in, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return b, err
}

func (m *machine) uint(n int64) (int64, error) {
	b, err := m.bytes(n)
	if err != nil {
		return 0, err
	}
	var whole [8]byte
	copy(whole[:], b)
	v := binary.LittleEndian.Uint64(whole[:])
	if v > math.MaxInt64 {
		return 0, errors.New("a length is absurd")
	}
	return int64(v), nil
}

func (m *machine) line() (string, error) {
	var out []byte
	for {
		b, err := m.bytes(1)
		if err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return strings.TrimSuffix(string(out), "\r"), nil
		}
		if out = append(out, b[0]); len(out) > maxString {
			return "", errors.New("a line is too long")
		}
	}
}

func (m *machine) push(v any) error {
	if len(m.stack) >= maxStack {
		return errors.New("the pickle piles up too many values")
	}
	m.stack = append(m.stack, v)
	return nil
}

var errUnderflow = errors.New("the pickle takes a value that is not there")

func (m *machine) pop() (any, error) {
	low := 0
	if len(m.marks) > 0 {
		low = m.marks[len(m.marks)-1]
	}
	if len(m.stack) <= low {
		return nil, errUnderflow
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errUnderflow
	}
	at := m.marks[len(m.marks)-1]
	m.marks = m.marks[:len(m.marks)-1]
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return items, nil
}

func (m *machine) top() (any, error) {
	v, err := m.pop()
	if err == nil {
		err = m.push(v)
	}
	return v, err
}

func (m *machine) tuple(n int) error {
	t := make(tuple, n)
	for i := n - 1; i >= 0; i-- {
		v, err := m.pop()
		if err != nil {
			return err
		}
		t[i] = v
	}
	return m.push(t)
}

// put adds entries to what lies on top.
func (m *machine) put(items []any, pairs bool) error {
	on, err := m.top()
	if err != nil {
		return err
	}
	switch on := on.(type) {
	case inert:
		return nil
	case *list:
		if pairs {
			break
		}
		on.items = append(on.items, items...)
		return nil
	case *dict:
		if !pairs || len(items)%2 != 0 {
			break
		}
		for i := 0; i < len(items); i += 2 {
			on.items = append(on.items, pair{items[i], items[i+1]})
		}
		return nil
	}
	return errors.New("the pickle adds entries to what has none")
}

func (m *machine) global(module, name string) error {
	g := global{module, name}
	if !g.allowed() {
		return fmt.Errorf("%w: it asks for %s, which weights do not need; nothing of it was run", ErrRefused, shorten(g.String()))
	}
	return m.push(g)
}

// shorten makes a name out of a file printable.
func shorten(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	q := strconv.QuoteToASCII(s)
	return q[1 : len(q)-1]
}

// step runs one opcode; done at the last.
func (m *machine) step() (done bool, err error) {
	if m.ops++; m.ops > maxOps {
		return false, fmt.Errorf("the pickle has more than %d steps", maxOps)
	}
	b, err := m.bytes(1)
	if err != nil {
		return false, err
	}
	switch op := b[0]; op {
	case '.': // STOP
		return true, nil
	case 0x80: // PROTO
		v, err := m.uint(1)
		if err == nil && (v < 2 || v > 5) {
			err = fmt.Errorf("the pickle has protocol %d, not 2 to 5", v)
		}
		return false, err
	case 0x95: // FRAME
		_, err := m.bytes(8)
		return false, err
	case '(', '0', '1', '2', 'a', 'e', 's', 'u', 0x90, 't', 0x85, 0x86, 0x87, 'l', 'd':
		return false, m.shuffle(op)
	case 'q', 'r', 'p', 0x94, 'h', 'j', 'g':
		return false, m.remember(op)
	case 'c', 0x93, 'R', 0x81, 'b', 'Q':
		return false, m.object(op)
	default:
		v, err := m.literal(op)
		if err != nil {
			return false, err
		}
		return false, m.push(v)
	}
}

// shuffle runs the opcodes that move values.
func (m *machine) shuffle(op byte) error {
	switch op {
	case '(': // MARK
		if len(m.marks) >= maxStack {
			return errors.New("the pickle piles up too many marks")
		}
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.top()
		if err != nil {
			return err
		}
		return m.push(v)
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		return m.tuple(int(op) - 0x84)
	case 'a': // APPEND
		v, err := m.pop()
		if err != nil {
			return err
		}
		return m.put([]any{v}, false)
	case 's': // SETITEM
		value, err := m.pop()
		if err != nil {
			return err
		}
		key, err := m.pop()
		if err != nil {
			return err
		}
		return m.put([]any{key, value}, true)
	}
	items, err := m.popMark()
	if err != nil {
		return err
	}
	switch op {
	case 't': // TUPLE
		return m.push(tuple(items))
	case 'l': // LIST
		return m.push(&list{items})
	case 'd': // DICT
		if err := m.push(&dict{}); err != nil {
			return err
		}
		return m.put(items, true)
	}
	return m.put(items, op == 'u') // APPENDS, ADDITEMS, SETITEMS
}

// remember runs the opcodes of the memo.
func (m *machine) remember(op byte) (err error) {
	var at int64
	switch op {
	case 'q', 'h':
		at, err = m.uint(1)
	case 'r', 'j':
		at, err = m.uint(4)
	case 'p', 'g':
		var text string
		if text, err = m.line(); err == nil {
			at, err = strconv.ParseInt(text, 10, 32)
		}
	default: // MEMOIZE
		at = int64(len(m.memo))
	}
	if err != nil {
		return err
	}
	switch op {
	case 'h', 'j', 'g': // GET
		v, ok := m.memo[at]
		if !ok {
			return fmt.Errorf("the pickle takes value %d, which it has not made", at)
		}
		return m.push(v)
	}
	v, err := m.top()
	m.memo[at] = v
	return err
}

// object runs the opcodes that name classes and make objects.
func (m *machine) object(op byte) error {
	switch op {
	case 'c': // GLOBAL
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		return m.global(module, name)
	case 'Q': // BINPERSID
		v, err := m.pop()
		if err != nil {
			return err
		}
		s, err := persistent(v)
		if err != nil {
			return err
		}
		return m.push(s)
	}
	arg, err := m.pop()
	if err != nil {
		return err
	}
	if op == 'b' { // BUILD: attributes of an object, which do not matter here
		switch on, err := m.top(); on.(type) {
		case *dict, inert, *tensor:
			return err
		}
		return errors.New("the pickle builds on what has no attributes")
	}
	on, err := m.pop()
	if err != nil {
		return err
	}
	if op == 0x93 { // STACK_GLOBAL
		module, ok1 := on.(string)
		name, ok2 := arg.(string)
		if !ok1 || !ok2 {
			return errors.New("a class is named by something else than text")
		}
		return m.global(module, name)
	}
	args, ok1 := arg.(tuple) // REDUCE, NEWOBJ
	g, ok2 := on.(global)
	if !ok1 || !ok2 {
		return errors.New("the pickle calls what is no function")
	}
	v, err := g.call(args)
	if err != nil {
		return err
	}
	return m.push(v)
}

// literal reads a value that an opcode holds.
func (m *machine) literal(op byte) (any, error) {
	text := func(width int64) (string, error) {
		n, err := m.uint(width)
		if err != nil {
			return "", err
		}
		b, err := m.bytes(n)
		return string(b), err
	}
	switch op {
	case 'N':
		return nil, nil
	case 0x88:
		return true, nil
	case 0x89:
		return false, nil
	case ')':
		return tuple{}, nil
	case ']':
		return &list{}, nil
	case '}':
		return &dict{}, nil
	case 0x8f: // EMPTY_SET
		return inert{}, nil
	case 'K':
		return m.uint(1)
	case 'M':
		return m.uint(2)
	case 'J':
		v, err := m.uint(4)
		return int64(int32(v)), err
	case 'I', 'L':
		line, err := m.line()
		if err != nil {
			return nil, err
		}
		if op == 'I' && (line == "00" || line == "01") {
			return line == "01", nil
		}
		return strconv.ParseInt(strings.TrimSuffix(line, "L"), 10, 64)
	case 0x8a, 0x8b: // LONG1, LONG4
		s, err := text(map[byte]int64{0x8a: 1, 0x8b: 4}[op])
		if err != nil || len(s) > 8 {
			return long(s), err
		}
		var v int64
		for i := len(s) - 1; i >= 0; i-- {
			v = v<<8 | int64(s[i])
		}
		if n := len(s); n > 0 && n < 8 && s[n-1]&0x80 != 0 {
			v -= 1 << (8 * n)
		}
		return v, nil
	case 'G':
		b, err := m.bytes(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case 'F':
		line, err := m.line()
		if err != nil {
			return nil, err
		}
		return strconv.ParseFloat(line, 64)
	case 'X', 'T':
		return text(4)
	case 0x8c, 'U':
		return text(1)
	case 0x8d:
		return text(8)
	case 'B', 'C', 0x8e:
		s, err := text(map[byte]int64{'B': 4, 'C': 1, 0x8e: 8}[op])
		return raw(s), err
	case 'V':
		return m.line()
	}
	return nil, fmt.Errorf("%w: it has opcode 0x%02x, which weights do not need; nothing of it was run", ErrRefused, op)
}
