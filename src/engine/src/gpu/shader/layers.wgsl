// Products of four hypotheses with the weights of a layer, or with their transpose.

struct Block {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// What comes after a product.
struct Finish {
    // Where the biases are; NEVER for none.
    bias: u32,
    // The rectifier's slope below zero; one where none follows.
    slope: f32,
    // Where its gates are: written on the way forward, read on the way back; NEVER for none.
    gate: u32,
    is_back: bool,
}

// Four units, from inputs `part`, `part + parts`, .. each of which is four in a row.
fn product(base: u32, quads: u32, quad: u32, inputs: u32, part: u32, parts: u32, read_at: u32) -> Block {
    var sum = Block(vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    for (var four = part; four < inputs / 4u; four += parts) {
        let at = base + 4u * four * quads + quad;
        let w0 = weights[at];
        let w1 = weights[at + quads];
        let w2 = weights[at + 2u * quads];
        let w3 = weights[at + 3u * quads];
        let x0 = s[read_at + 4u * four];
        let x1 = s[read_at + 4u * four + 1u];
        let x2 = s[read_at + 4u * four + 2u];
        let x3 = s[read_at + 4u * four + 3u];
        sum.a = fma(vec4(w0.x), x0, fma(vec4(w1.x), x1, fma(vec4(w2.x), x2, fma(vec4(w3.x), x3, sum.a))));
        sum.b = fma(vec4(w0.y), x0, fma(vec4(w1.y), x1, fma(vec4(w2.y), x2, fma(vec4(w3.y), x3, sum.b))));
        sum.c = fma(vec4(w0.z), x0, fma(vec4(w1.z), x1, fma(vec4(w2.z), x2, fma(vec4(w3.z), x3, sum.c))));
        sum.d = fma(vec4(w0.w), x0, fma(vec4(w1.w), x1, fma(vec4(w2.w), x2, fma(vec4(w3.w), x3, sum.d))));
    }
    return sum;
}

fn signs(value: vec4<f32>) -> u32 {
    return dot(vec4<u32>(value > vec4(0.0)), vec4(1u, 2u, 4u, 8u));
}

fn gated(value: vec4<f32>, bits: u32, slope: f32) -> vec4<f32> {
    return select(value * slope, value, (vec4(bits) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
}

fn store(sum: Block, quad: u32, write_at: u32, finish: Finish) {
    var out = sum;
    if (finish.bias != NEVER) {
        let bias = weights[finish.bias + quad];
        out = Block(out.a + bias.x, out.b + bias.y, out.c + bias.z, out.d + bias.w);
    }
    if (finish.gate != NEVER) {
        if (finish.is_back) {
            let bits = gates[finish.gate + quad];
            out.a = gated(out.a, bits, finish.slope);
            out.b = gated(out.b, bits >> 4u, finish.slope);
            out.c = gated(out.c, bits >> 8u, finish.slope);
            out.d = gated(out.d, bits >> 12u, finish.slope);
        } else {
            gates[finish.gate + quad] =
                signs(out.a) | (signs(out.b) << 4u) | (signs(out.c) << 8u) | (signs(out.d) << 12u);
            out.a = max(out.a, out.a * finish.slope);
            out.b = max(out.b, out.b * finish.slope);
            out.c = max(out.c, out.c * finish.slope);
            out.d = max(out.d, out.d * finish.slope);
        }
    }
    let at = write_at + 4u * quad;
    s[at] = out.a;
    s[at + 1u] = out.b;
    s[at + 2u] = out.c;
    s[at + 3u] = out.d;
}

// One product from the list at `read_at` into the other one, where it is returned.
//
// Where units are few, threads share the inputs of each: `parts` of them for four units.
fn dense(base: u32, inputs: u32, quads: u32, parts: u32, finish: Finish, read_at: u32, thread: u32) -> u32 {
    let write_at = WIDEST - read_at;
    if (parts == 1u) {
        for (var quad = thread; quad < quads; quad += THREADS) {
            store(product(base, quads, quad, inputs, 0u, 1u, read_at), quad, write_at, finish);
        }
    } else {
        if (thread < quads * parts) {
            let quad = thread % quads;
            let part = thread / quads;
            let sum = product(base, quads, quad, inputs, part, parts, read_at);
            let at = write_at + 4u * (part * quads + quad);
            s[at] = sum.a;
            s[at + 1u] = sum.b;
            s[at + 2u] = sum.c;
            s[at + 3u] = sum.d;
        }
        workgroupBarrier();
        if (thread < quads) {
            var sum = Block(vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
            for (var part = 0u; part < parts; part++) {
                let at = write_at + 4u * (part * quads + thread);
                sum = Block(sum.a + s[at], sum.b + s[at + 1u], sum.c + s[at + 2u], sum.d + s[at + 3u]);
            }
            store(sum, thread, write_at, finish);
        }
    }
    workgroupBarrier();
    return write_at;
}

// Adds a product of the other list to the one at `to`.
fn add_dense(base: u32, inputs: u32, quads: u32, to: u32, thread: u32) {
    for (var quad = thread; quad < quads; quad += THREADS) {
        let sum = product(base, quads, quad, inputs, 0u, 1u, WIDEST - to);
        let at = to + 4u * quad;
        s[at] += sum.a;
        s[at + 1u] += sum.b;
        s[at + 2u] += sum.c;
        s[at + 3u] += sum.d;
    }
    workgroupBarrier();
}
