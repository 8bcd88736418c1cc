//! Bytes of `zed_msgs/ObjectsStamped`, as a ZED camera's wrapper sends them.

use thalweg_record::cdr::Encoder;

/// A person as the camera has them.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The tracker's number.
    pub label_id: i16,
    /// 0 BODY_18, 1 BODY_34, 2 BODY_38.
    pub body_format: i8,
    /// Keypoints, metres.
    pub keypoints: &'a [[f32; 3]],
    /// How sure each is, 0 to 100; none as versions of the wrapper before 5.
    pub confidence: Option<f32>,
}

/// Serializes a message with a chair and these people, stamped at `sec` seconds.
#[must_use]
pub fn objects(sec: i32, people: &[Person<'_>]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.i32(sec);
    encoder.u32(0);
    encoder.text("zed_camera");
    encoder.length(people.len() + 1);
    let chair =
        Person { label_id: 1, body_format: 0, keypoints: &[], confidence: people.first().and_then(|p| p.confidence) };
    object(&mut encoder, &chair, false);
    people.iter().for_each(|person| object(&mut encoder, person, true));
    encoder.finish()
}

fn singles(encoder: &mut Encoder, values: impl IntoIterator<Item = f32>) {
    values.into_iter().for_each(|value| encoder.u32(value.to_bits()));
}

fn object(encoder: &mut Encoder, person: &Person<'_>, is_body: bool) {
    // Four bytes with its end, so that the number behind it is aligned.
    encoder.text("Obj");
    person.label_id.to_le_bytes().into_iter().for_each(|byte| encoder.u8(byte));
    encoder.text("sub");
    singles(encoder, std::iter::repeat_n(1.0, 1 + 3 + 6 + 3));
    for byte in [1, 1, 0] {
        encoder.u8(byte);
    }
    (0..8).for_each(|_| encoder.u32(9));
    singles(encoder, std::iter::repeat_n(2.0, 24 + 3));
    encoder.u8(u8::from(is_body));
    encoder.u8(person.body_format.to_le_bytes()[0]);
    singles(encoder, std::iter::repeat_n(3.0, 8 + 24 + 3 + 140));
    let keypoints = person.keypoints.iter().copied().chain(std::iter::repeat([0.0; 3])).take(70);
    singles(encoder, keypoints.flatten());
    if let Some(confidence) = person.confidence {
        singles(encoder, std::iter::repeat_n(confidence, 70));
    }
}
