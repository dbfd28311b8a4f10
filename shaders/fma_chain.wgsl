// y = x after `turns` times x → a x + b. It does nothing for training: it measures how many multiply-adds a device makes.
//
// Both tensors have n elements. A thread computes 32 of them, 64 apart, which wait for nothing of each other.
struct Params { n: u32, turns: u32, a: f32, b: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//!include grid

fn four(i: u32) -> vec4<f32> {
    let last = params.n - 1u;
    return vec4<f32>(x[min(i, last)], x[min(i + 64u, last)], x[min(i + 128u, last)], x[min(i + 192u, last)]);
}

fn put(i: u32, v: vec4<f32>) {
    if (i < params.n) { y[i] = v.x; }
    if (i + 64u < params.n) { y[i + 64u] = v.y; }
    if (i + 128u < params.n) { y[i + 128u] = v.z; }
    if (i + 192u < params.n) { y[i + 192u] = v.w; }
}

@compute @workgroup_size(64)
fn fma_chain(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let i = group_of(wid, num) * 2048u + t;
    if (i >= params.n) { return; }
    let a = vec4<f32>(params.a);
    let b = vec4<f32>(params.b);
    var v0 = four(i);
    var v1 = four(i + 256u);
    var v2 = four(i + 512u);
    var v3 = four(i + 768u);
    var v4 = four(i + 1024u);
    var v5 = four(i + 1280u);
    var v6 = four(i + 1536u);
    var v7 = four(i + 1792u);
    for (var k = 0u; k < params.turns; k += 1u) {
        v0 = v0 * a + b;
        v1 = v1 * a + b;
        v2 = v2 * a + b;
        v3 = v3 * a + b;
        v4 = v4 * a + b;
        v5 = v5 * a + b;
        v6 = v6 * a + b;
        v7 = v7 * a + b;
    }
    put(i, v0);
    put(i + 256u, v1);
    put(i + 512u, v2);
    put(i + 768u, v3);
    put(i + 1024u, v4);
    put(i + 1280u, v5);
    put(i + 1536u, v6);
    put(i + 1792u, v7);
}
