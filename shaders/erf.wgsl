// The normal distribution for GELU: Φ(v) = (1 + erf(v/√2))/2 and its density φ(v) = exp(-v²/2)/√(2π).
//
// In the middle, Φ(v) = 1/2 + v P(v²) with P of degree 6, a Chebyshev fit on |v| <= 1.5 with error below 1e-9. In the tails,
// for a = |v|, Φ(-a) = exp(-a²/2) · t Q(t) with t = 1/(1 + 0.3a) and Q of degree 9, a fit on [0, 15] with relative error
// below 5e-9; beyond 13 it is nothing in 32 bits.
fn normal(v: f32) -> vec2<f32> {
    let a = min(abs(v), 13.0);
    let e = select(exp_half_square(a), 0.0, a >= 13.0);
    let t = 1.0 / (1.0 + 0.3 * a);
    var q = -0.0209846693611 * t + 0.114402111863;
    q = q * t - 0.232835483053;
    q = q * t + 0.197921644074;
    q = q * t - 0.0844812825249;
    q = q * t + 0.0988308413108;
    q = q * t + 0.077485770647;
    q = q * t + 0.110423196615;
    q = q * t + 0.119550118278;
    q = q * t + 0.119687750228;
    let tail = e * t * q;
    let u = a * a;
    var p = 4.12977726e-7 * u - 8.728008719e-6;
    p = p * u + 0.0001143812951;
    p = p * u - 0.001186518053;
    p = p * u + 0.009973257251;
    p = p * u - 0.0664903382;
    p = p * u + 0.3989422794;
    let outside = select(tail, 1.0 - tail, v > 0.0);
    return vec2<f32>(select(outside, 0.5 + v * p, a < 1.5), 0.3989422804014327 * e);
}

// exp_half_square is exp(-a²/2) for a in [0, 13]. WGSL's own exp may lose as many digits as its argument is large; here
// a² is split into an exact part and a rest, and whole powers of two are taken off in two exact steps (Cody and Waite).
fn exp_half_square(a: f32) -> f32 {
    let high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let square = -0.5 * high * high;
    let n = round(square * 1.44269504);
    let r = (square - n * 0.693359375) + n * 2.12194440e-4 - 0.5 * (a - high) * (a + high);
    var p = 1.9875691500e-4 * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    p = p * r * r + r + 1.0;
    return p * bitcast<f32>((i32(n) + 127) << 23u);
}
