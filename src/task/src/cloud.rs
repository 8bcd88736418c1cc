//! Clouds of points: brought down to as many as a solve can bear.

/// Most points of a cloud that a task observes.
pub const CLOUD_POINTS: usize = 2_000;

/// Edge of the cubes of which each keeps one point, metres, where they are few enough: what depth cameras are off by.
const FINEST: f64 = 0.01;
/// Passes after which every cloud has become the cubes around the origin.
const PASSES: usize = 100;
/// Bits of a coordinate of a cube.
const BITS: u32 = 21;

/// Brings a cloud down to at most `most` points: the mean of those in each cube of a grid, whose edge is a centimetre or
/// more. Points that are not finite are left out. The result is in the order of a curve that fills space (Morton, 1966), so
/// that neighbours in the list are neighbours in space.
///
/// `points`: metres, within 10 km of the origin.
#[must_use]
pub fn thinned(points: &[[f64; 3]], most: usize) -> Vec<[f64; 3]> {
    let mut kept: Vec<[f64; 3]> =
        points.iter().filter(|point| point.iter().all(|value| value.is_finite())).copied().collect();
    let mut edge = FINEST;
    for _ in 0..PASSES {
        kept = means(&kept, edge);
        if kept.len() <= most.max(1) {
            break;
        }
        // Twice the edge leaves a quarter of the points of a surface.
        edge *= (kept.len() as f64 / most.max(1) as f64).sqrt().max(1.05);
    }
    // The eight cubes around the origin are never one.
    kept.truncate(most.max(1));
    kept
}

/// The mean of the points in each cube, in the order of the cubes.
fn means(points: &[[f64; 3]], edge: f64) -> Vec<[f64; 3]> {
    let mut keyed: Vec<(u64, usize)> = points.iter().enumerate().map(|(at, point)| (cube(point, edge), at)).collect();
    keyed.sort_unstable();
    let mean = |of: &[(u64, usize)]| {
        let sum = |axis: usize| of.iter().map(|(_, at)| points[*at][axis]).sum::<f64>();
        [0, 1, 2].map(|axis| sum(axis) / of.len() as f64)
    };
    keyed.chunk_by(|one, other| one.0 == other.0).map(mean).collect()
}

/// Number of a cube: bits of its coordinates in turn.
fn cube(point: &[f64; 3], edge: f64) -> u64 {
    let middle = f64::from(1_u32 << (BITS - 1));
    let greatest = f64::from((1_u32 << BITS) - 1);
    let spread = |value: f64| spread_bits(((value / edge).floor() + middle).clamp(0.0, greatest) as u64);
    spread(point[0]) | spread(point[1]) << 1 | spread(point[2]) << 2
}

/// Puts two zeros before each of the lowest 21 bits.
fn spread_bits(bits: u64) -> u64 {
    let steps = [
        (32, 0x001f_0000_0000_ffff),
        (16, 0x001f_0000_ff00_00ff),
        (8, 0x100f_00f0_0f00_f00f),
        (4, 0x10c3_0c30_c30c_30c3),
        (2, 0x1249_2492_4924_9249),
    ];
    steps.into_iter().fold(bits, |bits, (by, mask)| (bits | bits << by) & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sphere of a metre, seen whole.
    fn sphere(count: usize) -> Vec<[f64; 3]> {
        let point = |at: usize| {
            let (turn, height) = (at as f64 * 2.399_963, 1.0 - 2.0 * (at as f64 + 0.5) / count as f64);
            let across = (1.0 - height * height).sqrt();
            [across * turn.cos(), across * turn.sin(), height]
        };
        (0..count).map(point).collect()
    }

    #[test]
    fn a_cloud_becomes_few_points_on_the_same_surface() {
        for most in [1, 50, 500, 2000] {
            let few = thinned(&sphere(60_000), most);
            assert!(few.len() <= most && (most < 50 || few.len() * 3 > most), "{} of {most}", few.len());
            let off = |point: &[f64; 3]| (point.iter().map(|x| x * x).sum::<f64>().sqrt() - 1.0).abs();
            let limit = if most < 500 { 1.0 } else { 0.02 };
            assert!(few.iter().all(|point| off(point) <= limit), "{most}");
        }
    }

    #[test]
    fn few_points_stay_and_what_is_not_finite_goes() {
        let mut points = sphere(20);
        points.push([f64::NAN, 0.0, 0.0]);
        points.push([0.0, f64::INFINITY, 0.0]);
        let mut kept = thinned(&points, 2000);
        let order = |one: &[f64; 3], other: &[f64; 3]| one[2].total_cmp(&other[2]);
        kept.sort_by(order);
        let mut expected = sphere(20);
        expected.sort_by(order);
        assert_eq!(kept, expected);
        assert!(thinned(&[], 10).is_empty());
    }

    #[test]
    fn neighbours_in_the_list_are_neighbours_in_space() {
        let few = thinned(&sphere(20_000), 1000);
        let apart = |pair: &[[f64; 3]]| (0..3).map(|axis| (pair[0][axis] - pair[1][axis]).powi(2)).sum::<f64>().sqrt();
        let mean = few.windows(2).map(apart).sum::<f64>() / (few.len() - 1) as f64;
        // In a drawn order it would be 1.33.
        assert!(mean < 0.3, "{mean}");
    }
}
