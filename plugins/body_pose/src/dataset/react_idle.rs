//! ReActIdle: people who stand and wait, as BVH files in a zip archive, 24 frames a second.

use std::path::Path;

use nalgebra::Vector3;

use super::bvh::{Bvh, Thinning};
use super::retarget::{Counterpart, finite_pose, retarget, turn_to_hinge};
use super::texts::Texts;
use super::{Clip, DatasetError, Source, split};

/// Every fourth frame is taken, 24 to 6 a second: idling changes slowly, and at the full rate it
/// would be nearly three quarters of all frames.
const STRIDE: usize = 4;

/// Median twist of the upper arms that bends the elbow about y, radians: 45 degrees left, 43
/// right, on frames whose elbow bends by more than 30. The file turns each arm bone by the least
/// rotation, so its elbows bend about any axis across the arm.
const USUAL_ARM_TWIST: f64 = 0.77;

/// Reads all clips of `reactidle-bvh.zip`, in the order of their names, and what of it is unreadable.
pub(super) fn load(folder: &Path) -> Result<(Vec<Clip>, Vec<DatasetError>), DatasetError> {
    let mut texts = Texts::open(&folder.join(Source::ReactIdle.file()))?;
    let (mut clips, mut refused) = (Vec::new(), Vec::new());
    for name in texts.names("bvh") {
        let bvh = texts.read(&name, |reader| Bvh::read(&name, reader, Thinning::Every(STRIDE)));
        match bvh.and_then(|bvh| clip_of(&name, &bvh)) {
            Ok(clip) => clips.push(clip),
            Err(error) => refused.push(error),
        }
    }
    Ok((clips, refused))
}

/// `acted/001_acted.bvh` becomes `001_acted`.
fn short_name(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Retargets one parsed file.
pub(super) fn clip_of(name: &str, bvh: &Bvh) -> Result<Clip, DatasetError> {
    let counterparts = counterparts(bvh)?;
    let pelvis = bvh.index("pelvis")?;
    let fps = 1.0 / bvh.frame_time;
    let mut clip = Clip::empty(short_name(name).to_owned(), Source::ReactIdle, (fps * 100.0).round() / 100.0);
    clip.split = split::of_react_idle(&clip.name);
    clip.subject = Some(split::performer(&clip.name).to_owned());
    for frame in &bvh.frames {
        let globals = bvh.globals(frame);
        let mut rotations = retarget(&globals[pelvis], &globals, &counterparts);
        turn_to_hinge(&mut rotations, 15, 17, 19, USUAL_ARM_TWIST);
        turn_to_hinge(&mut rotations, 16, 18, 20, USUAL_ARM_TWIST);
        clip.push(finite_pose(&rotations));
    }
    Ok(clip)
}

/// The two spine segments become three: the middle joint is midway. The file has neither hands
/// nor toes: wrists and feet stay at rest. Feet and collar bones are matched by their rest axes
/// (flat soles, level shoulders), limbs by their bones.
fn counterparts(bvh: &Bvh) -> Result<Vec<Counterpart>, DatasetError> {
    let (lower, upper) = (bvh.index("spine")?, bvh.index("spine.001")?);
    let mut all = vec![
        Counterpart::plain(2, lower),
        Counterpart::between(5, [lower, upper]),
        Counterpart::plain(8, upper),
        Counterpart::plain(11, bvh.index("neck")?),
        Counterpart::plain(14, bvh.index("face")?),
    ];
    all.extend(limbs(bvh, 0, ["thigh.L", "shin.L", "foot.L", "shoulder.L", "upper_arm.L", "forearm.L"])?);
    all.extend(limbs(bvh, 1, ["thigh.R", "shin.R", "foot.R", "shoulder.R", "upper_arm.R", "forearm.R"])?);
    Ok(all)
}

fn limbs(bvh: &Bvh, side: usize, names: [&'static str; 6]) -> Result<[Counterpart; 6], DatasetError> {
    let mut indices = [0; 6];
    for (index, name) in indices.iter_mut().zip(names) {
        *index = bvh.index(name)?;
    }
    let [thigh, shin, foot, shoulder, upper_arm, forearm] = indices;
    let offset = |joint: usize| bvh.joints[joint].offset;
    let fingers = bvh.joints[forearm].end.unwrap_or_else(Vector3::zeros);
    Ok([
        Counterpart::plain(side, thigh).aligned(3 + side, offset(shin)),
        Counterpart::plain(3 + side, shin).aligned(6 + side, offset(foot)),
        Counterpart::plain(6 + side, foot),
        Counterpart::plain(12 + side, shoulder),
        Counterpart::plain(15 + side, upper_arm).aligned(17 + side, offset(forearm)),
        Counterpart::plain(17 + side, forearm).aligned(19 + side, fingers),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A skeleton with the joints that the import needs, all at rest but the thighs.
    fn text(frames: &[&str]) -> String {
        let mut text = String::from("HIERARCHY\nROOT pelvis\n{\nOFFSET 0 0 0\nCHANNELS 0\n");
        let names = ["spine", "spine.001", "neck", "face", "thigh.L", "shin.L", "foot.L", "shoulder.L", "upper_arm.L"];
        let more = ["forearm.L", "shin.R", "foot.R", "shoulder.R", "upper_arm.R", "forearm.R"];
        for name in names.iter().chain(&more) {
            let side = if name.contains(".R") { -1 } else { 1 };
            text +=
                &format!("JOINT {name}\n{{\nOFFSET {side} -1 0\nCHANNELS 0\nEnd Site\n{{\nOFFSET {side} 0 0\n}}\n}}\n");
        }
        text += "JOINT thigh.R\n{\nOFFSET -1 0 0\nCHANNELS 1 Xrotation\n}\n}\nMOTION\n";
        text + &format!("Frames: {}\nFrame Time: 0.041667\n{}\n", frames.len(), frames.join("\n"))
    }

    #[test]
    fn every_fourth_frame_is_kept_and_frames_without_numbers_are_counted() {
        let frames = ["10", "99", "99", "99", "nan", "99", "99", "99", "30"];
        let text = text(&frames);
        let bvh = Bvh::read("acted/001_acted.bvh", text.as_bytes(), Thinning::Every(STRIDE)).expect("a correct text");
        let clip = clip_of("acted/001_acted.bvh", &bvh).expect("a complete skeleton");
        assert_eq!((clip.name.as_str(), clip.source, clip.fps), ("001_acted", Source::ReactIdle, 6.0));
        assert_eq!((clip.poses.len(), clip.not_finite, clip.calibration), (2, 1, 0));
        let shin = |frame: usize| Vector3::from(clip.poses[frame][4]).norm().to_degrees();
        assert!((shin(1) - shin(0)).abs() > 1.0, "the thigh's turn does not reach the knee");
    }

    #[test]
    fn a_skeleton_without_a_needed_joint_is_refused() {
        let bvh = Bvh::parse("x.bvh", &text(&["0"]).replace("JOINT face", "JOINT visage")).expect("a correct text");
        let error = clip_of("x.bvh", &bvh).expect_err("there is no face").to_string();
        assert!(error.contains("'face'") && error.contains("visage"), "{error}");
    }
}
