#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| grantor_fuzz::parsers::resource_uri(input));
