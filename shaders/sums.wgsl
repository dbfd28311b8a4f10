// Long sums in blocks of 64: rounding grows with the blocks and the block, not with the number of terms. Compensated sums
// would not do: compilers may simplify (a + b) - a.
struct Sum { total: f32, block: f32, count: u32 }

fn plus(s: Sum, v: f32) -> Sum {
    let block = s.block + v;
    let full = (s.count & 63u) == 63u;
    return Sum(select(s.total, s.total + block, full), select(block, 0.0, full), s.count + 1u);
}

fn sum_of(s: Sum) -> f32 {
    return s.total + s.block;
}
