// Elements in other places: axes in another order, spans cut out or put in, rows taken by number. A thread moves PER
// elements of the result.
struct Params {
    n: u32,     // elements of the result, or of a span
    width: u32, // of a row: span times inner elements, or one row of gather
    from_stride: u32, from_offset: u32, // of the source's rows
    to_stride: u32, to_offset: u32,     // of the result's rows
    k: u32, rows: u32,                  // of gather: rows taken and rows there per sample
    d0: u32, d1: u32, d2: u32, d3: u32, d4: u32, d5: u32, d6: u32, d7: u32, // dimensions of a permuted result
    s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32, s6: u32, s7: u32, // and the source's stride along each
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> ids: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

//!include grid

// RANK is the number of dimensions that matter; they stand last, in d[8-RANK] to d7.
const RANK: u32 = 8u;

// y[i0,...] = x at Σ i·stride. The coordinates move on by 64 elements with carries, without dividing again.
@compute @workgroup_size(64)
fn permute(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let first = first_of(wid, num, t);
    let end = end_of(wid, num, params.n);
    var dims = array<u32, 8>(params.d0, params.d1, params.d2, params.d3, params.d4, params.d5, params.d6, params.d7);
    var steps = array<u32, 8>(params.s0, params.s1, params.s2, params.s3, params.s4, params.s5, params.s6, params.s7);
    var at: array<u32, 8>;
    var by: array<u32, 8>;
    var rest = first;
    var left = 64u;
    for (var j = 0u; j < RANK; j++) {
        let axis = 7u - j;
        at[axis] = rest % dims[axis];
        rest = rest / dims[axis];
        by[axis] = left % dims[axis];
        left = left / dims[axis];
    }
    for (var i = first; i < end; i += 64u) {
        var source = 0u;
        var carry = 0u;
        for (var j = 0u; j < RANK; j++) {
            let axis = 7u - j;
            source += at[axis] * steps[axis];
            let next = at[axis] + by[axis] + carry;
            carry = select(0u, 1u, next >= dims[axis]);
            at[axis] = next - carry * dims[axis];
        }
        y[i] = x[source];
    }
}

// Rows of `width` elements from one stride and offset to another: slices, and each part of a concatenation.
@compute @workgroup_size(64)
fn copy_rows(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.width);
    var at = place(first_of(wid, num, t), params.width);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        y[at.x * params.to_stride + params.to_offset + at.y] = x[at.x * params.from_stride + params.from_offset + at.y];
        at = ahead(at, by, params.width);
    }
}

// Rows of x [.., width] stand at to_offset in rows of to_stride elements, zeros around them.
@compute @workgroup_size(64)
fn pad(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.to_stride);
    var at = place(first_of(wid, num, t), params.to_stride);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        var v = 0.0;
        if (at.y >= params.to_offset && at.y < params.to_offset + params.width) {
            v = x[at.x * params.width + at.y - params.to_offset];
        }
        y[i] = v;
        at = ahead(at, by, params.to_stride);
    }
}

// y[b,j] = x[b, ids[b,j]], zeros where the id is none: x [B, rows, width], ids [B, k], y [B, k, width].
@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let by = place(64u, params.width);
    var at = place(first_of(wid, num, t), params.width);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let id = i32(ids[at.x]);
        var v = 0.0;
        if (id >= 0 && id < i32(params.rows)) {
            v = x[(at.x / params.k * params.rows + u32(id)) * params.width + at.y];
        }
        y[i] = v;
        at = ahead(at, by, params.width);
    }
}
