//! How the links of a robot follow from the numbers that layers give: what a native engine needs to compare places of
//! links, and a cloud of points, with what was seen.

/// Numbers that stand for positions of joints, and the places of links that follow from them.
///
/// `y_hat` is `[K, Y]`, some of it sines and cosines as in [`crate::DenseHead::Circles`]. Targets are `[O, Y]`, or
/// `[O, Y + 3 P + 3 N]`: the numbers, then places of the P links, then N points of a cloud, metres in the frame of the
/// root. Residuals of numbers and places are `(y_hat - value) * weight`, entry by entry; a point of the cloud has one,
/// [`Body::residual`] times the weight of its first coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkHead {
    /// Places of the sines in `y_hat`; the cosine follows each.
    pub sines: Vec<usize>,
    /// Epsilon in `(s, c) / sqrt(s^2 + c^2 + epsilon^2)`.
    pub least_length: f64,
    /// The links but the root, each behind the one that it hangs on.
    pub links: Vec<Link>,
    /// What points of a cloud are held against.
    pub body: Body,
}

/// A link and the joint that moves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The link that it hangs on, by its place in [`LinkHead::links`]; none is the root.
    pub parent: Option<usize>,
    /// Its place among the P points of a target.
    pub point: usize,
    /// How it is turned against the parent at position zero: a rotation matrix, row by row.
    pub turned: [f64; 9],
    /// Its place in the parent's frame at position zero, metres.
    pub offset: [f64; 3],
    /// How it moves, in its own frame.
    pub motion: LinkMotion,
    /// How far.
    pub position: LinkPosition,
}

/// How a link moves; axes have length one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkMotion {
    /// Not at all.
    Fixed,
    /// Turns about an axis.
    Turn([f64; 3]),
    /// Slides along an axis.
    Slide([f64; 3]),
}

/// The position of a joint, rad or m: `factor * reading + offset`, brought into limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkPosition {
    /// What it follows from.
    pub of: Reading,
    /// Factor of the reading.
    pub factor: f64,
    /// Rad or m.
    pub offset: f64,
    /// Least and greatest position; infinite where nothing needs to be done.
    pub limits: [f64; 2],
}

/// What a position is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing: zero.
    Still,
    /// A number of `y_hat`.
    Number(usize),
    /// The angle of a sine, whose place this is, and the cosine behind it; in `[-pi, pi]`.
    Circle(usize),
}

/// What a cloud of points is held against: capsules that links carry.
///
/// The surface of a body is where the least of the signed distances from its capsules is zero. A point pulls the capsule
/// that it is nearest to in that sense, found anew at each evaluation: the loss is a function of the pose alone, continuous,
/// and differentiable but where the nearest capsule changes, so what a step compares is well defined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// The capsules.
    pub capsules: Vec<Capsule>,
    /// Distance at which a point counts half of what its square would, metres: scale of the loss of Geman and McClure,
    /// `d^2 / (1 + d^2 / scale^2)`.
    pub scale: f64,
    /// Distance from which on a point pulls nothing any more, metres; it then counts what it does there, wherever it is,
    /// so that no pose is better for being far from points.
    pub gate: f64,
}

/// A segment with a radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capsule {
    /// The link that carries it, by its place in [`LinkHead::links`]; none is the root.
    pub link: Option<usize>,
    /// Ends of the segment in the link's frame, metres; they may be one.
    pub ends: [[f64; 3]; 2],
    /// Metres, above zero.
    pub radius: f64,
}

impl Body {
    /// The residual of a point at signed distance `d`, metres: `d / sqrt(1 + d^2 / scale^2)` with d brought within the
    /// gate; and its derivative.
    #[must_use]
    pub fn residual(&self, distance: f64) -> (f64, f64) {
        let within = distance.clamp(-self.gate, self.gate);
        let ratio = within / self.scale;
        let root = ratio.mul_add(ratio, 1.0).sqrt();
        let slope = if distance.abs() < self.gate { (root * root * root).recip() } else { 0.0 };
        (within / root, slope)
    }
}

impl LinkHead {
    /// Whether links lie behind their parents, and what they and capsules name is there, among `outputs` numbers.
    #[must_use]
    pub fn fits(&self, outputs: usize) -> bool {
        let reads = |reading: Reading| match reading {
            Reading::Still => true,
            Reading::Number(number) => number < outputs,
            Reading::Circle(sine) => self.sines.contains(&sine) && sine + 1 < outputs,
        };
        let count = self.links.len();
        let is_link = |(place, link): (usize, &Link)| {
            link.parent.is_none_or(|parent| parent < place) && link.point < count && reads(link.position.of)
        };
        let is_capsule = |capsule: &Capsule| capsule.link.is_none_or(|link| link < count) && capsule.radius > 0.0;
        let is_sized = self.body.capsules.is_empty() || (self.body.scale > 0.0 && self.body.gate > 0.0);
        self.links.iter().enumerate().all(is_link) && self.body.capsules.iter().all(is_capsule) && is_sized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_residual_grows_less_and_less_and_has_the_slope_of_its_differences() {
        let body = Body { capsules: Vec::new(), scale: 0.05, gate: 0.3 };
        for distance in [-0.29, -0.1, -0.02, 0.0, 0.01, 0.2] {
            let (up, down) = (body.residual(distance + 1e-6).0, body.residual(distance - 1e-6).0);
            assert!(((up - down) / 2e-6 - body.residual(distance).1).abs() < 1e-6, "{distance}");
        }
        assert_eq!(body.residual(0.4), (body.residual(0.3).0, 0.0));
        assert!((body.residual(0.05).0.powi(2) - 0.05_f64.powi(2) / 2.0).abs() < 1e-12);
    }
}
