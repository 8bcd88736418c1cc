// Numbers compared one by one; some are sine and cosine of an angle, brought to length one.


struct Seen {
    value: vec4<f32>,
    weight: vec4<f32>,
}

fn seen(k: vec4<u32>, unit: u32) -> Seen {
    var all = Seen();
    for (var row = 0u; row < 4u; row++) {
        if (k[row] < input[COUNT]) {
            let at = min(k[row], input[ROWS] - 1u) * RAW + unit;
            all.value[row] = number(input[VALUE] + at);
            all.weight[row] = number(input[WEIGHT] + at);
        }
    }
    return all;
}

// Scores the layers' output at `at`, and puts the loss's derivative in its place. Returns this thread's share of the loss.
fn score(at: u32, k: vec4<u32>, live: vec4<bool>, thread: u32) -> vec4<f32> {
    var loss = vec4(0.0);
    for (var unit = thread; unit < RAW; unit += THREADS) {
        let kind = weights[KINDS + unit / 4u][unit % 4u];
        if (kind == 0.0) {
            let wanted = seen(k, unit);
            let residual = (s[at + unit] - wanted.value) * wanted.weight;
            loss += residual * residual;
            s[at + unit] = 2.0 * residual * wanted.weight;
        } else if (kind == 1.0) {
            let wanted_s = seen(k, unit);
            let wanted_c = seen(k, unit + 1u);
            let one = s[at + unit];
            let other = s[at + unit + 1u];
            let length = sqrt(one * one + other * other + LEAST_LENGTH * LEAST_LENGTH);
            let sine = one / length;
            let cosine = other / length;
            let residual_s = (sine - wanted_s.value) * wanted_s.weight;
            let residual_c = (cosine - wanted_c.value) * wanted_c.weight;
            loss += residual_s * residual_s + residual_c * residual_c;
            let by_s = 2.0 * residual_s * wanted_s.weight;
            let by_c = 2.0 * residual_c * wanted_c.weight;
            let along = by_s * sine + by_c * cosine;
            s[at + unit] = (by_s - along * sine) / length;
            s[at + unit + 1u] = (by_c - along * cosine) / length;
        }
        // A cosine goes with its sine.
    }
    workgroupBarrier();
    return loss;
}
