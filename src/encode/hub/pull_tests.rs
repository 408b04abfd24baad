//! Fetching against a server on this machine.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::http_stub::{Answer, Asked, Stub};
use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "hf_secret";

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn weights() -> Vec<u8> {
    (0..200_000_u32).flat_map(|at| (at.wrapping_mul(2_654_435_761)).to_le_bytes()).collect()
}

/// The list of a model with a small and a large file; `sum` is what the large one is said to have.
fn listing(sum: &str) -> Answer {
    let small = b"{}";
    let git = hexadecimal(&Sha1::digest([&b"blob 2\0"[..], small].concat()));
    let files = serde_json::json!([
        {"rfilename": "config.json", "size": 2, "blobId": git},
        {"rfilename": "pytorch_model.bin", "size": 9, "blobId": "0".repeat(40)},
        {"rfilename": "onnx/model.onnx", "size": 800_000, "blobId": "1".repeat(40),
            "lfs": {"sha256": sum, "size": 800_000, "pointerSize": 134}},
    ]);
    Answer::new(200, serde_json::json!({"sha": COMMIT, "siblings": files}).to_string())
}

fn sum_of(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A part of a body from where a range begins.
fn part(asked: &Asked, body: &[u8]) -> Answer {
    let from =
        asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match from {
        None => Answer::new(200, body),
        Some(from) => Answer::new(206, &body[from..])
            .with("content-range", format!("bytes {from}-{}/{}", body.len() - 1, body.len())),
    }
}

fn puller(cache: &Path, endpoint: &str) -> Puller {
    let options = PullOptions {
        endpoint: endpoint.to_owned(),
        token: Some(TOKEN.to_owned()),
        timeout: Duration::from_secs(5),
        ..PullOptions::default()
    };
    Puller::new(HubCache::at(cache), options)
}

fn id() -> HubId {
    HubId::parse("org/name").unwrap()
}

#[test]
fn a_model_comes_into_the_cache_and_its_token_stays_with_the_hub() {
    // The large file lies on another host.
    let elsewhere = Stub::start(|asked| Some(part(asked, &weights())));
    let there = elsewhere.url.clone();
    let hub = Stub::start(move |asked| {
        Some(match asked.path.as_str() {
            path if path.starts_with("/api/models/org/name/revision/main") => listing(&sum_of(&weights())),
            path if path.ends_with("/config.json") => Answer::new(200, "{}"),
            _ => Answer::new(302, "").with("location", format!("{there}/blob?signed")),
        })
    });
    let made = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let puller = puller(made.path(), &hub.url);
    let pulled = puller.pull(&id(), &mut |at, all| told.push((at, all))).unwrap();
    assert_eq!((pulled.commit.as_str(), pulled.files, pulled.fetched), (COMMIT, 2, 800_002));
    assert_eq!(told.last(), Some(&(800_002, 800_002)));
    assert!(told.is_sorted() && told.len() > 3);
    assert_eq!(locate("org/name", &HubCache::at(made.path())).unwrap(), pulled.directory);
    assert_eq!(std::fs::read(pulled.directory.join("onnx/model.onnx")).unwrap(), weights());
    assert!(!pulled.directory.join("pytorch_model.bin").exists(), "pickles are never fetched");
    let bearer = format!("Bearer {TOKEN}");
    assert!(hub.asked().iter().all(|asked| asked.header("authorization") == Some(&bearer)));
    assert!(elsewhere.asked().iter().all(|asked| asked.header("authorization").is_none()));
    assert_eq!(elsewhere.asked().len(), 1);
    // What is there is not fetched again.
    let again = puller.pull(&id(), &mut |_, _| ()).unwrap();
    assert_eq!((again.fetched, again.directory), (0, pulled.directory));
    assert!(!format!("{puller:?}").contains(TOKEN), "a token is never shown");
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let hub = Stub::start(|asked| {
        Some(match asked.path.as_str() {
            path if path.starts_with("/api/") => listing(&sum_of(&weights())),
            path if path.ends_with("/config.json") => Answer::new(200, "{}"),
            _ => {
                let mut answer = part(asked, &weights());
                if TRIES.fetch_add(1, Ordering::SeqCst) < 2 {
                    answer.breaks_after = Some(300_000);
                }
                answer
            }
        })
    });
    let made = tempfile::tempdir().unwrap();
    let pulled = puller(made.path(), &hub.url).pull(&id(), &mut |_, _| ()).unwrap();
    assert_eq!(std::fs::read(pulled.directory.join("onnx/model.onnx")).unwrap(), weights());
    assert_eq!(pulled.fetched, 800_002, "nothing comes twice");
    let ranges: Vec<_> =
        hub.asked().iter().filter_map(|asked| asked.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, ["bytes=300000-", "bytes=600000-"]);
}

#[test]
fn bytes_of_an_earlier_call_are_used_and_a_server_without_ranges_begins_anew() {
    for ranges in [true, false] {
        let hub = Stub::start(move |asked| {
            Some(match asked.path.as_str() {
                path if path.starts_with("/api/") => listing(&sum_of(&weights())),
                path if path.ends_with("/config.json") => Answer::new(200, "{}"),
                _ if ranges => part(asked, &weights()),
                _ => Answer::new(200, weights()),
            })
        });
        let made = tempfile::tempdir().unwrap();
        let blobs = made.path().join("models--org--name/blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        let sum = sum_of(&weights());
        std::fs::write(blobs.join(format!("{sum}.incomplete")), &weights()[..1000]).unwrap();
        let pulled = puller(made.path(), &hub.url).pull(&id(), &mut |_, _| ()).unwrap();
        assert_eq!(std::fs::read(pulled.directory.join("onnx/model.onnx")).unwrap(), weights());
        assert_eq!(pulled.fetched, if ranges { 799_002 } else { 800_002 });
    }
}

#[test]
fn damaged_files_never_count() {
    let hub = Stub::start(|asked| {
        Some(match asked.path.as_str() {
            path if path.starts_with("/api/") => listing(&"f".repeat(64)),
            path if path.ends_with("/config.json") => Answer::new(200, "{}"),
            _ => Answer::new(200, weights()),
        })
    });
    let made = tempfile::tempdir().unwrap();
    let refused = puller(made.path(), &hub.url).pull(&id(), &mut |_, _| ()).unwrap_err();
    assert!(matches!(&refused, PullError::Checksum { file, .. } if file == "onnx/model.onnx"), "{refused}");
    assert!(locate("org/name", &HubCache::at(made.path())).is_err(), "the model is not visible");
    let blobs = std::fs::read_dir(made.path().join("models--org--name/blobs")).unwrap();
    assert_eq!(blobs.count(), 1, "the damaged file is gone");
}

#[test]
fn trouble_is_told_by_its_kind() {
    let answers = |answer: Answer| {
        let hub = Stub::start(move |_| Some(answer.clone()));
        let made = tempfile::tempdir().unwrap();
        puller(made.path(), &hub.url).pull(&id(), &mut |_, _| ()).unwrap_err()
    };
    assert!(matches!(answers(Answer::new(401, "")), PullError::Status { status: 401, .. }));
    assert!(matches!(answers(Answer::new(404, "")), PullError::Status { status: 404, .. }));
    assert!(matches!(answers(Answer::new(200, "<html>")), PullError::Listing { .. }));
    for location in ["file:///etc/passwd", "//elsewhere/x", "", "ftp://x/y"] {
        let refused = answers(Answer::new(302, "").with("location", location));
        assert!(matches!(refused, PullError::Redirect { .. }), "{location}: {refused}");
    }
    let round = answers(Answer::new(302, "").with("location", "/again"));
    assert!(matches!(round, PullError::Redirect { .. }), "{round}");
    let hostile = serde_json::json!({"sha": COMMIT, "siblings":
        [{"rfilename": "../../x", "size": 1, "blobId": "0".repeat(40)}]});
    assert!(matches!(answers(Answer::new(200, hostile.to_string())), PullError::Listing { .. }));
    let made = tempfile::tempdir().unwrap();
    let refused = puller(made.path(), "http://127.0.0.1:1").pull(&id(), &mut |_, _| ()).unwrap_err();
    assert!(matches!(refused, PullError::Unreachable { .. }), "{refused}");
    let offline = Puller::new(HubCache::at(made.path()).offline(), PullOptions::default());
    assert!(matches!(offline.pull(&id(), &mut |_, _| ()), Err(PullError::Offline { .. })));
}

#[test]
fn models_larger_than_the_limit_are_refused_before_a_byte_comes() {
    let hub = Stub::start(|_| Some(listing(&"f".repeat(64))));
    let made = tempfile::tempdir().unwrap();
    let options = PullOptions { endpoint: hub.url.clone(), limit: 1000, ..PullOptions::default() };
    let refused = Puller::new(HubCache::at(made.path()), options).pull(&id(), &mut |_, _| ()).unwrap_err();
    assert!(matches!(refused, PullError::TooLarge { bytes: 800_002, limit: 1000 }), "{refused}");
    assert_eq!(hub.asked().len(), 1);
}
