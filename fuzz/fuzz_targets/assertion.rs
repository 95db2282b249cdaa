#![no_main]

// A line with the header, and the claims behind it.
libfuzzer_sys::fuzz_target!(|input: &str| {
    if let Some((header, claims)) = input.split_once('\n') {
        grantor_fuzz::parsers::assertion(header, claims);
    }
});
