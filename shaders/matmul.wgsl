// C[b,m,n] = alpha * sum over k of A[b,m,k] B[b,k,n] (+ bias[n]), with strided batches.
//
// Batch b is the pair (b / batch2, b % batch2); strides and offsets count elements. Element (m,k) of A is at
// a_off + b1*a_b1 + b2*a_b2 + m*a_row + k*a_col, element (k,n) of B likewise, and element (m,n) of C at
// c_off + split*c_split + b1*c_b1 + b2*c_b2 + m*c_row + n. One of each operand's row and column stride is 1.
//
// The sum over k is cut into `splits` pieces of split_size; piece s goes to its own part of C, c_split further on, and
// splitk_sum adds the pieces in a fixed order. Without a bias (has_bias = 0) any buffer stands in for it, and so for x,
// which lies as C does and is added last. The sum may then pass through GELU, with itself left in `kept`, or be multiplied by
// GELU's derivative at `at`; both lie as C does.
struct Params {
    m: u32, n: u32, k: u32,
    batch: u32, batch2: u32,
    a_off: u32, a_b1: u32, a_b2: u32, a_row: u32, a_col: u32,
    b_off: u32, b_b1: u32, b_b2: u32, b_row: u32, b_col: u32,
    c_off: u32, c_b1: u32, c_b2: u32, c_row: u32,
    splits: u32, split_size: u32, c_split: u32,
    alpha: f32, has_bias: u32, has_x: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// The plain kernels. matmul.go makes the fast ones, which stand in the place of everything below this line.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read> part: array<f32>;
@group(0) @binding(7) var<storage, read> at: array<f32>;
@group(0) @binding(8) var<storage, read_write> kept: array<f32>;

//!include erf

// One thread adds the pieces of one element; part is [splits, batch, m, n].
@compute @workgroup_size(64)
fn splitk_sum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= params.batch * params.m * params.n) {
        return;
    }
    let to = c_index(i);
    c[to] = whole(to, total(i));
}

// As splitk_sum, and GELU.
@compute @workgroup_size(64)
fn splitk_gelu(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= params.batch * params.m * params.n) {
        return;
    }
    let to = c_index(i);
    let v = whole(to, total(i));
    kept[to] = v;
    c[to] = v * normal(v).x;
}

// As splitk_sum, times GELU's derivative.
@compute @workgroup_size(64)
fn splitk_slope(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= params.batch * params.m * params.n) {
        return;
    }
    let to = c_index(i);
    let v = at[to];
    let p = normal(v);
    c[to] = whole(to, total(i)) * (p.x + v * p.y);
}

// As splitk_sum; and pieces of the sums over the rows of A, at [splits, m], are added to kept [m].
@compute @workgroup_size(64)
fn splitk_sums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    let elements = params.batch * params.m * params.n;
    if (i >= elements + params.m) {
        return;
    }
    if (i < elements) {
        let to = c_index(i);
        c[to] = whole(to, total(i));
        return;
    }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += at[s * params.m + i - elements];
    }
    kept[i - elements] = sum;
}

// total adds the pieces of an element, and the bias.
fn total(i: u32) -> f32 {
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += part[s * params.c_split + i];
    }
    return sum + bias_of(i % params.n);
}

// whole adds x, where there is one.
fn whole(i: u32, sum: f32) -> f32 {
    if (params.has_x == 0u) {
        return sum;
    }
    return sum + x[i];
}

fn bias_of(col: u32) -> f32 {
    if (params.has_bias == 0u) {
        return 0.0;
    }
    return bias[col];
}

// c_index gives the place in C of element i of the dense [batch, m, n].
fn c_index(i: u32) -> u32 {
    let mn = params.m * params.n;
    let b = i / mn;
    let r = i % mn;
    return params.c_off + (b / params.batch2) * params.c_b1 + (b % params.batch2) * params.c_b2
        + (r / params.n) * params.c_row + r % params.n;
}

// The definition itself: one thread computes one element of C.
@compute @workgroup_size(64)
fn matmul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= params.m * params.n) {
        return;
    }
    let row = i / params.n;
    let col = i % params.n;
    let split = id.z % params.splits;
    let batch = id.z / params.splits;
    let b1 = batch / params.batch2;
    let b2 = batch % params.batch2;
    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2 + row * params.a_row;
    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2 + col * params.b_col;
    let k1 = min(params.k, (split + 1u) * params.split_size);
    var sum = 0.0;
    for (var k = split * params.split_size; k < k1; k++) {
        sum += a[a0 + k * params.a_col] * b[b0 + k * params.b_row];
    }
    let to = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2 + row * params.c_row + col;
    c[to] = whole(to, params.alpha * sum + bias_of(col));
}
