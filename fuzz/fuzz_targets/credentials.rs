#![no_main]

// Two lines: the `Authorization` header and the form body.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some(at) = input.iter().position(|byte| *byte == b'\n') {
        grantor_fuzz::parsers::credentials(&input[..at], &input[at + 1..]);
    }
});
