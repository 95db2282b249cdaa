#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| grantor_fuzz::parsers::introspected(input));
