// Four threads per column of a chunk of rows, sixteen neighbouring columns a workgroup, combined through shared memory in a
// fixed order: for GPUs. columns_serial.wgsl has the same names for CPUs.
const COLUMN_LANES: u32 = 4u;

var<workgroup> column_figures: array<f32, 64>;

// strip_of gives what a thread sums: number of the matrix, chunk, column, and lane. Lane l of chunk k takes the rows that are
// k·COLUMN_LANES + l modulo chunks·COLUMN_LANES. Columns and matrices may lie past the end.
fn strip_of(group: u32, t: u32, chunks: u32, width: u32) -> vec4<u32> {
    let at = place(group, (width + 15u) / 16u);
    let chunk = place(at.x, chunks);
    return vec4<u32>(chunk.x, chunk.y, at.y * 16u + (t & 15u), t >> 4u);
}

// column_sum adds the figures of a column's lanes; the first lane has the sum. All threads come here, once.
fn column_sum(v: f32, t: u32) -> f32 {
    column_figures[t] = v;
    workgroupBarrier();
    let c = t & 15u;
    return (column_figures[c] + column_figures[c + 16u]) + (column_figures[c + 32u] + column_figures[c + 48u]);
}

var<workgroup> column_pairs: array<vec2<f32>, 64>;

// column_pair is column_sum of two figures.
fn column_pair(v: vec2<f32>, t: u32) -> vec2<f32> {
    column_pairs[t] = v;
    workgroupBarrier();
    let c = t & 15u;
    return (column_pairs[c] + column_pairs[c + 16u]) + (column_pairs[c + 32u] + column_pairs[c + 48u]);
}
