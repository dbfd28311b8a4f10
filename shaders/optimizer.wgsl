// The end of a step: y = min(1, most / (norm + 1e-6)); AdamW of p, m, v [n] in place from g·factor; t = momentum·t +
// (1 - momentum)·s in place. A thread updates PER elements.
//
// hyper is learning rate, weight decay, 1 - beta1^step, √(1 - beta2^step), and 0 where nothing is to change.
struct Params {
    n: u32,
    decay: u32, // 1 with weight decay
    most: f32,
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
@group(0) @binding(7) var<storage, read> norm: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read> s: array<f32>;
@group(0) @binding(10) var<storage, read> momentum: array<f32>;

//!include grid

@compute @workgroup_size(64)
fn clip_factor(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if (group_of(wid, num) * 64u + t == 0u) {
        y[0] = min(1.0, params.most / (norm[0] + 1e-6));
    }
}

@compute @workgroup_size(64)
fn adamw(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if (hyper[4] == 0.0) { return; }
    let end = end_of(wid, num, params.n);
    let scale = factor[0];
    let rate = hyper[0];
    let bias1 = rate / hyper[2];
    let bias2 = 1.0 / hyper[3];
    var shrink = 0.0;
    if (params.decay == 1u) { shrink = rate * hyper[1]; }
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let d = g[i] * scale;
        let mi = params.beta1 * m[i] + params.rest1 * d;
        let vi = params.beta2 * v[i] + params.rest2 * d * d;
        m[i] = mi;
        v[i] = vi;
        let old = p[i];
        p[i] = old - shrink * old - bias1 * mi / (sqrt(vi) * bias2 + params.eps);
    }
}

@compute @workgroup_size(64)
fn ema(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let keep = momentum[0];
    let take = 1.0 - keep;
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        p[i] = keep * p[i] + take * s[i];
    }
}
