// All steps of a descent, four hypotheses a workgroup. Rows never interact, so nothing waits for another workgroup.
//
// A thread owns the entries of z, x and of the layers' output that it meets, always the same ones, so what it has written
// to a buffer it can read again without a barrier.

struct Rows {
    k: vec4<u32>,
    // Those that are evaluated now.
    here: vec4<bool>,
}

// Loads entry `unit` of a region of `state`, `width` numbers a hypothesis.
fn loaded(region: u32, width: u32, rows: Rows, unit: u32) -> vec4<f32> {
    var value = vec4(0.0);
    for (var row = 0u; row < 4u; row++) {
        if (rows.here[row]) {
            value[row] = state[region * input[COUNT] + rows.k[row] * width + unit];
        }
    }
    return value;
}

// Keeps the first `width` units of the list at `at` in a region of `state`.
fn kept(region: u32, width: u32, at: u32, rows: Rows, thread: u32) {
    for (var unit = thread; unit < width; unit += THREADS) {
        for (var row = 0u; row < 4u; row++) {
            if (rows.here[row]) {
                state[region * input[COUNT] + rows.k[row] * width + unit] = s[at + unit][row];
            }
        }
    }
}

// Puts what `kept` has kept into the list at `at`, of `padded` units.
fn brought(region: u32, width: u32, padded: u32, at: u32, rows: Rows, thread: u32) {
    for (var unit = thread; unit < padded; unit += THREADS) {
        s[at + unit] = loaded(region, width, rows, min(unit, width - 1u)) * select(0.0, 1.0, unit < width);
    }
    workgroupBarrier();
}

// Weight of the pull on x, and what entry `unit` is pulled to.
struct Pull {
    weight: vec4<f32>,
    away: vec4<f32>,
}

fn pull(rows: Rows, unit: u32) -> Pull {
    var all = Pull(vec4(0.0), vec4(0.0));
    if (input[SCALE] != 0u) {
        let x = loaded(X_AT, X, rows, unit);
        for (var row = 0u; row < 4u; row++) {
            if (rows.here[row]) {
                var centre = 0.0;
                if (input[CENTRE] != 0u) {
                    centre = number(input[CENTRE] + rows.k[row] * X + unit);
                }
                all.weight[row] = number(input[SCALE] + rows.k[row]);
                all.away[row] = x[row] - centre;
            }
        }
    }
    return all;
}

// This thread's share of the prior's loss.
fn prior_loss(rows: Rows, thread: u32) -> vec4<f32> {
    var loss = vec4(0.0);
    for (var unit = thread; unit < X; unit += THREADS) {
        let by = pull(rows, unit);
        loss += by.weight * by.away * by.away;
    }
    return loss;
}

// Adds the prior's derivative to that with respect to x, at `at`.
fn add_prior(at: u32, rows: Rows, thread: u32) {
    for (var unit = thread; unit < X; unit += THREADS) {
        let by = pull(rows, unit);
        s[at + unit] += 2.0 * by.weight * by.away;
    }
    workgroupBarrier();
}

// What a hypothesis carries from step to step; the same in every thread.
struct Progress {
    // One minus the powers of Adam's decays: how far its moments have come.
    first: vec4<f32>,
    second: vec4<f32>,
    loss: vec4<f32>,
    best: vec4<f32>,
}

// Where the points of an evaluation come from.
struct Origin {
    // Which evaluation it is.
    index: u32,
    given: vec4<bool>,
    is_offer: bool,
}

// Puts the next points into the first list, and into `state` as trial.
fn propose(rows: Rows, origin: Origin, progress: Progress, thread: u32) {
    let count = input[COUNT];
    let own = input[OWN_STEPS];
    let is_own = origin.index <= own;
    let elapsed = f32(max(origin.index, own + 1u) - own - 1u);
    let decay = max(pow(number(DECAY), elapsed), LEAST_DECAY);
    let rate = -number(RATE) * sqrt(progress.second) / progress.first * decay;
    let epsilon = number(EPSILON) * sqrt(progress.second);
    for (var unit = thread; unit < Z_PADDED; unit += THREADS) {
        var z = vec4(0.0);
        for (var row = 0u; row < 4u; row++) {
            if (unit >= Z || !rows.here[row]) {
                continue;
            }
            let at = rows.k[row] * Z + unit;
            var value: f32;
            if (origin.is_offer) {
                value = number(input[OFFER] + at);
            } else if (origin.given[row]) {
                value = number(input[GIVEN] + at);
                state[FIRST_AT * count + at] = 0.0;
                state[SECOND_AT * count + at] = 0.0;
            } else {
                let gradient = state[GRADIENT_AT * count + at];
                value = answer[NOW * count + at];
                if (is_own) {
                    value -= gradient;
                    if (origin.index == 1u) {
                        value += number(input[OFFSET] + at);
                    }
                } else {
                    var first = state[FIRST_AT * count + at];
                    var second = state[SECOND_AT * count + at];
                    first += (1.0 - number(BETA1)) * (gradient - first);
                    second += (1.0 - number(BETA2)) * (gradient * gradient - second);
                    value += first / (sqrt(second) + epsilon[row]) * rate[row];
                    state[FIRST_AT * count + at] = first;
                    state[SECOND_AT * count + at] = second;
                }
            }
            state[TRIAL * count + at] = value;
            z[row] = value;
        }
        s[unit] = z;
    }
    workgroupBarrier();
}

// Takes trial and gradient, which is at `at`, as the present point of some hypotheses.
fn accept(at: u32, rows: Rows, thread: u32) {
    let count = input[COUNT];
    for (var unit = thread; unit < Z; unit += THREADS) {
        let trial = loaded(TRIAL, Z, rows, unit);
        for (var row = 0u; row < 4u; row++) {
            if (rows.here[row]) {
                let to = rows.k[row] * Z + unit;
                answer[NOW * count + to] = trial[row];
                state[GRADIENT_AT * count + to] = s[at + unit][row];
            }
        }
    }
}

// Takes a region of `state` over into one of the answer.
fn note(from_region: u32, to_region: u32, width: u32, rows: Rows, thread: u32) {
    let count = input[COUNT];
    for (var unit = thread; unit < width; unit += THREADS) {
        let value = loaded(from_region, width, rows, unit);
        for (var row = 0u; row < 4u; row++) {
            if (rows.here[row]) {
                answer[to_region * count + rows.k[row] * width + unit] = value[row];
            }
        }
    }
}

// Writes what an evaluation found, for whoever asks afterwards.
fn trace(index: u32, loss: vec4<f32>, slope: vec4<f32>, taken: f32, rows: Rows) {
    let count = input[COUNT];
    for (var row = 0u; row < 4u; row++) {
        if (rows.here[row]) {
            let at = TRACE * count + 2u * ((index - input[FIRST]) * count + rows.k[row]);
            answer[at] = loss[row];
            answer[at + 1u] = slope[row];
            if (index == input[FIRST]) {
                answer[TAKEN * count + rows.k[row]] = taken;
            }
        }
    }
}

// What an evaluation found.
struct Found {
    loss: vec4<f32>,
    slope: vec4<f32>,
    // Where the gradient is.
    at: u32,
}

// Goes through the program: forward through all layers, the head, and back. What the layers are is data, for drivers
// compile what is written once in a fraction of the time of what is written out.
fn evaluate(rows: Rows, index: u32, thread: u32) -> Found {
    var at = 0u;
    var loss = vec4(0.0);
    for (var line = 0u; line < LINES; line++) {
        let one = weights[PROGRAM + 3u * line];
        let two = weights[PROGRAM + 3u * line + 1u];
        let more = weights[PROGRAM + 3u * line + 2u];
        let kind = u32(one.x);
        if (kind <= ADD) {
            var how = Product(
                u32(one.y), u32(one.z), u32(one.w), u32(two.x), u32(two.y), u32(two.z), two.w > 0.0, kind == ADD, more.x);
            how.bias = select(how.bias - 1u, NEVER, how.bias == 0u);
            how.gate = select(how.gate - 1u, NEVER, how.gate == 0u);
            how.base += select(0u, index * how.inputs * how.quads, kind == METRIC);
            if (kind != METRIC || index < min(input[OWN_STEPS], u32(more.y))) {
                let read_at = select(at, WIDEST - at, kind == ADD);
                let write_at = WIDEST - read_at;
                dense(how, read_at, write_at, thread);
                at = write_at;
            }
        } else if (kind == KEEP) {
            kept(u32(one.y), u32(one.z), at, rows, thread);
        } else if (kind == BRING) {
            brought(u32(one.y), u32(one.z), u32(one.w), WIDEST - at, rows, thread);
        } else if (kind == PRIOR) {
            add_prior(at, rows, thread);
        } else {
            var share = place(at, rows.k, rows.here, thread);
            share += score(at, rows.k, rows.here, thread);
            share += prior_loss(rows, thread);
            loss = add_up(share, thread);
        }
    }
    if (input[CONSTANT] != 0u) {
        for (var row = 0u; row < 4u; row++) {
            if (rows.here[row]) {
                loss[row] += number(input[CONSTANT] + rows.k[row]);
            }
        }
    }
    var squares = vec4(0.0);
    for (var unit = thread; unit < Z; unit += THREADS) {
        squares += s[at + unit] * s[at + unit];
    }
    return Found(loss, add_up(squares, thread), at);
}

@compute @workgroup_size(THREADS)
fn descend(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let count = input[COUNT];
    let k = vec4(4u * group.x) + vec4(0u, 1u, 2u, 3u);
    var begin_at = vec4(NEVER);
    var kind = vec4(GO_ON);
    var progress = Progress(vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    for (var row = 0u; row < 4u; row++) {
        if (k[row] < count) {
            begin_at[row] = input[HEADER + 2u * k[row]];
            kind[row] = input[HEADER + 2u * k[row] + 1u];
            let at = PROGRESS_AT * count + 4u * k[row];
            progress.first[row] = state[at];
            progress.second[row] = state[at + 1u];
            progress.loss[row] = state[at + 2u];
            progress.best[row] = state[at + 3u];
        }
    }
    if (all(begin_at == vec4(NEVER))) {
        return;
    }
    var live = begin_at != vec4(NEVER);
    var index = min(min(begin_at.x, begin_at.y), min(begin_at.z, begin_at.w));
    var is_offer = false;
    loop {
        if (index > input[LAST]) {
            break;
        }
        var rows = Rows(k, live & (begin_at <= vec4(index)));
        let begins = rows.here & (begin_at == vec4(index)) & (kind != vec4(GO_ON));
        if (is_offer) {
            rows.here = begins & (kind == vec4(BEGIN));
        } else {
            let is_step = rows.here & !begins & vec4(index > input[OWN_STEPS]);
            progress.first = select(progress.first, mix(vec4(1.0), progress.first, number(BETA1)), is_step);
            progress.second = select(progress.second, mix(vec4(1.0), progress.second, number(BETA2)), is_step);
            progress.first = select(progress.first, vec4(0.0), begins);
            progress.second = select(progress.second, vec4(0.0), begins);
        }
        propose(rows, Origin(index, begins, is_offer), progress, thread);
        let found = evaluate(rows, index, thread);
        let good = is_finite(found.loss) & is_finite(found.slope);
        var taken = rows.here;
        if (is_offer) {
            taken = taken & good & (found.loss < progress.loss);
        }
        let is_first = begins & (kind == vec4(BEGIN)) & vec4(!is_offer);
        let better = taken & good & (is_first | (found.loss < progress.best));
        progress.loss = select(progress.loss, found.loss, taken);
        progress.best = select(progress.best, found.loss, better);
        accept(found.at, Rows(k, taken), thread);
        note(TRIAL, BEST_Z, Z, Rows(k, better), thread);
        note(X_AT, BEST_X, X, Rows(k, better), thread);
        note(RAW_AT, BEST_RAW, RAW, Rows(k, better), thread);
        if (thread == 0u) {
            trace(index, found.loss, found.slope, select(0.0, 1.0, is_offer), Rows(k, taken));
        }
        if (!is_offer) {
            live = live & (!rows.here | good);
        }
        workgroupBarrier();
        is_offer = !is_offer && input[OFFER] != 0u && any(begins & (kind == vec4(BEGIN)));
        if (!is_offer) {
            index++;
        }
    }
    if (thread == 0u) {
        for (var row = 0u; row < 4u; row++) {
            if (k[row] < count && begin_at[row] != NEVER) {
                let at = PROGRESS_AT * count + 4u * k[row];
                state[at] = progress.first[row];
                state[at + 1u] = progress.second[row];
                state[at + 2u] = progress.loss[row];
                state[at + 3u] = progress.best[row];
            }
        }
    }
}
