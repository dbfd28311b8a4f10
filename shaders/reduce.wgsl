// y[o,i] = scale · Σ over r of x[o,r,i], y = scale · x repeated along a new axis, y[r] = Σ a·b over rows,
// y[r,c] = x[r,c] · s[r].
//
// Long sums have stages: the terms are dealt out to `chunks` chunks, then their figures are added in order.
struct Params {
    n: u32,      // elements, or threads, of the result
    rows: u32,   // of a, b and of row sums
    width: u32,  // of such a row
    length: u32, // of the summed axis
    inner: u32,  // elements below that axis
    chunks: u32,
    repeat: u32, // how often spread repeats
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;
@group(0) @binding(5) var<storage, read> s: array<f32>;

//!include grid
//!include sums
//!include rows_serial
//!include columns_serial

// A column's threads sum a chunk of its terms: x [outer, length, inner] to y [outer, chunks, inner].
@compute @workgroup_size(64)
fn sum_axis(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let at = strip_of(group_of(wid, num), t, params.chunks, params.inner);
    let i = (at.x * params.chunks + at.y) * params.inner + at.z;
    let live = at.z < params.inner && i < params.n;
    let base = at.x * params.length * params.inner + at.z;
    var sum: Sum;
    if (live) {
        for (var r = at.y * COLUMN_LANES + at.w; r < params.length; r += params.chunks * COLUMN_LANES) {
            sum = plus(sum, x[base + r * params.inner]);
        }
    }
    let all = column_sum(sum_of(sum), t);
    if (live && at.w == 0u) { y[i] = all * params.scale; }
}

// A row's threads sum it: x [rows, width] to y [rows].
@compute @workgroup_size(64)
fn sum_rows(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        sum = plus(sum, x[row * params.width + c]);
    }
    let all = row_sum(sum_of(sum), t);
    if (lane_of(t) == 0u) { y[row] = all * params.scale; }
}

// A row's threads sum the products: a and b [rows, width] to y [rows].
@compute @workgroup_size(64)
fn row_dot(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = row_of(group_of(wid, num), t);
    if (row >= params.rows) { return; }
    var sum: Sum;
    for (var c = lane_of(t); c < params.width; c += LANES) {
        sum = plus(sum, a[row * params.width + c] * b[row * params.width + c]);
    }
    let all = row_sum(sum_of(sum), t);
    if (lane_of(t) == 0u) { y[row] = all; }
}

// One thread copies PER elements: x [outer, inner] to y [outer, repeat, inner].
@compute @workgroup_size(64)
fn spread(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.inner);
    var at = place(first_of(wid, num, t), params.inner);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = params.scale * x[at.x / params.repeat * params.inner + at.y];
        at = ahead(at, by, params.inner);
    }
}

// One thread computes PER elements: x [rows, width], s [rows].
@compute @workgroup_size(64)
fn mul_rows(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.width);
    var at = place(first_of(wid, num, t), params.width);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = x[i] * s[at.x];
        at = ahead(at, by, params.width);
    }
}
