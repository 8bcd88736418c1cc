// A head whose targets have no places.

fn place(at: u32, k: vec4<u32>, live: vec4<bool>, thread: u32) -> vec4<f32> {
    return vec4(0.0);
}
