// Products of four hypotheses with the weights of a layer, or with their transpose.

struct Block {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// A product of the program, and what comes after it.
struct Product {
    // Where its numbers begin, in fours.
    base: u32,
    inputs: u32,
    quads: u32,
    // Among how many threads the inputs of four units are split.
    parts: u32,
    // Where the biases are; NEVER for none.
    bias: u32,
    // Where the rectifier's gates are: written on the way forward, read on the way back; NEVER for none.
    gate: u32,
    is_back: bool,
    // Whether it is added to what is there: then in one part.
    is_added: bool,
    // The rectifier's slope below zero.
    slope: f32,
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

fn load(at: u32) -> Block {
    return Block(s[at], s[at + 1u], s[at + 2u], s[at + 3u]);
}

fn plus(one: Block, other: Block) -> Block {
    return Block(one.a + other.a, one.b + other.b, one.c + other.c, one.d + other.d);
}

fn store(sum: Block, at: u32) {
    s[at] = sum.a;
    s[at + 1u] = sum.b;
    s[at + 2u] = sum.c;
    s[at + 3u] = sum.d;
}

fn finished(sum: Block, quad: u32, how: Product) -> Block {
    var out = sum;
    if (how.bias != NEVER) {
        let bias = weights[how.bias + quad];
        out = Block(out.a + bias.x, out.b + bias.y, out.c + bias.z, out.d + bias.w);
    }
    if (how.gate != NEVER) {
        if (!how.is_back) {
            gates[how.gate + quad] =
                signs(out.a) | (signs(out.b) << 4u) | (signs(out.c) << 8u) | (signs(out.d) << 12u);
        }
        let bits = gates[how.gate + quad];
        out.a = gated(out.a, bits, how.slope);
        out.b = gated(out.b, bits >> 4u, how.slope);
        out.c = gated(out.c, bits >> 8u, how.slope);
        out.d = gated(out.d, bits >> 12u, how.slope);
    }
    return out;
}

// One product from the list at `read_at` into the one at `write_at`.
fn dense(how: Product, read_at: u32, write_at: u32, thread: u32) {
    for (var item = thread; item < how.quads * how.parts; item += THREADS) {
        let part = item / how.quads;
        var sum = product(how.base, how.quads, item % how.quads, how.inputs, part, how.parts, read_at);
        let at = write_at + 4u * item;
        if (how.is_added) {
            sum = plus(sum, load(at));
        }
        store(sum, at);
    }
    workgroupBarrier();
    for (var quad = thread; quad < how.quads; quad += THREADS) {
        var sum = load(write_at + 4u * quad);
        for (var part = 1u; part < how.parts; part++) {
            sum = plus(sum, load(write_at + 4u * (part * how.quads + quad)));
        }
        store(finished(sum, quad, how), write_at + 4u * quad);
    }
    workgroupBarrier();
}
