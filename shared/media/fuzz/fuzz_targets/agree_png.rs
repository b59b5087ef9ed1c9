#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_media_fuzz::agree::agree(&["image/png"], bytes));
