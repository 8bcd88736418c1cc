//! Weights on disk: what is read back, and what is refused.

use std::fs;
use std::path::Path;

use tch::{Device, Kind, Tensor};
use thalweg_nn::NnError;
use thalweg_nn::files::write_atomically;
use thalweg_nn::weights::{self, Weights, fingerprint};

use crate::{tensor, values};

fn named() -> Vec<(String, Tensor)> {
    vec![("a".to_owned(), tensor(&[1.0, 2.0, 3.0, 4.0], &[2, 2])), ("b".to_owned(), tensor(&[5.0], &[1]))]
}

fn open(path: &Path) -> Result<Weights, NnError> {
    Weights::open(path, Kind::Double, Device::Cpu)
}

fn refusal(path: &Path) -> String {
    open(path).map(drop).unwrap_err().to_string()
}

#[test]
fn round_trip_with_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/w.safetensors");
    weights::save(&path, &named(), &[("epochs", "12".to_owned())]).unwrap();
    let file = open(&path).unwrap();
    let a = file.tensor("a", &[2, 2]).unwrap();
    assert_eq!((a.kind(), values(&a)), (Kind::Double, vec![1.0, 2.0, 3.0, 4.0]));
    assert_eq!(file.rows("a", 2).unwrap().size(), [2, 2]);
    assert_eq!(file.meta::<u32>("epochs").unwrap(), 12);
    file.expect_meta("epochs", "12").unwrap();
    let entries: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries, ["w.safetensors"], "nothing partial is left behind");
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut tensors = named();
    tensors.push(("c".to_owned(), tensor(&[f32::NAN], &[1])));
    weights::save(&path, &tensors, &[("epochs", "many".to_owned())]).unwrap();
    let file = open(&path).unwrap();
    let ends = |error: NnError, text: &str| {
        let sentence = error.to_string();
        assert!(sentence.starts_with(path.to_str().unwrap()) && sentence.contains(text), "{sentence}");
    };
    ends(file.tensor("z", &[1]).unwrap_err(), "tensor z is missing; the file has a, b, c");
    ends(file.tensor("a", &[4]).unwrap_err(), "tensor a: expected shape [4], got [2, 2]");
    ends(file.rows("a", 3).unwrap_err(), "expected shape [2, 3], got [2, 2]");
    ends(file.rows("z", 3).unwrap_err(), "tensor z is missing");
    ends(file.tensor("c", &[1]).unwrap_err(), "tensor c: has values that are not finite");
    ends(file.meta::<u32>("epochs").unwrap_err(), "metadata 'epochs': cannot read 'many': invalid digit");
    ends(file.meta::<u32>("z").unwrap_err(), "metadata 'z' is missing");
    ends(file.expect_meta("epochs", "12").unwrap_err(), "metadata 'epochs': expected '12', got 'many'");
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    assert!(refusal(&path).contains("No such file"), "{}", refusal(&path));
    weights::save(&path, &named(), &[]).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 8, 40, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(refusal(&path).contains("not a whole safetensors file"), "{length}: {}", refusal(&path));
    }
    fs::write(&path, [whole.as_slice(), b"tail"].concat()).unwrap();
    assert!(refusal(&path).contains("not a whole safetensors file"), "{}", refusal(&path));
    fs::write(&path, b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
    assert!(refusal(&path).contains("not a whole safetensors file"), "a header longer than memory");
}

#[test]
fn foreign_element_types_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let header = br#"{"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 8]].concat();
    fs::write(&path, bytes).unwrap();
    assert!(refusal(&path).contains("tensor n: expected f16, f32 or f64, got I64"), "{}", refusal(&path));
}

#[test]
fn huge_files_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    // A sparse file: the length without the bytes.
    fs::File::create(&path).unwrap().set_len((512 << 20) + 1).unwrap();
    assert!(refusal(&path).contains("536870913 bytes; expected at most 536870912"), "{}", refusal(&path));
}

/// W1: what is no file, and never ends or never begins, is refused at once.
#[test]
fn w1_what_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
        assert!(refusal(path).contains("no regular file"), "{}", refusal(path));
    }
}

#[test]
fn w2_w3_damage_is_always_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    weights::save(&path, &named(), &[("task", "body".to_owned())]).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(open(&path), Err(NnError::Weights { .. })), "cut at {length}");
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        if let Ok(file) = open(&path) {
            // A name of an unknown field of the header, or white space: what is read is what was written.
            let a = file.tensor("a", &[2, 2]).map(|tensor| values(&tensor));
            assert_eq!(a.unwrap(), [1.0, 2.0, 3.0, 4.0], "bit {bit}");
            assert_eq!(file.meta::<String>("task").unwrap(), "body", "bit {bit}");
        }
    }
}

#[test]
fn w4_a_header_beyond_its_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let header = vec![b' '; 2 << 20];
    fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_slice()].concat()).unwrap();
    assert!(refusal(&path).contains("a header of 2097152 bytes; expected at most 1048576"), "{}", refusal(&path));
}

#[test]
fn w5_missing_and_extra_tensors_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let many = (0..7).map(|index| (format!("x{index}"), tensor(&[1.0], &[1])));
    weights::save(&path, &named().into_iter().chain(many).collect::<Vec<_>>(), &[]).unwrap();
    let file = open(&path).unwrap();
    let told = file.expect_names(["a", "c", "d"]).unwrap_err().to_string();
    let expected = "lacks tensors: c, d; has tensors that nobody asked for: b, x0, x1, x2, x3, ..";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn w10_pickles_are_refused_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for (bytes, kind) in [(&b"PK\x03\x04archive/data.pkl"[..], "zip archive"), (b"\x80\x02}q\x00.", "Python pickle")] {
        fs::write(&path, bytes).unwrap();
        let told = refusal(&path);
        assert!(told.contains(kind) && told.contains("can run any code"), "{told}");
    }
}

#[test]
fn w3_a_file_without_checksum_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let header = br#"{"n":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 4]].concat()).unwrap();
    assert!(refusal(&path).contains("metadata 'blake3' is missing"), "{}", refusal(&path));
}

#[test]
fn half_and_double_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    for (dtype, bytes) in [("F16", vec![0x00, 0x3e]), ("F64", 1.5_f64.to_le_bytes().to_vec())] {
        let mut sum = blake3::Hasher::new();
        for text in ["n", dtype, "1"] {
            sum.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        let sum = sum.update(&bytes).finalize().to_hex();
        let metadata = format!(r#""__metadata__":{{"blake3":"{sum}"}}"#);
        let header =
            format!(r#"{{{metadata},"n":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{}]}}}}"#, bytes.len());
        fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes].concat()).unwrap();
        assert_eq!(values(&open(&path).unwrap().tensor("n", &[1]).unwrap()), [1.5]);
    }
}

#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    write_atomically(&path, b"old").unwrap();
    write_atomically(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    // Longer than a name may be, with what is added to it.
    let long = folder.path().join("w".repeat(250));
    fs::write(&long, b"old").unwrap();
    let error = write_atomically(&long, b"newer").unwrap_err();
    assert!(matches!(error, NnError::Io { .. }), "{error}");
    assert_eq!(fs::read(&long).unwrap(), b"old");
}

#[test]
fn the_fingerprint_sees_values_names_and_shapes() {
    let of = |name: &str, values: &[f32], shape: &[i64]| fingerprint(&[(name.to_owned(), tensor(values, shape))]);
    let own = of("a", &[1.0, 2.0], &[2]);
    assert_eq!(own, of("a", &[1.0, 2.0], &[2]));
    assert_eq!(own.len(), 16);
    let others = [of("b", &[1.0, 2.0], &[2]), of("a", &[1.0, 2.000_000_2], &[2]), of("a", &[1.0, 2.0], &[1, 2])];
    assert!(others.iter().all(|other| *other != own), "{own} {others:?}");
    // FNV-1a of no bytes is its offset basis (Fowler, Noll, Vo).
    assert_eq!(fingerprint(&[]), "cbf29ce484222325");
}
