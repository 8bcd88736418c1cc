//! An observation as plain numbers, as heads compare with it.

use std::ops::Range;

use tch::Tensor;
use thalweg_task::{Block, Target, numbers};

use super::cloud::Cloud;
use super::links::{Links, columns};
use super::places::Seen;
use crate::native::kernels::real::Real;

/// An observation as plain numbers: one row for all hypotheses, or one for each.
#[derive(Debug)]
pub(crate) struct EncodedTarget<T> {
    pub(super) rows: usize,
    /// What the layers' output or rotations are compared with.
    pub(super) features: Wanted<T>,
    /// Those once more in the order of [`super::chord::Chord`], where that compares them; else empty.
    pub(super) side_by_side: Vec<T>,
    /// What places are compared with, where some were seen.
    pub(super) places: Option<Wanted<T>>,
    /// Points that are held against the surface of links, or of a tree, where some were seen.
    pub(super) cloud: Option<Cloud<T>>,
    /// Most rows that [`super::comparison::Comparison::derive`] lists.
    pub(super) equations: usize,
    pub(super) prior: Option<PriorTerm<T>>,
}

/// Values and weights, `width` of each in a row.
#[derive(Debug)]
pub(super) struct Wanted<T> {
    pub(super) width: usize,
    pub(super) value: Vec<T>,
    pub(super) weight: Vec<T>,
}

impl<T: Real> Wanted<T> {
    /// Takes out columns of the first `joints` rows of a target.
    pub(super) fn of_joints(target: &Target, columns: Range<usize>, joints: usize) -> Self {
        let (first, width) = (columns.start as i64, columns.len());
        let numbers = |tensor: &Tensor| numbers(&tensor.narrow(1, 0, joints as i64).narrow(-1, first, width as i64));
        Self { width: joints * width, value: numbers(&target.value), weight: numbers(&target.weight) }
    }

    fn row(&self, row: usize) -> (&[T], &[T]) {
        let span = row * self.width..(row + 1) * self.width;
        (&self.value[span.clone()], &self.weight[span])
    }
}

/// A quadratic pull on `x`, for each hypothesis: `scale^2 |x - centre|^2`, and a constant.
#[derive(Debug, Default)]
pub(crate) struct PriorTerm<T> {
    /// One for all hypotheses, or one for each.
    pub(crate) scale: Vec<T>,
    /// `[K, X]`; empty is the origin.
    pub(crate) centre: Vec<T>,
    /// `[K]`; empty is zero.
    pub(crate) offset: Vec<f64>,
}

impl<T: Real> PriorTerm<T> {
    /// Square of the scale of hypothesis `row`.
    pub(crate) fn weight(&self, row: usize) -> T {
        let scale = self.scale[if self.scale.len() == 1 { 0 } else { row }];
        scale * scale
    }

    /// What entry `entry` of `x`, `[X]`, of hypothesis `row` is pulled to.
    pub(crate) fn centre(&self, row: usize, latent: usize, entry: usize) -> T {
        if self.centre.is_empty() { T::ZERO } else { self.centre[row * latent + entry] }
    }

    /// What is added to the loss of hypothesis `row` at `x`.
    pub(crate) fn loss(&self, row: usize, x: &[T]) -> f64 {
        let latent = x.len();
        let away = |(entry, x): (usize, &T)| {
            let away = *x - self.centre(row, latent, entry);
            away * away
        };
        let sum: T = x.iter().enumerate().map(away).sum();
        (sum * self.weight(row)).wide() + self.offset.get(row).copied().unwrap_or(0.0)
    }
}

impl<T: Real> EncodedTarget<T> {
    /// Adds a term that pulls `x`.
    #[must_use]
    pub(crate) fn with_prior(self, prior: Option<PriorTerm<T>>) -> Self {
        Self { prior, ..self }
    }

    /// The term that pulls `x`, where there is one.
    pub(crate) fn prior(&self) -> Option<&PriorTerm<T>> {
        self.prior.as_ref()
    }

    /// Whether one row is explained by all hypotheses.
    pub(crate) fn is_shared(&self) -> bool {
        self.rows == 1
    }

    /// Number of rows, value and weight of their features: for another backend.
    #[cfg(feature = "gpu")]
    pub(crate) fn all_features(&self) -> (usize, [&[T]; 2]) {
        (self.rows, [&self.features.value, &self.features.weight])
    }

    /// As [`EncodedTarget::all_features`], of places, where some were seen.
    #[cfg(feature = "gpu")]
    pub(crate) fn all_places(&self) -> Option<[&[T]; 2]> {
        self.places.as_ref().map(|places| [&places.value[..], &places.weight[..]])
    }

    /// Number M of residuals of a row.
    pub(crate) fn residuals(&self) -> usize {
        let places = self.places.as_ref().map_or(0, |places| places.width);
        self.features.width + places + self.cloud.as_ref().map_or(0, Cloud::width)
    }

    /// Most rows that [`super::comparison::Comparison::derive`] lists: as many as residuals, or fewer.
    pub(crate) fn equations(&self) -> usize {
        self.equations
    }

    /// Values and weights of places of links for hypothesis `row`; none where none was seen.
    pub(super) fn link_places(&self, row: usize) -> Option<(&[T], &[T])> {
        self.places.as_ref().map(|places| places.row(self.row_for(row)))
    }

    /// The cloud, and which row of it is for hypothesis `row`; none where none was seen.
    pub(super) fn cloud(&self, row: usize) -> Option<(&Cloud<T>, usize)> {
        self.cloud.as_ref().map(|cloud| (cloud, self.row_for(row)))
    }

    /// Whether places, or a cloud, were seen.
    pub(super) fn has_places(&self) -> bool {
        self.places.is_some() || self.cloud.is_some()
    }

    /// Which row is for hypothesis `row`.
    fn row_for(&self, row: usize) -> usize {
        if self.is_shared() { 0 } else { row }
    }

    /// Values and weights of features for hypothesis `row`.
    pub(super) fn features(&self, row: usize) -> (&[T], &[T]) {
        self.features.row(self.row_for(row))
    }

    /// As [`EncodedTarget::features`], of places, for hypotheses from `first` on; none where none was seen.
    pub(super) fn places(&self, first: usize) -> Option<SeenPlaces<'_, T>> {
        let (cloud, is_shared) = (self.cloud.as_ref(), self.is_shared());
        self.places.as_ref().map(|places| SeenPlaces { places, cloud, first, is_shared })
    }

    /// As [`EncodedTarget::features`], in the order of [`super::chord::Chord`]; none where that does not compare.
    pub(super) fn chord(&self, row: usize) -> Option<&[T]> {
        let width = self.side_by_side.len() / self.rows;
        let start = self.row_for(row) * width;
        Some(&self.side_by_side[start..start + width]).filter(|row| !row.is_empty())
    }
}

/// What places of hypotheses in a row are compared with.
#[derive(Clone, Copy)]
pub(super) struct SeenPlaces<'a, T> {
    places: &'a Wanted<T>,
    cloud: Option<&'a Cloud<T>>,
    first: usize,
    is_shared: bool,
}

impl<T: Real> Seen<T> for SeenPlaces<'_, T> {
    fn row(&self, row: usize) -> (&[T], &[T]) {
        self.places.row(if self.is_shared { 0 } else { self.first + row })
    }

    fn cloud(&self, row: usize) -> Option<&[Block<T>]> {
        self.cloud.map(|cloud| cloud.row(if self.is_shared { 0 } else { self.first + row }))
    }
}

/// Takes over a target of numbers, places of links and a cloud; none when it has not that form.
pub(super) fn encode_links<T: Real>(links: &Links, target: &Target) -> Option<EncodedTarget<T>> {
    let [rows, width] = target.value.size()[..] else { return None };
    let (rows, width, outputs, before) = (rows as usize, width as usize, links.outputs(), links.before_cloud());
    let has_places = width != outputs;
    if has_places && (width < before || !(width - before).is_multiple_of(3)) {
        return None;
    }
    let part = |first: usize, width: usize| {
        let numbers = |tensor: &Tensor| numbers(&tensor.narrow(1, first as i64, width as i64));
        Wanted { width, value: numbers(&target.value), weight: numbers(&target.weight) }
    };
    Some(EncodedTarget {
        rows,
        features: part(0, outputs),
        side_by_side: Vec::new(),
        places: has_places.then(|| part(outputs, before - outputs)),
        cloud: (width > before).then(|| Cloud::new(&columns(&target.value, before), &columns(&target.weight, before))),
        equations: outputs + if has_places { links.equations() } else { 0 },
        prior: None,
    })
}
