#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lateen_fuzz::engine::parquet(data));
