//! Motion capture: what a user trains on.

use thalweg_body_pose::dataset::{Clip, Dataset, DatasetError};

use crate::scratch;
use crate::seeds::{AMC_MARK, npz_files};
use crate::texts::expect_sentence;

fn expect_finite(clips: &[Clip]) {
    for clip in clips {
        let values = clip.poses.as_flattened().as_flattened();
        assert!(values.iter().all(|value| value.is_finite()), "{}", clip.name);
    }
}

fn expect_sound(dataset: Result<Dataset, DatasetError>) -> bool {
    match dataset {
        Ok(dataset) => {
            expect_finite(&dataset.clips);
            dataset.refused.iter().for_each(|error| {
                expect_sentence(error);
            });
            !dataset.clips.is_empty()
        }
        Err(error) => expect_sentence(&error),
    }
}

/// One BVH file.
pub(crate) fn bvh(bytes: &[u8]) -> bool {
    expect_sound(Dataset::load_own(&scratch::file("bvh/take.bvh", bytes)))
}

/// An ASF file and an AMC file, one after the other, [`AMC_MARK`] between them; without a mark a take of a sound skeleton.
pub(crate) fn amc(bytes: &[u8]) -> bool {
    let place = bytes.windows(AMC_MARK.len()).position(|window| window == AMC_MARK);
    let sound = crate::seeds::asf();
    let (asf, amc) = match place {
        Some(place) => (&bytes[..place], &bytes[place + AMC_MARK.len()..]),
        None => (sound.as_bytes(), bytes),
    };
    scratch::file("amc/35.asf", asf);
    scratch::file("amc/35_01.amc", amc);
    expect_sound(Dataset::load_own(&scratch::path("amc")))
}

/// A NumPy archive, in the place of each that is read, and as a zip archive of takes. Motion is read where the error is
/// about the next file, which is not there.
pub(crate) fn npz(bytes: &[u8]) -> bool {
    let (skeleton, motion) = npz_files();
    let read = [(&skeleton[..], bytes), (bytes, &motion)].map(|(skeleton, motion)| {
        scratch::file("npz/cmu38_skeleton.npz", skeleton);
        scratch::file("npz/cmu_expmap.npz", motion);
        let error = Dataset::load(&scratch::path("npz")).expect_err("other files are missing");
        expect_sentence(&error) || error.to_string().contains("asap_smpl.npz")
    });
    let own = scratch::file("npz.zip", bytes);
    expect_sound(Dataset::load_own(&own)) || read.contains(&true)
}
