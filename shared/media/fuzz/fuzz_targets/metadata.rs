#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // What goes into the record stays small, whatever the file says.
    let record = serde_json::to_vec(&sluice_media::metadata::read(bytes).to_map()).unwrap_or_default();
    assert!(record.len() < 64 << 10, "{} bytes of metadata", record.len());
});
