#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portico_wire::fuzzing::probe(bytes));
