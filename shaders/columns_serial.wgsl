// One thread per column of a chunk of rows, no barriers: for CPUs. columns_shared.wgsl has the same names for GPUs.
const COLUMN_LANES: u32 = 1u;

// strip_of gives what a thread sums: number of the matrix, chunk, column, and lane. Lane l of chunk k takes the rows that are
// k·COLUMN_LANES + l modulo chunks·COLUMN_LANES. Columns and matrices may lie past the end.
fn strip_of(group: u32, t: u32, chunks: u32, width: u32) -> vec4<u32> {
    let at = place(group * 64u + t, width);
    let chunk = place(at.x, chunks);
    return vec4<u32>(chunk.x, chunk.y, at.y, 0u);
}

// column_sum adds the figures of a column's lanes; the first lane has the sum.
fn column_sum(v: f32, t: u32) -> f32 {
    return v;
}

// column_pair is column_sum of two figures.
fn column_pair(v: vec2<f32>, t: u32) -> vec2<f32> {
    return v;
}
