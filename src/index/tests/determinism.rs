//! The same input gives the same bytes, whatever the number of threads.

use super::*;

fn build(threads: usize, settings: &IndexSettings) -> BTreeMap<String, Vec<u8>> {
    let (directory, index) = memory_index(settings);
    let options = WriterOptions { threads, graph_min_documents: 100, ..WriterOptions::default() };
    let mut writer = index.writer(options).unwrap();
    for n in 0..400 {
        writer.add(document(settings, &format!("{n}"), 0)).unwrap();
        if n == 250 {
            writer.commit().unwrap();
        }
        if n % 9 == 0 {
            writer.delete(&format!("{}", n / 2)).unwrap();
        }
    }
    writer.commit().unwrap();
    files(&directory)
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    for (tokens, dense) in
        [(TokenStorage::Residual4, DenseStorage::None), (TokenStorage::Residual2, DenseStorage::I8)]
    {
        let settings = settings(tokens, dense);
        let expected = build(1, &settings);
        for threads in [1, 2, 5] {
            let found = build(threads, &settings);
            assert!(found == expected, "{threads} threads");
        }
    }
}
