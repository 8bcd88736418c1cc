//! Forward kinematics of the common body, batched and differentiable.

use tch::{Device, Kind, Tensor};

use crate::numeric;
use crate::skeleton::{OFFSETS, PARENTS};

/// Joints of one depth of the tree; their parents are all placed before them.
#[derive(Debug)]
struct Level {
    joints: Tensor,
    parents: Tensor,
    offsets: Tensor,
}

/// Places the joints of a body from their rotations, depth by depth.
#[derive(Debug)]
pub struct Body {
    levels: Vec<Level>,
    /// Points that are fixed to joints or to the pelvis.
    leaves: Option<Level>,
    /// The same as they were given.
    given: Vec<(Option<usize>, [f64; 3])>,
    order: Tensor,
}

impl Body {
    /// Prepares index tensors for `kind` on `device`.
    #[must_use]
    pub fn new(kind: Kind, device: Device) -> Self {
        Self::with_leaves(&[], kind, device)
    }

    /// As [`Body::new`], with further points: the joint that each is fixed to, or the pelvis, and its place in that frame,
    /// metres.
    #[must_use]
    pub fn with_leaves(leaves: &[(Option<usize>, [f64; 3])], kind: Kind, device: Device) -> Self {
        // Slot 0 is the pelvis; joints get slots in the order in which levels place them.
        let mut slot_of = [None; PARENTS.len()];
        let mut placed: i64 = 1;
        let mut levels = Vec::new();
        while (placed as usize) <= PARENTS.len() {
            let ready: Vec<usize> = (0..PARENTS.len())
                .filter(|&joint| {
                    slot_of[joint].is_none() && PARENTS[joint].is_none_or(|parent| slot_of[parent].is_some())
                })
                .collect();
            let parents: Vec<i64> =
                ready.iter().map(|&joint| PARENTS[joint].and_then(|parent| slot_of[parent]).unwrap_or(0)).collect();
            let offsets: Vec<[f64; 3]> = ready.iter().map(|&joint| OFFSETS[joint]).collect();
            levels.push(Level::new(&ready, (&parents, &offsets), kind, device));
            for joint in ready {
                slot_of[joint] = Some(placed);
                placed += 1;
            }
        }
        let joints = slot_of.iter().map(|slot| slot.unwrap_or(0));
        let order: Vec<i64> =
            std::iter::once(0).chain(joints).chain((0..leaves.len() as i64).map(|at| placed + at)).collect();
        let carriers: Vec<i64> =
            leaves.iter().map(|leaf| leaf.0.and_then(|joint| slot_of[joint]).unwrap_or(0)).collect();
        let offsets: Vec<[f64; 3]> = leaves.iter().map(|leaf| leaf.1).collect();
        let given = leaves.to_vec();
        let hung = (!leaves.is_empty()).then(|| Level::new(&[], (&carriers, &offsets), kind, device));
        Self { levels, leaves: hung, given, order: Tensor::from_slice(&order).to_device(device) }
    }

    /// Places pelvis and joints, then the points that are fixed to them.
    ///
    /// `rotations`: `[B, 21, 3, 3]`, each relative to its parent. Returns positions `[B, 22 + leaves, 3]`,
    /// metres, pelvis at the origin, axes of the pelvis (x left, y up, z forward).
    pub fn positions(&self, rotations: &Tensor) -> Tensor {
        if numeric::serves(rotations) {
            return numeric::positions(rotations, &self.given);
        }
        let batch = rotations.size()[0];
        let options = (rotations.kind(), rotations.device());
        let mut orientation = Tensor::eye(3, options).expand([batch, 1, 3, 3], false);
        let mut position = Tensor::zeros([batch, 1, 3], options);
        for level in &self.levels {
            let parent = orientation.index_select(1, &level.parents);
            let place = level.places(&parent, &position);
            let turned = parent.matmul(&rotations.index_select(1, &level.joints));
            orientation = Tensor::cat(&[orientation, turned], 1);
            position = Tensor::cat(&[position, place], 1);
        }
        if let Some(leaves) = &self.leaves {
            let place = leaves.places(&orientation.index_select(1, &leaves.parents), &position);
            position = Tensor::cat(&[position, place], 1);
        }
        position.index_select(1, &self.order)
    }
}

impl Level {
    fn new(joints: &[usize], (parents, offsets): (&[i64], &[[f64; 3]]), kind: Kind, device: Device) -> Self {
        let joints: Vec<i64> = joints.iter().map(|&joint| joint as i64).collect();
        Self {
            offsets: Tensor::from_slice(offsets.as_flattened()).reshape([-1, 3, 1]).to_kind(kind).to_device(device),
            joints: Tensor::from_slice(&joints).to_device(device),
            parents: Tensor::from_slice(parents).to_device(device),
        }
    }

    /// Places what hangs on parents of these orientations, `[B, joints, 3, 3]`, among slots at `position`, `[B, slots, 3]`.
    fn places(&self, parent: &Tensor, position: &Tensor) -> Tensor {
        position.index_select(1, &self.parents) + parent.matmul(&self.offsets).squeeze_dim(-1)
    }
}
