// The row kernels of attention, on dense rows [rows, cols], in place.
//
// softmax_*: x = exp(x - max x) / sum of exp(x - max x), per row; softmax_log_*: lse = log of the sum of exp(x) as well.
// softmax_grad_*: x = p * (x - sum of x*p), per row: from the gradient of the probabilities p to that of the scores.
//
// *_thread gives a row to each thread, without barriers; *_group gives a row to each workgroup.
struct Params {
    rows: u32,
    cols: u32,
    first: u32, // row of lse
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

// softmax_alone is the work of a thread on its row; it gives the logarithm of the sum of exponentials.
fn softmax_alone(row: u32) -> f32 {
    let lo = row * params.cols;
    let hi = lo + params.cols;
    var peak = x[lo];
    for (var i = lo + 1u; i < hi; i++) {
        peak = max(peak, x[i]);
    }
    var sum = 0.0;
    for (var i = lo; i < hi; i++) {
        let e = exp(x[i] - peak);
        x[i] = e;
        sum += e;
    }
    let scale = 1.0 / sum;
    for (var i = lo; i < hi; i++) {
        x[i] *= scale;
    }
    return peak + log(sum);
}

@compute @workgroup_size(64)
fn softmax_thread(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * 64u + id.x;
    if (row < params.rows) {
        let found = softmax_alone(row);
    }
}

@compute @workgroup_size(64)
fn softmax_log_thread(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * 64u + id.x;
    if (row < params.rows) {
        lse[params.first + row] = softmax_alone(row);
    }
}

@compute @workgroup_size(64)
fn softmax_grad_thread(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * 64u + id.x;
    if (row >= params.rows) {
        return;
    }
    let lo = row * params.cols;
    let hi = lo + params.cols;
    var sum = 0.0;
    for (var i = lo; i < hi; i++) {
        sum += x[i] * p[i];
    }
    for (var i = lo; i < hi; i++) {
        x[i] = p[i] * (x[i] - sum);
    }
}

var<workgroup> lanes: array<f32, 64>;

// total adds v over the workgroup, in a fixed order.
fn total(t: u32, v: f32) -> f32 {
    workgroupBarrier();
    lanes[t] = v;
    workgroupBarrier();
    for (var step = 32u; step > 0u; step >>= 1u) {
        if (t < step) {
            lanes[t] += lanes[t + step];
        }
        workgroupBarrier();
    }
    return lanes[0];
}

fn highest(t: u32, v: f32) -> f32 {
    workgroupBarrier();
    lanes[t] = v;
    workgroupBarrier();
    for (var step = 32u; step > 0u; step >>= 1u) {
        if (t < step) {
            lanes[t] = max(lanes[t], lanes[t + step]);
        }
        workgroupBarrier();
    }
    return lanes[0];
}

// softmax_together is the work of a workgroup on its row; it gives the logarithm of the sum of exponentials.
fn softmax_together(row: u32, t: u32) -> f32 {
    let lo = row * params.cols;
    let hi = lo + params.cols;
    var peak = x[lo];
    for (var i = lo + t; i < hi; i += 64u) {
        peak = max(peak, x[i]);
    }
    peak = highest(t, peak);
    var sum = 0.0;
    for (var i = lo + t; i < hi; i += 64u) {
        let e = exp(x[i] - peak);
        x[i] = e;
        sum += e;
    }
    sum = total(t, sum);
    let scale = 1.0 / sum;
    for (var i = lo + t; i < hi; i += 64u) {
        x[i] *= scale;
    }
    return peak + log(sum);
}

@compute @workgroup_size(64)
fn softmax_group(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = group.y * groups.x + group.x;
    if (row >= params.rows) {
        return;
    }
    let found = softmax_together(row, t);
}

@compute @workgroup_size(64)
fn softmax_log_group(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = group.y * groups.x + group.x;
    if (row >= params.rows) {
        return;
    }
    let found = softmax_together(row, t);
    if (t == 0u) {
        lse[params.first + row] = found;
    }
}

@compute @workgroup_size(64)
fn softmax_grad_group(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = group.y * groups.x + group.x;
    if (row >= params.rows) {
        return;
    }
    let lo = row * params.cols;
    let hi = lo + params.cols;
    var sum = 0.0;
    for (var i = lo + t; i < hi; i += 64u) {
        sum += x[i] * p[i];
    }
    sum = total(t, sum);
    for (var i = lo + t; i < hi; i += 64u) {
        x[i] = p[i] * (x[i] - sum);
    }
}
