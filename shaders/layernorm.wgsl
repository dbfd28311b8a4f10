// y = (x - mean) · scale · gain + bias per row, with scale = 1/√(var + eps) (biased), and its gradients.
//
// x, y, dy, dx and onto are [rows, width], gain and bias [width], stats [rows, 2] (mean, scale). Without an affine part, gain and
// bias are bound to x and not read; so is onto where there is none. A row is the work of one thread or of one workgroup, by the include.
struct Params {
    rows: u32, width: u32,
    chunks: u32, // of rows, for the gradients of gain and bias
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> stats: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> found: array<f32>; // statistics, as layernorm finds them
@group(0) @binding(8) var<storage, read> onto: array<f32>;
@group(0) @binding(9) var<storage, read_write> more: array<f32>; // y for bias

// AFFINE is true with gain and bias. It is no parameter, since CPUs run both sides of a branch.
const AFFINE: bool = true;
// ONTO is true where the gradient is added to another.
const ONTO: bool = false;

//!include grid
//!include sums
//!include rows_serial
//!include columns_serial

// moments gives mean and 1/√(var + eps). The variance takes a second pass: rows far from zero would lose it otherwise.
fn moments(base: u32, t: u32) -> vec2<f32> {
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        sum = plus(sum, x[base + c]);
    }
    let mean = row_sum(sum_of(sum), t) / f32(params.width);
    var squares: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        let d = x[base + c] - mean;
        squares = plus(squares, d * d);
    }
    let variance = row_sum(sum_of(squares), t) / f32(params.width);
    return vec2<f32>(mean, 1.0 / sqrt(variance + params.eps));
}

@compute @workgroup_size(64)
fn layernorm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    let m = moments(base, t);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        var v = (x[base + c] - m.x) * m.y;
        if (AFFINE) { v = v * gain[c] + bias[c]; }
        y[base + c] = v;
    }
    if (lane_of(t) == 0u) {
        found[2u * row] = m.x;
        found[2u * row + 1u] = m.y;
    }
}

// With d = dy·gain and h = (x - mean)·scale: dx = scale · (d - mean(d) - h·mean(d·h)) (+ onto).
@compute @workgroup_size(64)
fn layernorm_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    let mean = stats[2u * row];
    let scale = stats[2u * row + 1u];
    var sum: Sum;
    var along: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        var d = dy[base + c];
        if (AFFINE) { d *= gain[c]; }
        sum = plus(sum, d);
        along = plus(along, d * ((x[base + c] - mean) * scale));
    }
    let mean_d = row_sum(sum_of(sum), t) / f32(params.width);
    let mean_h = row_sum(sum_of(along), t) / f32(params.width);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        var d = dy[base + c];
        if (AFFINE) { d *= gain[c]; }
        var v = scale * (d - mean_d - (x[base + c] - mean) * scale * mean_h);
        if (ONTO) { v = onto[base + c] + v; }
        y[base + c] = v;
    }
}

// A column's threads sum dy · (x - mean) · scale and dy over a chunk of its rows; y and more are [chunks, width].
@compute @workgroup_size(64)
fn layernorm_grad_affine(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let at = strip_of(group_of(wid, num), t, params.chunks, params.width);
    let live = at.x == 0u && at.z < params.width;
    var gains: Sum;
    var biases: Sum;
    if (live) {
        for (var r = at.y * COLUMN_LANES + at.w; r < params.rows; r += params.chunks * COLUMN_LANES) {
            let e = r * params.width + at.z;
            gains = plus(gains, dy[e] * ((x[e] - stats[2u * r]) * stats[2u * r + 1u]));
            biases = plus(biases, dy[e]);
        }
    }
    let all = column_pair(vec2<f32>(sum_of(gains), sum_of(biases)), t);
    if (live && at.w == 0u) {
        y[at.y * params.width + at.z] = all.x;
        more[at.y * params.width + at.z] = all.y;
    }
}

// The sums over rows of x to y, and of dy to more.
@compute @workgroup_size(64)
fn sum_pairs(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let at = strip_of(group_of(wid, num), t, 1u, params.width);
    let live = at.x == 0u && at.z < params.width;
    var gains: Sum;
    var biases: Sum;
    if (live) {
        for (var r = at.w; r < params.rows; r += COLUMN_LANES) {
            gains = plus(gains, x[r * params.width + at.z]);
            biases = plus(biases, dy[r * params.width + at.z]);
        }
    }
    let all = column_pair(vec2<f32>(sum_of(gains), sum_of(biases)), t);
    if (live && at.w == 0u) {
        y[at.z] = all.x;
        more[at.z] = all.y;
    }
}
