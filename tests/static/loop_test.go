package static

import (
	"iter"
	"slices"
	"strings"
	"testing"
)

// instruction is the mnemonic of a line and the block that it may jump to.
type instruction struct{ name, target string }

// loop gives the share of multiply-adds in the loop that holds the most of them, and the number of its instructions: a part of a
// program in the assembler's words, in blocks BB0, BB1, …, that ends in a jump back to its first instruction. Where the compiler has
// written out the inner loop, what counts is the part of the outer one between two barriers, in which tiles are read only.
func loop(text string) (share float64, length int) {
	at := map[string]int{}
	var program []instruction
	for line := range strings.Lines(text) {
		if label, _, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(label, "BB") {
			at[label] = len(program)
			continue
		}
		if words := strings.Fields(strings.Split(line, ";")[0]); len(words) > 0 && strings.HasPrefix(line, "\t") {
			i := instruction{name: words[0]}
			if len(words) > 1 {
				i.target = words[1]
			}
			program = append(program, i)
		}
	}
	most := 0
	for end, jump := range program {
		first, ok := at[jump.target]
		if !ok || first > end || !strings.HasPrefix(jump.name, "s_branch") && !strings.HasPrefix(jump.name, "s_cbranch") {
			continue
		}
		for part := range between(program[first : end+1]) {
			adds := 0
			for _, i := range part {
				if i.adds() {
					adds++
				}
			}
			// Of nested loops the inner one has the greater share.
			s := float64(adds) / float64(len(part))
			if adds > 0 && (adds > most || adds == most && s > share) {
				most, share, length = adds, s, len(part)
			}
		}
	}
	return share, length
}

// adds reports whether an instruction multiplies and adds.
func (i instruction) adds() bool {
	for _, prefix := range []string{"v_fma", "v_mac", "v_pk_fma", "v_dual_fmac"} {
		if strings.HasPrefix(i.name, prefix) {
			return true
		}
	}
	return false
}

// between yields the parts of a loop between its barriers, which there may be none of.
func between(body []instruction) iter.Seq[[]instruction] {
	return func(yield func([]instruction) bool) {
		for len(body) > 0 {
			n := slices.IndexFunc(body, func(i instruction) bool { return i.name == "s_barrier" })
			if n < 0 {
				n = len(body)
			}
			if n > 0 && !yield(body[:n]) {
				return
			}
			body = body[min(n+1, len(body)):]
		}
	}
}

func TestLoop(t *testing.T) {
	for _, c := range []struct {
		name, text string
		share      float64
		length     int
	}{
		{"none", "BB0:\n\tv_fma_f32 v0, v1, v2, v0\n", 0, 0},
		{"inner", "BB0:\n\tv_add v0\nBB1:\n\tds_read v1\n\tv_fmac_f32 v0, v1, v1\n\tv_fmac_f32 v0, v1, v1 ; 02\n\ts_cbranch_scc0 BB1\n\ts_branch BB0\n", 0.5, 4},
		{"written out", "BB0:\n\tbuffer_load v1\n\tds_write v1\n\ts_barrier\n\tds_read v1\n\tv_fmac_f32 v0, v1, v1\n\tv_fmac_f32 v0, v1, v1\n\tv_fmac_f32 v0, v1, v1\n\ts_barrier\n\ts_cbranch_vccz BB0\n", 0.75, 4},
	} {
		if share, length := loop(c.text); share != c.share || length != c.length {
			t.Errorf("%s: a share of %v of %d instructions, expected %v of %d", c.name, share, length, c.share, c.length)
		}
	}
}
