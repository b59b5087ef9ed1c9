#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_media_fuzz::decode(
    &["image/x-portable-anymap", "image/qoi", "image/vnd.microsoft.icon", "image/x-farbfeld"],
    bytes
));
