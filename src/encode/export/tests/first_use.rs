//! Checkpoints without a graph, loaded as models.

use super::*;
use crate::encode::{EncodeError, Model, ModelOptions, PairModel, PairOptions, RuntimeChoice, RuntimeSearch};

fn options(cache: &Path) -> ModelOptions {
    ModelOptions {
        runtime: RuntimeChoice::Rten,
        search: RuntimeSearch { cache: Some(cache.to_owned()), ..RuntimeSearch::nowhere() },
        max_document_tokens: Some(96),
        ..ModelOptions::default()
    }
}

/// A copy of a family's checkpoint, under a name of its own.
fn checkpoint(name: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("my-model");
    fs::create_dir(&folder).unwrap();
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixtures().join("families").join(name).join(file), folder.join(file)).unwrap();
    }
    (root, folder)
}

#[derive(Deserialize)]
struct Expected {
    ids: Vec<Vec<u32>>,
    dense: Vec<Vec<f32>>,
}

#[test]
fn checkpoints_are_converted_once_and_encode_as_transformers_does() {
    for name in ["roberta", "xlm-roberta", "distilbert", "modernbert"] {
        let (_root, folder) = checkpoint(name);
        let cache = tempfile::tempdir().unwrap();
        let model = Model::load(&folder, &options(cache.path())).unwrap();
        assert_eq!((model.name(), model.location()), ("my-model", Some(folder.as_path())));
        assert!(
            model.notes().iter().any(|note| note.starts_with("no ONNX graph: made ")),
            "{:?}",
            model.notes()
        );
        let expected: Expected = fixture(&format!("families/{name}.json"));
        let texts = texts();
        for ((text, ids), dense) in texts.iter().zip(&expected.ids).zip(&expected.dense) {
            // Text is cut before it is tokenised, so a text that is cut may end otherwise.
            if ids.len() < 96 {
                let found = &model.encode_documents_dense(&[text.as_str()]).unwrap()[0];
                let difference = largest_difference(found, dense);
                assert!(difference < TOLERANCE, "{name} {text:?}: off by {difference}");
            }
        }
        let again = Model::load(&folder, &options(cache.path())).unwrap();
        assert_eq!(again.fingerprint(), model.fingerprint());
        let note = "no ONNX graph: loaded the one made before in ";
        assert!(again.notes().iter().any(|found| found.starts_with(note)), "{:?}", again.notes());
    }
}

#[test]
fn judges_are_converted_with_their_head() {
    let (_root, folder) = checkpoint("roberta");
    let cache = tempfile::tempdir().unwrap();
    let wanted = PairOptions { model: options(cache.path()), ..PairOptions::default() };
    let judge = PairModel::load(&folder, &wanted).unwrap();
    assert!(judge.notes().iter().any(|note| note.starts_with("no ONNX graph: made ")), "{:?}", judge.notes());
}

#[test]
fn many_at_once_make_one() {
    let (_root, folder) = checkpoint("roberta");
    let cache = tempfile::tempdir().unwrap();
    let fingerprints: Vec<_> = std::thread::scope(|scope| {
        let load = || Model::load(&folder, &options(cache.path())).unwrap().fingerprint();
        let all: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|one| *one == fingerprints[0]));
    let left: Vec<_> = fs::read_dir(cache.path().join("converted")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn nothing_is_converted_unasked_and_nothing_is_left_of_failures() {
    let (_root, folder) = checkpoint("roberta");
    let cache = tempfile::tempdir().unwrap();
    let not = ModelOptions { convert: false, ..options(cache.path()) };
    assert!(matches!(Model::load(&folder, &not), Err(EncodeError::NoGraph { .. })));
    let nowhere = ModelOptions { search: RuntimeSearch::nowhere(), ..options(cache.path()) };
    assert!(matches!(Model::load(&folder, &nowhere), Err(EncodeError::NoGraph { .. })));
    assert!(!cache.path().join("converted").exists());

    let file = folder.join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    // The last number of the last tensor, in f16: not a number.
    bytes[end - 1] = 0x7e;
    fs::write(&file, bytes).unwrap();
    let error = Model::load(&folder, &options(cache.path())).unwrap_err();
    assert!(matches!(error, EncodeError::Conversion { .. }), "{error}");
    assert!(error.to_string().contains("holds a number that is not finite"), "{error}");
    let left: Vec<_> = fs::read_dir(cache.path().join("converted")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
