//! What files of comparisons may say.

use super::*;

const GOOD: &str = r#"
out = "results"
[[collection]]
name = "notes"
path = "beir"
[[system]]
name = "words"
kind = "bm25"
[[system]]
name = "tokens"
kind = "late-interaction"
model = "bundled"
bits = "2"
recall = "0.95"
[[system]]
name = "both"
kind = "fused"
of = ["words", "tokens"]
[[system]]
name = "judged"
kind = "reranked"
of = ["both"]
judge = "late:models/x"
"#;

fn read(text: &str) -> anyhow::Result<Study> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    std::fs::write(&path, text).unwrap();
    Study::open(&path)
}

#[test]
fn paths_are_seen_from_the_file() {
    let study = read(GOOD).unwrap();
    assert!(study.collections[0].path.is_absolute() && study.out.ends_with("results"));
    assert_eq!((study.baseline(), study.depth), ("words", 100));
    let judge = study.systems[3].judge.as_deref().unwrap();
    assert!(judge.starts_with("late:/") && judge.ends_with("models/x"), "{judge}");
    assert_eq!(study.systems[1].model.as_deref(), Some("bundled"));
}

#[test]
fn paths_may_name_the_environment() {
    assert_eq!(expand("a/b").unwrap(), "a/b");
    let path = std::env::var("PATH").unwrap();
    assert_eq!(expand("x/${PATH}/y${PATH}").unwrap(), format!("x/{path}/y{path}"));
    assert!(expand("${NO_SUCH_VARIABLE_AT_ALL}").unwrap_err().to_string().contains("NO_SUCH_VARIABLE"));
    assert_eq!(expand("${open").unwrap(), "${open");
}

#[test]
fn what_does_not_fit_is_said() {
    for (from, to, words) in [
        ("bits = \"2\"", "bits = \"3\"", "ternary"),
        ("recall = \"0.95\"", "recall = \"7\"", "recall"),
        ("kind = \"bm25\"", "kind = \"bm25\"\nbits = \"4\"", "`bits` has no meaning"),
        ("model = \"bundled\"", "", "`model` is missing"),
        ("of = [\"words\", \"tokens\"]", "of = [\"words\"]", "two systems"),
        ("of = [\"both\"]", "of = [\"nobody\"]", "no system \"nobody\""),
        ("name = \"tokens\"", "name = \"words\"", "two systems are called"),
        ("name = \"tokens\"", "name = \"../x\"", "letters"),
        ("out = \"results\"", "out = \"results\"\nbaseline = \"x\"", "no system \"x\""),
        ("out = \"results\"", "out = \"results\"\nmetrics = [\"bleu\"]", "bleu"),
        ("out = \"results\"", "out = \"results\"\ncache-size = \"x\"", "cache-size"),
        ("out = \"results\"", "out = \"results\"\nspeed = 1", "line"),
        ("kind = \"fused\"", "kind = \"mixed\"", "late-interaction"),
    ] {
        assert!(GOOD.contains(from));
        let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(format!("{error:#}").contains(words), "{words}: {error:#}");
    }
}
