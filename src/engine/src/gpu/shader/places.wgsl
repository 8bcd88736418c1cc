// Where joints are: forward kinematics and back, one thread for a hypothesis. The double of `native/heads/places.rs`.

// What is kept of a joint, and where it begins: its rotation against its parent and against the root, its place, metres in
// the frame of the root, and the loss's derivatives with respect to the last two.
const LOCAL: u32 = 0u;
const TURNED: u32 = 9u;
const PLACE: u32 = 18u;
const BY_TURNED: u32 = 21u;
const BY_PLACE: u32 = 30u;

fn load_three(at: u32) -> vec3<f32> {
    return vec3(state[at], state[at + 1u], state[at + 2u]);
}

fn keep(at: u32, value: vec3<f32>) {
    state[at] = value.x;
    state[at + 1u] = value.y;
    state[at + 2u] = value.z;
}

fn load_matrix(at: u32) -> mat3x3<f32> {
    return mat3x3(load_three(at), load_three(at + 3u), load_three(at + 6u));
}

fn keep_matrix(at: u32, value: mat3x3<f32>) {
    keep(at, value[0]);
    keep(at + 3u, value[1]);
    keep(at + 6u, value[2]);
}

// `a b'`.
fn outer(a: vec3<f32>, b: vec3<f32>) -> mat3x3<f32> {
    return mat3x3(a * b.x, a * b.y, a * b.z);
}

// Places joints from the root to the ends, then leaves.
fn outward(at: u32, row: u32, base: u32) {
    for (var joint = 0u; joint < PLACES; joint++) {
        let mine = base + joint * REGISTERS;
        let offset = weights[TREE + joint];
        let parent = base + (u32(offset.w) - 1u) * REGISTERS;
        var local = mat3x3(vec3(0.0), vec3(0.0), vec3(0.0));
        if (joint < JOINTS) {
            let numbers = six(at, joint, row);
            let it = frame(numbers.first, numbers.second);
            local = mat3x3(it.a, it.b, it.c);
            keep_matrix(mine + LOCAL, local);
        }
        if (offset.w == 0.0) {
            keep_matrix(mine + TURNED, local);
            keep(mine + PLACE, offset.xyz);
        } else {
            let turned = load_matrix(parent + TURNED);
            keep_matrix(mine + TURNED, turned * local);
            keep(mine + PLACE, load_three(parent + PLACE) + turned * offset.xyz);
        }
    }
}

// Compares places with what was seen, row `seen` of the target; returns the loss.
fn compare(base: u32, seen: u32) -> f32 {
    var loss = 0.0;
    for (var joint = 0u; joint < PLACES; joint++) {
        let mine = base + joint * REGISTERS;
        let value = input[PLACES_VALUE] + 3u * (seen * PLACES + joint);
        let weight = input[PLACES_WEIGHT] + 3u * (seen * PLACES + joint);
        let wanted = vec3(number(value), number(value + 1u), number(value + 2u));
        let factor = vec3(number(weight), number(weight + 1u), number(weight + 2u));
        let residual = (load_three(mine + PLACE) - wanted) * factor;
        loss += dot(residual, residual);
        keep(mine + BY_PLACE, 2.0 * residual * factor);
        keep_matrix(mine + BY_TURNED, mat3x3(vec3(0.0), vec3(0.0), vec3(0.0)));
    }
    return loss;
}

// Carries derivatives with respect to places back to rotations, from the ends to the root; those are left at `by_local`,
// row by row.
fn homeward(base: u32, by_local: u32) {
    for (var back = 0u; back < PLACES; back++) {
        let joint = PLACES - 1u - back;
        let mine = base + joint * REGISTERS;
        let offset = weights[TREE + joint];
        let by_turned = load_matrix(mine + BY_TURNED);
        let by_place = load_three(mine + BY_PLACE);
        var by = by_turned;
        if (offset.w != 0.0) {
            let parent = base + (u32(offset.w) - 1u) * REGISTERS;
            var more = outer(by_place, offset.xyz);
            if (joint < JOINTS) {
                more += by_turned * transpose(load_matrix(mine + LOCAL));
                by = transpose(load_matrix(parent + TURNED)) * by_turned;
            }
            keep_matrix(parent + BY_TURNED, load_matrix(parent + BY_TURNED) + more);
            keep(parent + BY_PLACE, load_three(parent + BY_PLACE) + by_place);
        }
        if (joint < JOINTS) {
            keep_matrix(by_local + 9u * joint, transpose(by));
        }
    }
}

// Scores places where some were seen; returns this thread's share of the loss.
fn place(at: u32, k: vec4<u32>, live: vec4<bool>, thread: u32) -> vec4<f32> {
    var loss = vec4(0.0);
    if (input[PLACES_VALUE] != 0u) {
        if (thread < 4u && live[thread & 3u]) {
            let mine = k[thread & 3u];
            let base = REGISTERS_AT * input[COUNT] + mine * PLACES * REGISTERS;
            outward(at, thread, base);
            loss = select(vec4(0.0), vec4(compare(base, min(mine, input[ROWS] - 1u))), lane(thread));
            homeward(base, BY_LOCAL * input[COUNT] + mine * JOINTS * 9u);
        }
        storageBarrier();
        workgroupBarrier();
    }
    return loss;
}
