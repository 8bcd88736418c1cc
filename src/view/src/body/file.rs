//! The text of a URDF file.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use thalweg_nn::files;

/// Largest file, bytes. The largest URDF that we saw has 1.4 MB.
const MAX_BYTES: u64 = 16 << 20;

/// Where a declaration of the encoding has to be, bytes.
const PROLOG: usize = 200;

/// Reads a regular file of a moderate size; does not wait for a pipe.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    files::read_limited(path, MAX_BYTES)
}

/// Decodes UTF-8, or Latin-1 where it is declared; says in a sentence why not.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16; save it as UTF-8".to_owned());
    }
    let declared = declared_encoding(bytes);
    // Windows-1252 differs in characters that Latin-1 does not have; they stay what they are in no name.
    if ["ISO-8859-1", "LATIN1", "LATIN-1", "ISO_8859-1", "WINDOWS-1252", "CP1252"].contains(&declared.as_str()) {
        return Ok(bytes.iter().copied().map(char::from).collect::<String>().into());
    }
    std::str::from_utf8(bytes).map(Cow::from).map_err(|error| {
        let (good, rest) = bytes.split_at(error.valid_up_to());
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let declared = if declared.is_empty() { "nothing else".to_owned() } else { format!("{declared:?}") };
        let byte = rest.first().copied().unwrap_or(0);
        let cure = "save it as UTF-8, or declare ISO-8859-1";
        format!("line {line}: byte {byte:#04x} is not UTF-8, and {declared} is declared; {cure}")
    })
}

/// The encoding that `<?xml .. encoding=".."?>` declares, in capitals; empty where it declares none.
fn declared_encoding(bytes: &[u8]) -> String {
    let prolog = String::from_utf8_lossy(&bytes[..bytes.len().min(PROLOG)]);
    let declaration = prolog.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let value = declaration.and_then(|(declaration, _)| declaration.split_once("encoding"));
    let value = value.and_then(|(_, value)| value.trim_start().strip_prefix('=')).unwrap_or_default().trim_start();
    let mut parts = value.split(['"', '\'']);
    parts.nth(1).unwrap_or_default().to_ascii_uppercase()
}
