// One-dimensional grids folded into x and y, 64 threads a workgroup.
//
// In kernels that work element by element a workgroup has 64·PER neighbouring elements and a thread takes every 64th of
// them, so that neighbouring threads touch neighbouring words.
const PER: u32 = 4u;

fn group_of(wid: vec3<u32>, num: vec3<u32>) -> u32 {
    return wid.y * num.x + wid.x;
}

// first_of is a thread's first element.
fn first_of(wid: vec3<u32>, num: vec3<u32>, t: u32) -> u32 {
    return group_of(wid, num) * (64u * PER) + t;
}

// end_of is the end of a workgroup's elements; n is the end of all.
fn end_of(wid: vec3<u32>, num: vec3<u32>, n: u32) -> u32 {
    return min(n, (group_of(wid, num) + 1u) * (64u * PER));
}

// place splits an element's number into row and column of rows of `width`; ahead moves such a place on by `by` without
// dividing again, since integer division is slow everywhere.
fn place(i: u32, width: u32) -> vec2<u32> {
    let row = i / width;
    return vec2<u32>(row, i - row * width);
}

fn ahead(at: vec2<u32>, by: vec2<u32>, width: u32) -> vec2<u32> {
    let next = at + by;
    return select(next, vec2<u32>(next.x + 1u, next.y - width), next.y >= width);
}
