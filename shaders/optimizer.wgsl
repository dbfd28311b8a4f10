// Updates of states, single or whole banks with a table of the tensors in them, which count in blocks of 64 elements.
//
// t ← momentum·t + (1 - momentum)·s; sum ← x or sum + x; norms of the tensors of banks, and what clips them; with d = factor·g:
// m ← β1 m + (1-β1) d, v ← β2 v + (1-β2) d², p ← p - rate·decay·p - rate·(m / bias1) / (√v / bias2 + eps).
//
// hyper has rows of learning rate, weight decay, 1 - beta1^step, √(1 - beta2^step), and 0 where nothing is to change.
struct Params {
    n: u32,      // elements, or figures
    rows: u32,   // of the table
    visits: u32, // of clipping
    most: f32,   // the greatest norm
    beta1: f32, rest1: f32, // beta1 and 1 - beta1
    beta2: f32, rest2: f32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> hyper: array<f32>;
@group(0) @binding(7) var<storage, read> table: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read> s: array<f32>;
@group(0) @binding(10) var<storage, read> momentum: array<f32>;
@group(0) @binding(11) var<storage, read_write> found: array<f32>;

//!include grid
//!include sums
//!include rows_serial

// cell reads a whole number of the table, whose rows have `cols` columns.
fn cell(row: u32, cols: u32, col: u32) -> u32 {
    return u32(table[row * cols + col]);
}

// row_before is the last row whose first column is at most `block`; rows are in order of it, and the first is at most block.
fn row_before(block: u32, cols: u32) -> u32 {
    var lo = 0u;
    var hi = params.rows;
    for (var i = 0u; i < 24u && hi - lo > 1u; i++) {
        let mid = (lo + hi) / 2u;
        if (cell(mid, cols, 0u) <= block) { lo = mid; } else { hi = mid; }
    }
    return lo;
}

// One thread moves PER elements.
@compute @workgroup_size(64)
fn ema(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let keep = momentum[0];
    let take = 1.0 - keep;
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        p[i] = keep * p[i] + take * s[i];
    }
}

// One thread adds PER elements; where momentum[0] is not 0, it overwrites them.
@compute @workgroup_size(64)
fn accumulate(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let fresh = momentum[0] != 0.0;
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        p[i] = select(p[i] + s[i], s[i], fresh);
    }
}

// A row's threads add the squares of a chunk of a tensor: table [rows, 3] of first block, elements, place in y.
@compute @workgroup_size(64)
fn square_sums(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = cell(row, 3u, 0u) * 64u;
    let size = cell(row, 3u, 1u);
    var sum: Sum;
    for (var c = lane_of(t); c < size; c += LANES) {
        sum = plus(sum, g[base + c] * g[base + c]);
    }
    let all = row_sum(sum_of(sum), t);
    if (lane_of(t) == 0u && size > 0u) { y[cell(row, 3u, 2u)] = all; }
}

// A row's threads add the sums of one tensor: table [rows, 2] of first sum, sums.
@compute @workgroup_size(64)
fn norms(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = cell(row, 2u, 0u);
    let count = cell(row, 2u, 1u);
    var sum: Sum;
    for (var c = lane_of(t); c < count; c += LANES) {
        sum = plus(sum, s[base + c]);
    }
    let all = row_sum(sum_of(sum), t);
    if (lane_of(t) == 0u) { y[row] = sqrt(all) * momentum[0]; }
}

// One thread goes through the visits to one tensor: table [visits] of tensors.
@compute @workgroup_size(64)
fn clip(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let k = group_of(wid, num) * 64u + t;
    if (k >= params.n) { return; }
    var f = 1.0;
    for (var i = 0u; i < params.visits; i++) {
        if (u32(table[i]) == k) {
            let norm = s[k] * f;
            found[i] = norm;
            f *= min(1.0, params.most / (norm + 1e-6));
        }
    }
    y[k] = f * momentum[0];
}

// One thread updates PER elements: table [rows, 5] of first block, blocks, elements of the last block, place of the factor,
// 2·row of hyper + 1 with weight decay. The threads of a workgroup are in one block at a time.
@compute @workgroup_size(64)
fn adamw(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let first = first_of(wid, num, t);
    var row = row_before(first / 64u, 5u);
    for (var i = first; i < end; i += 64u) {
        let block = i / 64u;
        if (row + 1u < params.rows && block >= cell(row + 1u, 5u, 0u)) { row += 1u; }
        let start = cell(row, 5u, 0u);
        let last = start + cell(row, 5u, 1u) - 1u;
        let flags = cell(row, 5u, 4u);
        let h = (flags >> 1u) * 5u;
        let inside = block >= start && (block < last || (block == last && (i & 63u) < cell(row, 5u, 2u)));
        if (!inside || hyper[h + 4u] == 0.0) { continue; }
        let rate = hyper[h];
        let d = g[i] * factor[cell(row, 5u, 3u)];
        let mi = params.beta1 * m[i] + params.rest1 * d;
        let vi = params.beta2 * v[i] + params.rest2 * d * d;
        m[i] = mi;
        v[i] = vi;
        let old = p[i];
        let shrink = select(0.0, rate * hyper[h + 1u], (flags & 1u) == 1u);
        p[i] = old - shrink * old - rate / hyper[h + 2u] * mi / (sqrt(vi) * (1.0 / hyper[h + 3u]) + params.eps);
    }
}

// One thread moves PER elements: table [rows, 5] of first block of the work, blocks, block of p, block of s, 1 by momentum[0]
// or 2 by momentum[1] or 3 by both in turn.
@compute @workgroup_size(64)
fn bank_ema(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let first = first_of(wid, num, t);
    var row = row_before(first / 64u, 5u);
    for (var i = first; i < end; i += 64u) {
        let block = i / 64u;
        if (row + 1u < params.rows && block >= cell(row + 1u, 5u, 0u)) { row += 1u; }
        let into = (block - cell(row, 5u, 0u)) * 64u + (i & 63u);
        let at = cell(row, 5u, 2u) * 64u + into;
        let toward = s[cell(row, 5u, 3u) * 64u + into];
        let which = cell(row, 5u, 4u);
        var x = p[at];
        if ((which & 1u) == 1u) { x = momentum[0] * x + (1.0 - momentum[0]) * toward; }
        if ((which & 2u) == 2u) { x = momentum[1] * x + (1.0 - momentum[1]) * toward; }
        p[at] = x;
    }
}
