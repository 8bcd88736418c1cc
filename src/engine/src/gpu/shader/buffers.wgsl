// What the shader reads and writes. The constants in capitals are written by `shader.rs`, one set for a model.
//
// Four hypotheses share a workgroup: a number of each of them is one component of a vector, so that a weight is read once
// for four. `s` holds two lists of units, from 0 and from WIDEST on: what a layer reads and what it writes.

@group(0) @binding(0) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> state: array<f32>;
@group(0) @binding(3) var<storage, read_write> answer: array<f32>;

var<workgroup> s: array<vec4<f32>, 2 * WIDEST>;
// Four units by four hypotheses: a bit where the result of a rectifier is above zero.
var<workgroup> gates: array<u32, GATES>;
// Derivatives with respect to the layers' output; components of one vector of `s` may not be written by several threads.
var<workgroup> pulled: array<f32, 4 * RAW>;
var<workgroup> sums: array<vec4<f32>, THREADS>;

const NEVER: u32 = 0xffffffffu;
// What happens to a hypothesis where its job begins.
const GO_ON: u32 = 0u;
const BEGIN: u32 = 1u;

fn number(at: u32) -> f32 {
    return bitcast<f32>(input[at]);
}

// As `f32::is_finite`: a shader may be compiled as if there were no others.
fn is_finite(value: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(value) & vec4(0x7f800000u)) != vec4(0x7f800000u);
}

fn lane(row: u32) -> vec4<bool> {
    return vec4(0u, 1u, 2u, 3u) == vec4(row);
}

// The sum of what all threads have; the same in every thread, and summed in the same order whatever the hypotheses.
fn add_up(mine: vec4<f32>, thread: u32) -> vec4<f32> {
    sums[thread] = mine;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half >>= 1u) {
        if (thread < half) {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    let all = sums[0];
    workgroupBarrier();
    return all;
}
