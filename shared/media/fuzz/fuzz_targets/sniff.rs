#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let sniffed = sluice_media::sniff::sniff(bytes);
    let head = &bytes[..bytes.len().min(sluice_media::sniff::HEAD_BYTES)];
    assert!(
        sniffed.content_type.contains('/') && sluice_media::sniff::sniff(head).content_type.contains('/')
    );
});
