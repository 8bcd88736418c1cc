//! Motion of a person of few bones.

use std::io::{Cursor, Write};

use npyz::WriterBuilder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Seeds;

/// Stands between a skeleton and its take.
pub(crate) const AMC_MARK: &[u8] = b"\n=AMC=\n";

/// Bones: depth, name, offset in metres.
const PERSON: [(usize, &str, [f64; 3]); 14] = [
    (0, "Hips", [0.0, 1.0, 0.0]),
    (1, "Spine", [0.0, 0.1, 0.0]),
    (2, "Neck", [0.0, 0.4, 0.0]),
    (3, "Head", [0.0, 0.1, 0.0]),
    (2, "LeftArm", [0.2, 0.35, 0.0]),
    (3, "LeftForeArm", [0.3, 0.0, 0.0]),
    (4, "LeftHand", [0.25, 0.0, 0.0]),
    (2, "RightArm", [-0.2, 0.35, 0.0]),
    (3, "RightForeArm", [-0.3, 0.0, 0.0]),
    (4, "RightHand", [-0.25, 0.0, 0.0]),
    (1, "LeftUpLeg", [0.1, -0.05, 0.0]),
    (2, "LeftLeg", [0.0, -0.4, 0.0]),
    (1, "RightUpLeg", [-0.1, -0.05, 0.0]),
    (2, "RightLeg", [0.0, -0.4, 0.0]),
];

fn bvh_text(frames: &[&str]) -> String {
    let mut text = String::from("HIERARCHY\n");
    for (index, (depth, name, [x, y, z])) in PERSON.into_iter().enumerate() {
        let keyword = if index == 0 { "ROOT" } else { "JOINT" };
        let channels = if index == 0 { "6 Xposition Yposition Zposition" } else { "3" };
        text +=
            &format!("{keyword} {name}\n{{\nOFFSET {x} {y} {z}\nCHANNELS {channels} Zrotation Yrotation Xrotation\n");
        let next = PERSON.get(index + 1).map_or(0, |next| next.0);
        if next <= depth {
            text += "End Site\n{\nOFFSET 0 -0.4 0\n}\n";
        }
        text += &"}\n".repeat((depth + 1).saturating_sub(next));
    }
    text += &format!("MOTION\nFrames: {}\nFrame Time: 0.0333\n", frames.len());
    let rest = " 0".repeat(3 * PERSON.len() - 1);
    for first in frames {
        text += &format!("0 1 0 {first}{rest}\n");
    }
    text
}

pub(crate) fn bvh() -> Seeds {
    let whole = bvh_text(&["10", "nan", "-20.5"]);
    let cut = whole[..whole.len() - 30].to_owned();
    let windows = whole.replace('\n', "\r\n").replace("Frames: 3", "Frames:\t3");
    [("whole", whole), ("cut", cut), ("windows", windows)].map(|(name, text)| (name, text.into_bytes())).to_vec()
}

/// Bone, parent, direction, length, axis, degrees of freedom.
const BONES: &str = "lhipjoint root 1 -0.4 0 1 0 0
lfemur lhipjoint 0.34 -0.94 0 7 20 rx,ry,rz
ltibia lfemur 0.34 -0.94 0 7 20 rx
rhipjoint root -1 -0.4 0 1 0 0
rfemur rhipjoint -0.34 -0.94 0 7 -20 rx,ry,rz
rtibia rfemur -0.34 -0.94 0 7 -20 rx
lowerback root 0 1 0 2 0 rx,ry,rz
thorax lowerback 0 1 0 2 0 rx,ry,rz
head thorax 0 1 0 3 0 rx,ry,rz
lhumerus thorax 1 0 0 5 0 rx,ry,rz
lradius lhumerus 1 0 0 3 0 0
rhumerus thorax -1 0 0 5 0 rx,ry,rz
rradius rhumerus -1 0 0 3 0 0";

/// A skeleton of Acclaim.
pub(crate) fn asf() -> String {
    let mut text = String::from(
        ":version 1.10\n:name VICON\n:units\n mass 1.0\n length 0.45\n angle deg\n:root\n order TX TY TZ RX RY RZ\n \
         axis XYZ\n position 0 0 0\n orientation 0 0 0\n:bonedata\n",
    );
    let mut hierarchy = String::from(":hierarchy\nbegin\n");
    for line in BONES.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, parent, x, y, z, length, axis, freedoms] = words[..] else { panic!("eight words: {line}") };
        text += &format!("begin\nid 1\nname {name}\ndirection {x} {y} {z}\nlength {length}\naxis 0 0 {axis} XYZ\n");
        if freedoms != "0" {
            text += &format!("dof {}\nlimits (-1 1)\n", freedoms.replace(',', " "));
        }
        text += "end\n";
        hierarchy += &format!("{parent} {name}\n");
    }
    text + &hierarchy + "end\n"
}

pub(crate) fn amc() -> Seeds {
    let take = "#!OML:ASF file\n:FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 17 0 0 0 0\nltibia 5\n2\nroot 0 17 0 0 0 0\nltibia 9.5\n";
    vec![
        ("take", take.as_bytes().to_vec()),
        ("both", [asf().as_bytes(), AMC_MARK, take.as_bytes()].concat()),
        ("radians", take.replace("DEGREES", "RADIANS").into_bytes()),
    ]
}

/// An array as NumPy writes it.
fn array<T: npyz::Serialize + npyz::AutoSerialize + Clone>(shape: &[u64], values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd().expect("a shape of NumPy");
    writer.extend(values.iter().cloned()).expect("as many as the shape says");
    writer.finish().expect("as many as the shape says");
    bytes
}

/// A text array: NumPy's `<U4`.
fn names() -> Vec<u8> {
    let mut header = b"\x93NUMPY\x01\x00v\x00{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }".to_vec();
    header.resize(127, b' ');
    header.push(b'\n');
    header.extend("walk".chars().flat_map(|letter| u32::from(letter).to_le_bytes()));
    header
}

fn archive(arrays: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options =
            SimpleFileOptions::default().compression_method(method).last_modified_time(zip::DateTime::default());
        zip.start_file(*name, options).expect("a name");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

/// A skeleton and its motion, as CMU's are kept.
pub(crate) fn npz_files() -> (Vec<u8>, Vec<u8>) {
    let offsets: Vec<f64> = (0..38 * 3).map(|place| f64::from(place % 5) + 0.5).collect();
    let parents: Vec<i64> = (0..38).map(|place| place - 1).collect();
    let skeleton = [("offset.npy", array(&[38, 3], &offsets)), ("parent.npy", array(&[38], &parents))];
    let motion = [
        ("names.npy", names()),
        ("X.npy", array(&[2, 117], &[0.25_f32; 2 * 117])),
        ("clip.npy", array(&[2], &[0_i16; 2])),
        ("split.npy", array(&[2], &[0_u8; 2])),
    ];
    (archive(&skeleton, CompressionMethod::Stored), archive(&motion, CompressionMethod::Deflated))
}

pub(crate) fn npz() -> Seeds {
    let (skeleton, motion) = npz_files();
    vec![("skeleton", skeleton), ("motion", motion)]
}
