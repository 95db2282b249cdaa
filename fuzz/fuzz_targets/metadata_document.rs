#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| grantor_fuzz::parsers::metadata_document(input));
