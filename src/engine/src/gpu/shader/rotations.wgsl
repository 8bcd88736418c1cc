// Six numbers of each joint become a rotation, which is compared as a whole, by its angles, and by the places that follow.
//
// The double of `native/heads/rotation.rs`: each structure remembers what its value was computed from, `pull_*` maps a
// derivative with respect to the value to one with respect to the argument. Matrices are nine numbers, row by row.

const TAU: f32 = 6.2831853;
// Squared length added under the root where a rotation vector is as short as none.
const LEAST_SQUARE: f32 = 1e-24;

struct Frame {
    a: vec3<f32>,
    b: vec3<f32>,
    c: vec3<f32>,
    // One over the lengths by which the first two were divided.
    over_a: f32,
    over_b: f32,
    // The second column as it came, and its part along the first.
    given: vec3<f32>,
    part: f32,
}

fn frame(first: vec3<f32>, given: vec3<f32>) -> Frame {
    let over_a = 1.0 / sqrt(dot(first, first) + LEAST_LENGTH * LEAST_LENGTH);
    let a = first * over_a;
    let part = dot(a, given);
    let rest = given - part * a;
    let over_b = 1.0 / sqrt(dot(rest, rest) + LEAST_LENGTH * LEAST_LENGTH);
    let b = rest * over_b;
    return Frame(a, b, cross(a, b), over_a, over_b, given, part);
}

fn matrix(it: Frame) -> array<f32, 9> {
    return array(it.a.x, it.b.x, it.c.x, it.a.y, it.b.y, it.c.y, it.a.z, it.b.z, it.c.z);
}

struct Six {
    first: vec3<f32>,
    second: vec3<f32>,
}

fn pull_frame(it: Frame, m: array<f32, 9>) -> Six {
    let third = vec3(m[2], m[5], m[8]);
    var first = vec3(m[0], m[3], m[6]) + cross(it.b, third);
    let second = vec3(m[1], m[4], m[7]) + cross(third, it.a);
    let rest = (second - dot(it.b, second) * it.b) * it.over_b;
    let shared_part = dot(it.a, rest);
    let given = rest - shared_part * it.a;
    first = first - it.part * rest - shared_part * it.given;
    first = (first - dot(it.a, first) * it.a) * it.over_a;
    return Six(first, given);
}

// A row of Shepperd's (1978) symmetric matrix, whose row i is the quaternion times four times its component i; its
// diagonal lacks one.
fn shepperd(row: u32, m: array<f32, 9>) -> vec4<f32> {
    switch row {
        case 0u: { return vec4(m[0] + m[4] + m[8], m[7] - m[5], m[2] - m[6], m[3] - m[1]); }
        case 1u: { return vec4(m[7] - m[5], m[0] - m[4] - m[8], m[1] + m[3], m[2] + m[6]); }
        case 2u: { return vec4(m[2] - m[6], m[1] + m[3], m[4] - m[0] - m[8], m[5] + m[7]); }
        default: { return vec4(m[3] - m[1], m[2] + m[6], m[5] + m[7], m[8] - m[0] - m[4]); }
    }
}

// Back to the matrix.
fn pull_shepperd(row: u32, f: vec4<f32>) -> array<f32, 9> {
    switch row {
        case 0u: { return array(f.x, -f.w, f.z, f.w, f.x, -f.y, -f.z, f.y, f.x); }
        case 1u: { return array(f.y, f.z, f.w, f.z, -f.y, -f.x, f.w, f.x, -f.y); }
        case 2u: { return array(-f.z, f.y, f.x, f.y, f.z, f.w, -f.x, f.w, -f.z); }
        default: { return array(-f.w, -f.x, f.y, f.x, -f.w, f.z, f.y, f.z, f.w); }
    }
}

// Angle of the point (x, y), neither of them negative: shaders may compute their own with three digits. The polynomial is
// that of Cephes (Moshier, 1992).
fn angle(y: f32, x: f32) -> f32 {
    let least = min(x, y);
    let most = max(x, y);
    var t = select(0.0, least / most, most > 0.0);
    let is_far = t > 0.41421356;
    t = select(t, (t - 1.0) / (t + 1.0), is_far);
    let z = t * t;
    var sum = ((0.0805374449538 * z - 0.138776856032) * z + 0.199777106478) * z - 0.333329491539;
    sum = sum * z * t + t + select(0.0, 0.78539816339, is_far);
    return select(sum, 1.57079632679 - sum, y > x);
}

// A rotation vector, at most pi long.
struct Turn {
    row: u32,
    quaternion: vec4<f32>,
    over: f32,
    sign: f32,
    length: f32,
    factor: f32,
}

fn turn(m: array<f32, 9>) -> Turn {
    let diagonal = vec4(m[0] + m[4] + m[8], m[0] - m[4] - m[8], m[4] - m[0] - m[8], m[8] - m[0] - m[4]);
    var row = 0u;
    for (var other = 1u; other < 4u; other++) {
        if (diagonal[other] > diagonal[row]) {
            row = other;
        }
    }
    let four = shepperd(row, m) + select(vec4(0.0), vec4(1.0), lane(row));
    let over = 1.0 / sqrt(dot(four, four) + LEAST_LENGTH * LEAST_LENGTH);
    let quaternion = four * over;
    let sign = select(1.0, -1.0, quaternion.x < 0.0);
    let length = sqrt(dot(quaternion.yzw, quaternion.yzw) + LEAST_SQUARE);
    return Turn(row, quaternion, over, sign, length, angle(length, quaternion.x * sign) * 2.0 / length);
}

fn pull_turn(it: Turn, derivative: vec3<f32>) -> array<f32, 9> {
    let whole = it.quaternion.x * it.sign;
    let vector = it.quaternion.yzw * it.sign;
    let scale = 2.0 / (it.length * it.length + whole * whole);
    let along = dot(vector, derivative) / it.length;
    let by_length = along * (whole * scale - it.factor);
    let turned = derivative * it.factor + vector * (by_length / it.length);
    let four = vec4(along * -it.length * scale, turned) * it.sign;
    return pull_shepperd(it.row, (four - dot(it.quaternion, four) * it.quaternion) * it.over);
}

// A rotation vector minus the nearer of a target's two vectors.
fn apart(vector: vec3<f32>, value: vec3<f32>) -> vec3<f32> {
    let near = vector - value;
    let far = vector - value * (1.0 - TAU / max(length(value), LEAST_ANGLE));
    return select(far, near, dot(near, near) <= dot(far, far));
}

// Where numbers are compared with.
struct Wanted {
    value: u32,
    weight: u32,
}

// What a joint's comparison gives.
struct Scored {
    loss: f32,
    by_matrix: array<f32, 9>,
}

fn score_turn(m: array<f32, 9>, wanted: Wanted) -> Scored {
    let it = turn(m);
    let weight = vec3(number(wanted.weight), number(wanted.weight + 1u), number(wanted.weight + 2u));
    let value = vec3(number(wanted.value), number(wanted.value + 1u), number(wanted.value + 2u));
    let residual = apart(it.quaternion.yzw * (it.sign * it.factor), value) * weight;
    return Scored(dot(residual, residual), pull_turn(it, 2.0 * residual * weight));
}

fn score_matrix(m: array<f32, 9>, wanted: Wanted) -> Scored {
    var all = Scored();
    var entries = m;
    for (var entry = 0u; entry < 9u; entry++) {
        let weight = number(wanted.weight + entry);
        let residual = (entries[entry] - number(wanted.value + entry)) * weight;
        all.loss += residual * residual;
        all.by_matrix[entry] = 2.0 * residual * weight;
    }
    return all;
}

struct Unit {
    value: vec2<f32>,
    length: f32,
}

fn unit(v: vec2<f32>) -> Unit {
    let length = sqrt(dot(v, v) + LEAST_COSINE * LEAST_COSINE);
    return Unit(v / length, length);
}

fn derive(it: Unit, change: vec2<f32>) -> vec2<f32> {
    return (change - dot(it.value, change) * it.value) / it.length;
}

// Sine and cosine of three angles in series (Diebel, 2006, sec. 8), added to what is there.
fn score_sines(joint: u32, m: array<f32, 9>, wanted: Wanted, before: Scored) -> Scored {
    let four = weights[SERIES + 2u * joint];
    let more = weights[SERIES + 2u * joint + 1u];
    var at = array(u32(four.x), u32(four.y), u32(four.z), u32(four.w), u32(more.x));
    let sign = more.y;
    var entries = m;
    let first = unit(vec2(-sign * entries[at[0]], entries[at[1]]));
    let last = unit(vec2(-sign * entries[at[3]], entries[at[4]]));
    var values = array(
        first.value.x, first.value.y, sign * entries[at[2]], first.length, last.value.x, last.value.y);
    var all = before;
    var by: array<f32, 6>;
    for (var entry = 0u; entry < 6u; entry++) {
        let weight = number(wanted.weight + entry);
        let residual = (values[entry] - number(wanted.value + entry)) * weight;
        all.loss += residual * residual;
        by[entry] = 2.0 * residual * weight;
    }
    let by_first = derive(first, vec2(by[0], by[1])) + by[3] * first.value;
    let by_last = derive(last, vec2(by[4], by[5]));
    all.by_matrix[at[0]] += -sign * by_first.x;
    all.by_matrix[at[1]] += by_first.y;
    all.by_matrix[at[2]] += sign * by[2];
    all.by_matrix[at[3]] += -sign * by_last.x;
    all.by_matrix[at[4]] += by_last.y;
    return all;
}

fn six(at: u32, joint: u32, row: u32) -> Six {
    let start = at + 6u * joint;
    return Six(
        vec3(s[start][row], s[start + 1u][row], s[start + 2u][row]),
        vec3(s[start + 3u][row], s[start + 4u][row], s[start + 5u][row]));
}

// Scores one joint of one hypothesis, whose row of the target is `seen`, and writes the derivative to `pulled`.
fn score_joint(at: u32, joint: u32, row: u32, k: u32, seen: u32) -> f32 {
    let numbers = six(at, joint, row);
    let it = frame(numbers.first, numbers.second);
    let m = matrix(it);
    let columns = input[COLUMNS];
    let start = (seen * JOINTS + joint) * columns;
    let wanted = Wanted(input[VALUE] + start, input[WEIGHT] + start);
    var all: Scored;
    if (IS_VECTOR) {
        all = score_turn(m, wanted);
    } else {
        all = score_matrix(m, wanted);
    }
    if (columns > FEATURES) {
        all = score_sines(joint, m, Wanted(wanted.value + FEATURES, wanted.weight + FEATURES), all);
    }
    if (input[PLACES_VALUE] != 0u) {
        let by_local = BY_LOCAL * input[COUNT] + (k * JOINTS + joint) * 9u;
        for (var entry = 0u; entry < 9u; entry++) {
            all.by_matrix[entry] += state[by_local + entry];
        }
    }
    let back = pull_frame(it, all.by_matrix);
    let to = 24u * joint + row;
    pulled[to] = back.first.x;
    pulled[to + 4u] = back.first.y;
    pulled[to + 8u] = back.first.z;
    pulled[to + 12u] = back.second.x;
    pulled[to + 16u] = back.second.y;
    pulled[to + 20u] = back.second.z;
    return all.loss;
}

// Scores the layers' output at `at`, and puts the loss's derivative in its place. Returns this thread's share of the loss.
fn score(at: u32, k: vec4<u32>, live: vec4<bool>, thread: u32) -> vec4<f32> {
    var loss = vec4(0.0);
    for (var item = thread; item < 4u * JOINTS; item += THREADS) {
        let row = item % 4u;
        let joint = item / 4u;
        if (live[row]) {
            let mine = score_joint(at, joint, row, k[row], min(k[row], input[ROWS] - 1u));
            loss += select(vec4(0.0), vec4(mine), lane(row));
        } else {
            for (var entry = 0u; entry < 6u; entry++) {
                pulled[24u * joint + 4u * entry + row] = 0.0;
            }
        }
    }
    workgroupBarrier();
    for (var unit = thread; unit < RAW; unit += THREADS) {
        s[at + unit] = vec4(pulled[4u * unit], pulled[4u * unit + 1u], pulled[4u * unit + 2u], pulled[4u * unit + 3u]);
    }
    workgroupBarrier();
    return loss;
}
