// One workgroup of 64 threads per row, combined through shared memory in a fixed order: for GPUs. rows_serial.wgsl has the
// same names for CPUs.
const LANES: u32 = 64u;

var<workgroup> row_figures: array<f32, 64>;

fn row_of(group: u32, t: u32) -> u32 {
    return group;
}

// lane_of is the first column of a thread; it goes on in steps of LANES.
fn lane_of(t: u32) -> u32 {
    return t;
}

// row_sum and row_max combine the figures of a row's threads. The first barrier lets every thread leave an earlier call.
fn row_sum(v: f32, t: u32) -> f32 {
    workgroupBarrier();
    row_figures[t] = v;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half >> 1u) {
        if (t < half) {
            row_figures[t] += row_figures[t + half];
        }
        workgroupBarrier();
    }
    return row_figures[0];
}

fn row_max(v: f32, t: u32) -> f32 {
    workgroupBarrier();
    row_figures[t] = v;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half >> 1u) {
        if (t < half) {
            row_figures[t] = max(row_figures[t], row_figures[t + half]);
        }
        workgroupBarrier();
    }
    return row_figures[0];
}
