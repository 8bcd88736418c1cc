//! One program for every entry, named by `THALWEG_ENTRY`, that libFuzzer drives: `tools/fuzz.sh` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static NAME: LazyLock<String> =
    LazyLock::new(|| std::env::var("THALWEG_ENTRY").expect("THALWEG_ENTRY is the name of an entry"));

fuzz_target!(|bytes: &[u8]| thalweg_entries::take(&NAME, bytes));
