// Rows [rows, width] brought to a norm: x / max(|x|, eps) and its gradient, (x - mean) / √(unbiased var + eps),
// x · |reference| / |x|. A row is the work of one thread or of one workgroup, by the include.
struct Params { rows: u32, width: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> reference: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//!include grid
//!include sums
//!include rows_serial

@compute @workgroup_size(64)
fn l2_normalize(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        sum = plus(sum, x[base + c] * x[base + c]);
    }
    let norm = max(sqrt(row_sum(sum_of(sum), t)), params.eps);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = x[base + c] / norm;
    }
}

// dx = (dy - x Σ(x·dy)/|x|²) / |x|; below eps the divisor is constant.
@compute @workgroup_size(64)
fn l2_normalize_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    var squares: Sum;
    var dots: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        squares = plus(squares, x[base + c] * x[base + c]);
        dots = plus(dots, x[base + c] * dy[base + c]);
    }
    let square = row_sum(sum_of(squares), t);
    var along = row_sum(sum_of(dots), t) / square;
    if (sqrt(square) <= params.eps) { along = 0.0; }
    let norm = max(sqrt(square), params.eps);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = (dy[base + c] - x[base + c] * along) / norm;
    }
}

@compute @workgroup_size(64)
fn normalize_patches(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
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
    let variance = row_sum(sum_of(squares), t) / f32(params.width - 1u);
    let scale = 1.0 / sqrt(variance + params.eps);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = (x[base + c] - mean) * scale;
    }
}

@compute @workgroup_size(64)
fn match_norm(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    var own: Sum;
    var wanted: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        own = plus(own, x[base + c] * x[base + c]);
        wanted = plus(wanted, reference[base + c] * reference[base + c]);
    }
    let scale = sqrt(row_sum(sum_of(wanted), t) / row_sum(sum_of(own), t));
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = x[base + c] * scale;
    }
}
