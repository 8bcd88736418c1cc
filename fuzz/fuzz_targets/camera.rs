#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| thalweg_entries::take("camera", bytes));
