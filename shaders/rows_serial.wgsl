// One thread per row, 64 rows a workgroup, no barriers: for CPUs. rows_shared.wgsl has the same names for GPUs.
const LANES: u32 = 1u;

fn row_of(group: u32, t: u32) -> u32 {
    return group * 64u + t;
}

// lane_of is the first column of a thread; it goes on in steps of LANES.
fn lane_of(t: u32) -> u32 {
    return 0u;
}

// row_sum and row_max combine the figures of a row's threads.
fn row_sum(v: f32, t: u32) -> f32 {
    return v;
}

fn row_max(v: f32, t: u32) -> f32 {
    return v;
}
