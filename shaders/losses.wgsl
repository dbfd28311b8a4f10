// Losses and their gradients: row means of squares, soft cross-entropy, squared pair distances and Gaussian kernels.
//
// Rows are the work of one thread or of one workgroup, by the include; the others compute PER elements a thread.
struct Params {
    n: u32,     // elements of the result
    rows: u32,
    width: u32, // of a row
    batch: u32, // rows of q; row r of x learns from row r mod batch
    m: u32,     // rows of the second operand of pair distances
    scale: f32, // 1/temperature, or 2/width
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//!include grid
//!include sums
//!include rows_serial

// y[r] = mean over c of (x[r,c] - second[r,c])².
@compute @workgroup_size(64)
fn row_mse(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        let d = x[base + c] - second[base + c];
        sum = plus(sum, d * d);
    }
    let all = row_sum(sum_of(sum), t);
    if (lane_of(t) == 0u) { y[row] = all / f32(params.width); }
}

// dx[r,c] = 2/width · dy[r] · (x[r,c] - second[r,c]).
@compute @workgroup_size(64)
fn row_mse_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.width);
    var at = place(first_of(wid, num, t), params.width);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = params.scale * dy[at.x] * (x[i] - second[i]);
        at = ahead(at, by, params.width);
    }
}

// peak_of is the greatest x·scale of a row.
fn peak_of(base: u32, t: u32) -> f32 {
    var top = -3.402823e38;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        top = max(top, x[base + c] * params.scale);
    }
    return row_max(top, t);
}

// y[r] = -Σ q · log softmax(x·scale) = Σ q·(peak - x·scale) + Σq · log Σ exp(x·scale - peak), all terms positive; q is
// `second`, [batch, width], x [rows, width].
@compute @workgroup_size(64)
fn soft_cross_entropy(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    let q = row % params.batch * params.width;
    let peak = peak_of(base, t);
    var exps: Sum;
    var below: Sum;
    var mass: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        let d = x[base + c] * params.scale - peak;
        let p = second[q + c];
        exps = plus(exps, exp(d));
        below = plus(below, -p * d);
        mass = plus(mass, p);
    }
    let sum = row_sum(sum_of(exps), t);
    let linear = row_sum(sum_of(below), t);
    let total = row_sum(sum_of(mass), t);
    if (lane_of(t) == 0u) { y[row] = linear + total * log(sum); }
}

// dx = dy·scale · (softmax(x·scale)·Σq - q).
@compute @workgroup_size(64)
fn soft_cross_entropy_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    let q = row % params.batch * params.width;
    let peak = peak_of(base, t);
    var exps: Sum;
    var mass: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        exps = plus(exps, exp(x[base + c] * params.scale - peak));
        mass = plus(mass, second[q + c]);
    }
    let sum = row_sum(sum_of(exps), t);
    let share = row_sum(sum_of(mass), t) / sum;
    let f = dy[row] * params.scale;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = f * (exp(x[base + c] * params.scale - peak) * share - second[q + c]);
    }
}

// y[i,j] = max(|x[i] - second[j]|², 1e-30): x [rows/m, width], second [m, width]; a row of threads has one pair.
@compute @workgroup_size(64)
fn pair_distance(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let pair = row_of(group_of(wid, num), t);
    if (pair >= params.rows) { return; }
    let left = pair / params.m * params.width;
    let right = pair % params.m * params.width;
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        let d = x[left + c] - second[right + c];
        sum = plus(sum, d * d);
    }
    let all = row_sum(sum_of(sum), t);
    if (lane_of(t) == 0u) { y[pair] = max(all, 1e-30); }
}

// dx[i,k] = 2 Σ over j of dy[i,j] (x[i,k] - second[j,k]); one thread computes one element.
@compute @workgroup_size(64)
fn pair_distance_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let i = group_of(wid, num) * 64u + t;
    if (i >= params.n) { return; }
    let at = place(i, params.width);
    let v = x[i];
    var sum: Sum;
    for (var j = 0u; j < params.m; j++) {
        sum = plus(sum, dy[at.x * params.m + j] * (v - second[j * params.width + at.y]));
    }
    y[i] = 2.0 * sum_of(sum);
}

const GAMMA0: f32 = 0.001;
const GAMMA1: f32 = 0.01;
const GAMMA2: f32 = 0.1;
const GAMMA3: f32 = 1.0;
const GAMMA4: f32 = 10.0;
const GAMMA5: f32 = 100.0;
const GAMMA6: f32 = 1000.0;

// y = Σ over gamma of exp(-gamma·x), element by element.
@compute @workgroup_size(64)
fn gauss_kernel(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let d = -x[i];
        y[i] = exp(GAMMA6 * d) + exp(GAMMA5 * d) + exp(GAMMA4 * d) + exp(GAMMA3 * d) + exp(GAMMA2 * d)
            + exp(GAMMA1 * d) + exp(GAMMA0 * d);
    }
}

// dx = -dy Σ over gamma of gamma·exp(-gamma·x).
@compute @workgroup_size(64)
fn gauss_kernel_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let d = -x[i];
        y[i] = -dy[i] * (GAMMA6 * exp(GAMMA6 * d) + GAMMA5 * exp(GAMMA5 * d) + GAMMA4 * exp(GAMMA4 * d)
            + GAMMA3 * exp(GAMMA3 * d) + GAMMA2 * exp(GAMMA2 * d) + GAMMA1 * exp(GAMMA1 * d) + GAMMA0 * exp(GAMMA0 * d));
    }
}
