//! Places of links and a cloud, as the objective compares them.

use tch::{Kind, Tensor};
use thalweg_task::{Masked, numbers};

/// Values and weights `[O, 3 P + 3 N]`: places of the links, then the cloud.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) value: Tensor,
    pub(crate) weight: Tensor,
}

/// Brings points `[O, P + N, 3]`, of which the first `links` have names, into the layout of the objective; none where none
/// was seen. Where no point of the cloud was seen it is left out.
///
/// A place counts coordinate by coordinate, and as much as its `confidence`, `[O, P + N]`. A point of a cloud counts when all
/// of it was seen; all of them together count as `like` places, or as they are where they are fewer.
pub(crate) fn scene(
    points: &Masked,
    confidence: Option<&Tensor>,
    links: usize,
    [of_places, of_cloud]: [f64; 2],
    like: usize,
) -> Option<Scene> {
    let (kind, device) = (points.value().kind(), points.value().device());
    let count = points.value().size()[1] as usize;
    let (values, seen): (Vec<f64>, Vec<f64>) =
        (numbers(points.value()), numbers(&points.observed().to_kind(Kind::Double)));
    let confidence: Option<Vec<f64>> = confidence.map(numbers);
    let (values, seen) = (values.as_chunks::<3>().0, seen.as_chunks::<3>().0);
    let is_whole = |of: &&[f64; 3]| of.iter().all(|seen| *seen != 0.0);
    let clouds: Vec<usize> = seen.chunks(count).map(|row| row[links..].iter().filter(is_whole).count()).collect();
    let is_cloud = clouds.iter().any(|seen| *seen > 0);
    let is_place = seen.chunks(count).any(|row| row[..links].as_flattened().iter().any(|seen| *seen != 0.0));
    if !is_cloud && !is_place {
        return None;
    }
    let width = if is_cloud { count } else { links };
    let (mut value, mut weight) = (Vec::new(), Vec::new());
    for (row, in_cloud) in clouds.iter().enumerate() {
        let share = (like as f64 / (*in_cloud).max(1) as f64).min(1.0).sqrt();
        for place in 0..width {
            let at = row * count + place;
            // A residual is squared.
            let counts = confidence.as_ref().map_or(1.0, |confidence| confidence[at].sqrt());
            let own = if place < links {
                seen[at].map(|seen| seen * of_places * counts)
            } else {
                [if is_whole(&&seen[at]) { of_cloud * share * counts } else { 0.0 }; 3]
            };
            weight.extend(own);
            value.extend(values[at]);
        }
    }
    let tensor =
        |values: &[f64]| Tensor::from_slice(values).view([-1, 3 * width as i64]).to_kind(kind).to_device(device);
    Some(Scene { value: tensor(&value), weight: tensor(&weight) })
}
