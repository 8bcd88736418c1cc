//! How much each joint moves in the data, and what that means for learning.

use std::fmt::Write;

use tch::Kind;
use thalweg_robot::layout::{Role, range_of};
use thalweg_robot::urdf::Motion;
use thalweg_robot::{Layout, Robot};

use super::division::Divided;
use crate::console::line;

/// Range below which there is too little to learn of, rad and m: five degrees, two centimetres. Guesses.
const LITTLE_ANGLE: f64 = 0.087;
const LITTLE_LENGTH: f64 = 0.02;

/// A line for each joint, then a sentence for each of which there is too little.
pub(super) fn report(robot: &Robot, layout: &Layout, divided: &Divided) -> String {
    let moving = robot.moving();
    let Divided { dropped, thinned, mirrored, how, .. } = divided;
    let (training, judged) = (divided.training.size()[0], divided.judged());
    let mut text = format!("divided {how}; {training} frames to learn from, {judged} to judge by\n");
    let mut told = |condition: bool, words: String| text.extend(condition.then_some(words));
    told(*dropped > 0, format!("dropped {dropped} frames in which a joint was missing\n"));
    told(*thinned > 0, format!("dropped {thinned} frames that are like the one before\n"));
    told(
        *mirrored > 0,
        format!("mirror images were added: {mirrored} pairs of joints are mirror images of each other\n"),
    );
    let mut notes = String::new();
    text += "\n| joint | type | moved | |\n|---|---|---|---|\n";
    for (place, joint) in layout.joints.iter().enumerate() {
        let of = &robot.joints[moving[place]];
        let is_slide = of.motion == Motion::Slide;
        let range = range_of(&divided.training.select(1, place as i64).to_kind(Kind::Double));
        let shown = if is_slide { format!("{:.1} mm", range * 1e3) } else { format!("{:.1} deg", range.to_degrees()) };
        let name = line(&joint.name);
        let source = of.mimic.map(|mimic| line(&robot.joints[mimic.source].name));
        let words = match (joint.role, source) {
            (Role::Follower, Some(source)) => format!("follows {source}"),
            (Role::Constant, _) if !divided.seen[place] => "not in the data: constant".to_owned(),
            (Role::Constant, _) => "never moves: constant".to_owned(),
            _ => String::new(),
        };
        let _written = writeln!(text, "| {name} | {} | {shown} | {words} |", of.motion.name());
        let little = if is_slide { LITTLE_LENGTH } else { LITTLE_ANGLE };
        if joint.role == Role::Learned && of.motion != Motion::Spin && range < little {
            let minutes = divided.minutes;
            let _written =
                writeln!(notes, "{name} moved {shown} in {minutes:.1} minutes: little can be learned about it");
        }
    }
    text + "\n" + &notes
}
