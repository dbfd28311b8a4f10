// y = a ∘ b with b repeated over a's leading dimensions, y = Σ wᵢ xᵢ, y = x Φ(x) and its gradient dy (Φ(x) + x φ(x)),
// y = 1/√x, y = -b log σ(a) - (1-b) log(1-σ(a)) and its gradient dy (σ(a) - b).
//
// All tensors have n elements, b has `period`, which divides n. A thread computes PER elements.
struct Params {
    n: u32, period: u32,
    w0: f32, w1: f32, w2: f32, w3: f32, w4: f32, w5: f32, w6: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> x0: array<f32>;
@group(0) @binding(5) var<storage, read> x1: array<f32>;
@group(0) @binding(6) var<storage, read> x2: array<f32>;
@group(0) @binding(7) var<storage, read> x3: array<f32>;
@group(0) @binding(8) var<storage, read> x4: array<f32>;
@group(0) @binding(9) var<storage, read> x5: array<f32>;
@group(0) @binding(10) var<storage, read> x6: array<f32>;
@group(0) @binding(11) var<storage, read> x: array<f32>;
@group(0) @binding(12) var<storage, read> dy: array<f32>;

//!include grid
//!include erf

@compute @workgroup_size(64)
fn add(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.period);
    var at = place(first_of(wid, num, t), params.period);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = a[i] + b[at.y];
        at = ahead(at, by, params.period);
    }
}

@compute @workgroup_size(64)
fn sub(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.period);
    var at = place(first_of(wid, num, t), params.period);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = a[i] - b[at.y];
        at = ahead(at, by, params.period);
    }
}

@compute @workgroup_size(64)
fn mul(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.period);
    var at = place(first_of(wid, num, t), params.period);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = a[i] * b[at.y];
        at = ahead(at, by, params.period);
    }
}

@compute @workgroup_size(64)
fn div(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.period);
    var at = place(first_of(wid, num, t), params.period);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = a[i] / b[at.y];
        at = ahead(at, by, params.period);
    }
}

// TERMS is the number of terms of lincomb. It is no parameter, since CPUs run both sides of a branch.
const TERMS: u32 = 7u;

// The variables past the last term are bound to the first tensor and not read.
@compute @workgroup_size(64)
fn lincomb(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        var sum = params.w0 * x0[i];
        if (TERMS > 1u) { sum += params.w1 * x1[i]; }
        if (TERMS > 2u) { sum += params.w2 * x2[i]; }
        if (TERMS > 3u) { sum += params.w3 * x3[i]; }
        if (TERMS > 4u) { sum += params.w4 * x4[i]; }
        if (TERMS > 5u) { sum += params.w5 * x5[i]; }
        if (TERMS > 6u) { sum += params.w6 * x6[i]; }
        y[i] = sum;
    }
}

@compute @workgroup_size(64)
fn gelu(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let v = x[i];
        y[i] = v * normal(v).x;
    }
}

@compute @workgroup_size(64)
fn gelu_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let v = x[i];
        let p = normal(v);
        y[i] = dy[i] * (p.x + v * p.y);
    }
}

@compute @workgroup_size(64)
fn inverse_sqrt(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = 1.0 / sqrt(x[i]);
    }
}

// No exponential of a positive number, which could overflow.
@compute @workgroup_size(64)
fn logistic_loss(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[i] = max(a[i], 0.0) - a[i] * b[i] + log(1.0 + exp(-abs(a[i])));
    }
}

@compute @workgroup_size(64)
fn logistic_loss_grad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let e = exp(-abs(a[i]));
        let s = select(e, 1.0, a[i] >= 0.0) / (1.0 + e);
        y[i] = dy[i] * (s - b[i]);
    }
}
