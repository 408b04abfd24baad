//! `lateen search --explain`, `--why` and `--html`.

use crate::workspace::Workspace;

/// The lines of `--explain` for one hit: what each token adds, and the sum.
fn sums(out: &str) -> Vec<(Vec<f64>, f64)> {
    let (mut hits, mut parts) = (Vec::new(), Vec::new());
    for line in out.lines() {
        let first = line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        match first {
            Some(value) if line.ends_with("the sum") => hits.push((std::mem::take(&mut parts), value)),
            Some(value) if line.contains(" → ") => parts.push(value),
            _ => {}
        }
    }
    hits
}

#[test]
fn what_is_printed_adds_up_to_the_score_printed() {
    let space = Workspace::indexed();
    for storage in ["4", "2", "16", "32"] {
        let index = format!("ix{storage}");
        space.run(&["index", "docs.jsonl", "--out", &index, "--bits", storage]).ok();
        let ran = space.run(&["search", &index, "when does the sea rise", "--explain"]).ok();
        let hits = sums(&ran.out);
        assert_eq!(hits.len(), 3, "{}", ran.out);
        for (parts, score) in hits {
            assert_eq!(format!("{:.4}", parts.iter().sum::<f64>()), format!("{score:.4}"), "{}", ran.out);
            assert!(ran.out.contains(&format!("  {score:.4}  ")), "{score} is no hit's score: {}", ran.out);
        }
    }
}

#[test]
fn matches_are_placed_in_bytes_and_characters() {
    let space = Workspace::new();
    space.write("docs.jsonl", "{\"_id\": \"a\", \"title\": \"Größe\", \"text\": \"The moon is groß.\"}\n");
    space.run(&["index", "docs.jsonl", "--out", "ix"]).ok();
    let hits = space.run(&["search", "ix", "moon", "--json", "--explain"]).ok().documents();
    let found = &hits[0]["hits"][0]["matches"][0];
    assert_eq!(found["document"], serde_json::json!([12, 16]));
    assert_eq!(found["document_characters"], serde_json::json!([10, 14]));
    assert_eq!(found["query_characters"], serde_json::json!([0, 4]));
    assert_eq!(hits[0]["hits"][0]["way"][0]["kept"], true);
}

#[test]
fn a_document_that_is_missed_says_why() {
    let space = Workspace::indexed();
    let told =
        space.run(&["search", "ix", "tides of the sea", "-k", "1", "--why", "bread", "--why", "moon"]).ok();
    assert!(told.out.contains("bread: it scores ") && told.out.contains("ask for more hits"), "{}", told.out);
    assert!(told.out.contains("moon: it is hit 1"), "{}", told.out);
    assert!(told.out.contains(" of 3, score "), "{}", told.out);
    let told = space
        .run(&["search", "ix", "tides of the sea", "-k", "1", "--why", "bread", "--json"])
        .ok()
        .documents();
    let standing = &told[0]["standings"][0];
    assert_eq!((&standing["fate"], &standing["ranked"]), (&"outscored".into(), &3.into()));
    space.run(&["search", "ix", "tides", "--why", "none"]).fails(2, &["none"]);
    space.run(&["search", "ix", "tides", "--why", "moon", "--format", "trec"]).fails(2, &["TREC"]);
}

#[test]
fn the_page_is_whole_and_hostile_text_stays_text() {
    let space = Workspace::new();
    let hostile =
        r#"<script>alert(1)</script> \" onmouseover=alert(2) </style></title> &lt; \u202e tides \u0000 moon"#;
    space.write(
        "docs.jsonl",
        format!("{{\"_id\": \"<img src=x>\", \"title\": \"</h2><b>\", \"text\": \"{hostile}\"}}\n"),
    );
    space.run(&["index", "docs.jsonl", "--out", "ix"]).ok();
    let query = "tides \"><script>alert(3)</script> moon";
    space.run(&["search", "ix", query, "--html", "map.html", "--explain"]).ok();
    let page = std::fs::read_to_string(space.path("map.html")).unwrap();
    for markup in ["<script", "<img", "<b>", "onmouseover=\"", "http://", "https://", "\u{202e}"] {
        assert!(!page.to_lowercase().contains(markup), "{markup} is in the page");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("<svg") && page.contains("tabindex=\"0\""));
    assert_eq!(page.matches("<style>").count(), 1);
    assert!(page.contains("prefers-color-scheme:dark") && page.contains(":focus"));
    space.run(&["search", "ix", "tides", "--html", "no/such/folder/map.html"]).fails(2, &["map.html"]);
}
