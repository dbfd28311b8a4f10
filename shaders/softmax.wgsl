// y = exp(x) / Σ exp(x) over the innermost axis, and its gradient dx = y · (dy - Σ y·dy).
//
// All tensors are [rows, width]. A row is the work of one thread or of one workgroup, by the include.
struct Params { rows: u32, width: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

//!include grid
//!include sums
//!include rows_serial

@compute @workgroup_size(64)
fn softmax(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    var top = -3.402823e38;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        top = max(top, x[base + c]);
    }
    let peak = row_max(top, t);
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        sum = plus(sum, exp(x[base + c] - peak));
    }
    let scale = 1.0 / row_sum(sum_of(sum), t);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = exp(x[base + c] - peak) * scale;
    }
}

// Here x is the softmax itself, and y the gradient.
@compute @workgroup_size(64)
fn softmax_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    let base = row * params.width;
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        sum = plus(sum, x[base + c] * dy[base + c]);
    }
    let mean = row_sum(sum_of(sum), t);
    for (var c = lane_of(t); c < params.width; c += LANES) {
        y[base + c] = x[base + c] * (dy[base + c] - mean);
    }
}
