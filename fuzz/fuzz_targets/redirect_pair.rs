#![no_main]

// Two lines: the registered one and the presented one.
libfuzzer_sys::fuzz_target!(|input: &str| {
    if let Some((registered, presented)) = input.split_once('\n') {
        grantor_fuzz::parsers::redirect_pair(registered, presented);
    }
});
