//! Images side by side, from what a task renders.

use std::sync::Arc;
use std::time::Duration;

use tch::Tensor;
use thalweg_engine::Answer;
use thalweg_node::display::ShownAnswer;
use thalweg_task::Pixels;
use thalweg_task::Reconstruction;
use thalweg_view::palette;
use thalweg_view::source::pixels;

use crate::studio;

/// One colour, its lower half unseen where that is asked for.
fn plain(colour: [f32; 3], is_half: bool) -> Arc<Pixels> {
    let (height, width) = (8, 8);
    let channel = |value: f32| (0..height * width).map(move |at| if is_half && at >= 32 { f32::NAN } else { value });
    let data = colour.into_iter().flat_map(channel).collect();
    Arc::new(Pixels { channels: 3, height, width, data })
}

/// What a task renders for three hypotheses, as a window gets it.
fn rendered(colours: &[[f32; 3]]) -> Vec<Arc<Pixels>> {
    let rows = i64::try_from(colours.len()).expect("three");
    let image = Tensor::from_slice(colours.as_flattened()).view([rows, 3, 1, 1]).expand([-1, -1, 8, 8], false);
    let reconstruction = Reconstruction { image: Some(image), ..Reconstruction::default() };
    pixels(&reconstruction.image.expect("just put")).expect("four axes")
}

#[test]
fn what_was_seen_stands_beside_what_was_made_of_it() {
    let Some(mut studio) = studio((960, 540), 1.0, None) else { return };
    let colours = [[0.8, 0.2, 0.2], [0.2, 0.7, 0.3], [0.2, 0.3, 0.8]];
    let shown = ShownAnswer {
        hypotheses: 3,
        image: Some(plain([0.5, 0.5, 0.1], true)),
        answer: Answer { images: rendered(&colours), ..Answer::default() },
        ..ShownAnswer::default()
    };
    studio.stage_mut().show(Arc::new(shown), Duration::ZERO);
    let picture = studio.picture();
    let near = |wanted: [u8; 3]| {
        let all = (0..picture.height).flat_map(|y| (0..picture.width).map(move |x| (x, y)));
        let is_near = |(x, y): &(u32, u32)| {
            picture.pixel(*x, *y).iter().zip(wanted).all(|(got, wanted)| got.abs_diff(wanted) < 8)
        };
        all.filter(is_near).collect::<Vec<_>>()
    };
    let bytes = |colour: [f32; 3]| colour.map(|value| (value * 255.0) as u8);
    let (seen, unseen) = (near(bytes([0.5, 0.5, 0.1])), near(palette::UNSEEN));
    let made: Vec<_> = colours.iter().map(|colour| near(bytes(*colour))).collect();
    assert!(seen.len() > 9000 && unseen.len() > 9000, "{} seen, {} not", seen.len(), unseen.len());
    assert!(made[0].len() > 18_000, "the best is large: {}", made[0].len());
    assert!(made[1].len() > 4000 && made[2].len() > 4000, "the others are small: {} {}", made[1].len(), made[2].len());
    let middle = |pixels: &[(u32, u32)]| crate::middle(pixels);
    assert!(middle(&seen).1 < middle(&unseen).1, "the upper half was seen: rows begin at the top");
    assert!(middle(&seen).0 < middle(&made[0]).0, "observed, then best");
    assert!(
        middle(&made[1]).1 > middle(&made[0]).1 && middle(&made[1]).0 < middle(&made[2]).0,
        "the others below, in order"
    );
}
