// The normal distribution for GELU: Φ(v) = (1 + erf(v/√2))/2 and its density φ(v) = exp(-v²/2)/√(2π).
//
// For a >= 0, Φ(-a) = exp(-a²/2) · t Q(t) with t = 1/(1 + 0.3a) and Q of degree 9, a Chebyshev fit on a in [0, 15] with
// relative error below 5e-9; further out Φ(-a) is nothing in 32 bits. a² is split into an exact part and a rest, so that
// the tail keeps its relative accuracy too.
fn normal(v: f32) -> vec2<f32> {
    let a = min(abs(v), 15.0);
    let high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let e = exp(-0.5 * high * high) * exp(-0.5 * (a - high) * (a + high));
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
    return vec2<f32>(select(tail, 1.0 - tail, v > 0.0), 0.3989422804014327 * e);
}
