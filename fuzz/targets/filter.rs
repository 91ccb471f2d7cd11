#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netevd_worker::fuzzing::filter(bytes));
