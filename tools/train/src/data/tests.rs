//! From files to batches.

use std::path::PathBuf;

use super::*;

/// A tokenizer of a few words and the marks of BERT, written to `folder`.
fn tokenizer(folder: &std::path::Path) -> PathBuf {
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] [Q] [D] a b c d e f g h . query doc pos neg x y z";
    let vocab: serde_json::Map<_, _> =
        words.split(' ').enumerate().map(|(at, word)| (word.to_owned(), at.into())).collect();
    let special = |id: u32, content: &str| {
        serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null,
        "added_tokens": [special(0, "[PAD]"), special(2, "[CLS]"), special(3, "[SEP]"), special(4, "[MASK]")],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"},
    });
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    path
}

fn set_of(content: &str, options: &ReadOptions) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    std::fs::write(&path, content).unwrap();
    // The file stays open, so it may be unlinked.
    DataSet::open(path, options)
}

fn set(content: &str) -> DataSet {
    set_of(content, &ReadOptions::default()).unwrap()
}

fn triplets(count: usize) -> String {
    (0..count)
        .map(|i| {
            format!(
                "{{\"query\":\"q{i} {}\",\"pos\":[\"p{i}\"],\"neg\":[\"n{i} a\",\"n{i} b\",\"n{i} c\"]}}\n",
                "a ".repeat(i % 7)
            )
        })
        .collect()
}

fn loader(content: &str, examples: Examples, options: PlanOptions) -> (tempfile::TempDir, Loader) {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = TextTokenizer::open(tokenizer(folder.path()), PaddingSide::Right).unwrap();
    let part = Part::new(set(content), examples, 1.0).unwrap();
    (folder, Loader::new(vec![part], tokenizer, options))
}

fn format() -> TextFormat {
    TextFormat { query: Side::of(8), document: Side::of(8) }
}

#[test]
fn every_format_is_known_by_its_first_row() {
    let format = |row: &str| set(row).format();
    assert_eq!(format(r#"{"query":"q","pos":["a","b"]}"#), Format::Pair);
    assert_eq!(format(r#"{"query":"q","pos":"a","page":"x"}"#), Format::Pair);
    assert_eq!(
        format(r#"{"query":"q","pos":["a"],"neg":["b"],"prompt":"p","type":"normal"}"#),
        Format::Triplet
    );
    assert_eq!(
        format(r#"{"query":"q","pos":["a"],"neg":["b"],"pos_scores":[1],"neg_scores":[0.5]}"#),
        Format::Triplet
    );
    assert_eq!(format(r#"{"query":"q","pos":["a","b"],"scores":[0.8,0.2]}"#), Format::PairScore);
    assert_eq!(format(r#"{"query":"q","pos":["a","b"],"pos_scores":[0.8,0.2]}"#), Format::PairScore);
    assert_eq!(format(r#"{"query":"q","content":"a","label":2}"#), Format::Pointwise);
    assert_eq!(format(r#"{"query":"q","content":"a","score":0.2}"#), Format::Pointwise);
    assert_eq!(
        format(r#"{"query":"q","hits":[{"content":"a","label":-1},{"content":"b","label":0}]}"#),
        Format::Grouped
    );
    assert_eq!(format(r#"{"sentence1":"a","sentence2":"b","score":4.2,"genre":"x"}"#), Format::Scored);
    assert_eq!(format(r#"{"anchor":"a","positive":"b","negative_1":"c","negative_2":"d"}"#), Format::Triplet);
    assert_eq!(format(r#"["a","b","c"]"#), Format::Triplet);
    assert_eq!(format(r#"{"texts":["a","b"]}"#), Format::Pair);
    assert_eq!(format(r#"{"text":"a","text_pos":"b"}"#), Format::Pair);
    assert_eq!(format(r#"{"query":"only a text"}"#), Format::Texts);
    assert_eq!(format("q\tpositive text\n"), Format::Pair);
    assert_eq!(format("query\tanswer\nq\tpositive text\n"), Format::Pair);
    assert_eq!(format("a\tb\t0.5\n"), Format::Scored);
}

#[test]
fn hits_may_have_scores() {
    let row =
        "{\"query\":\"q\",\"hits\":[{\"content\":\"a\",\"score\":0.5},{\"content\":\"b\",\"score\":0}]}";
    assert_eq!(set(row).read(0).unwrap().documents[0].label, Some(0.5));
}

#[test]
fn bad_rows_are_named_or_counted() {
    let good = "{\"query\":\"q\",\"pos\":[\"a\"],\"pos_scores\":[1]}\n";
    for (bad, problem) in [
        ("{\"pos\":[\"a\"],\"pos_scores\":[1]}", "no field \"query\"; the row has pos, pos_scores"),
        ("{\"query\":\"q\",\"pos\":[\"a\",\" \"],\"pos_scores\":[1,1]}", "field \"pos[1]\" is empty"),
        ("{\"query\":7,\"pos\":[\"a\"],\"pos_scores\":[1]}", "field \"query\" is a number, not a text"),
        (
            "{\"query\":\"q\",\"pos\":[\"a\"],\"pos_scores\":[1,2]}",
            "field \"pos_scores\" has 2 entries, but \"pos\" has 1",
        ),
        ("{\"query\":\"q\",\"pos\":[],\"pos_scores\":[]}", "field \"pos\" is empty"),
        (
            "{\"query\":\"q\",\"pos\":[\"a\"],\"pos_scores\":[\"x\"]}",
            "field \"pos_scores[0]\" is a text, not a number",
        ),
        ("[1]", "field \"row\" is a list, not an object"),
    ] {
        let error = set_of(&format!("{good}{bad}\n"), &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("data.jsonl:2: {problem}")), "{error}");
        let skipped =
            set_of(&format!("{good}{bad}\n{good}"), &ReadOptions { skip_bad: true, ..Default::default() });
        let skipped = skipped.unwrap();
        assert_eq!((skipped.len(), skipped.report().skipped, skipped.report().rows), (2, 1, 3));
        assert_eq!(skipped.report().problems[0].1.to_string(), problem);
    }
    let broken = set_of(&format!("{good}{{\"query\""), &ReadOptions::default()).unwrap_err();
    assert!(broken.is_row() && broken.to_string().contains(":2: not a JSON object on one line"), "{broken}");
    let unknown = set_of("{\"foo\":1}", &ReadOptions::default()).unwrap_err().to_string();
    assert!(unknown.contains("cannot tell the format from the fields foo"), "{unknown}");
    assert!(matches!(set_of("\n", &ReadOptions::default()), Err(DataError::Empty { .. })));
    let same = "{\"query\":\"q\",\"hits\":[{\"content\":\"a\",\"label\":1},{\"content\":\"b\",\"label\":1}]}";
    assert!(set_of(same, &ReadOptions::default()).unwrap_err().to_string().contains("all 2 hits"));
}

#[test]
fn labels_are_scaled_and_bounded() {
    let scale = Scale { range: Some((0.0, 2.0)) };
    let options = ReadOptions { scale, ..ReadOptions::default() };
    let set = set_of("{\"query\":\"q\",\"content\":\"a\",\"label\":1}", &options).unwrap();
    assert_eq!(set.read(0).unwrap().documents[0].label, Some(0.5));
    let error = set_of("{\"query\":\"q\",\"content\":\"a\",\"label\":3}", &options).unwrap_err().to_string();
    assert!(error.ends_with("field \"label\" is 3, outside 0..=2"), "{error}");
}

#[test]
fn names_of_fields_can_be_told() {
    let fields =
        Fields { query: Some("title".into()), positive: Some("abstract".into()), ..Fields::default() };
    let set = set_of("{\"title\":\"t\",\"abstract\":\"a\"}", &ReadOptions { fields, ..Default::default() })
        .unwrap();
    assert_eq!((set.format(), set.read(0).unwrap().query.as_str()), (Format::Pair, "t"));
}

#[test]
fn a_step_is_the_same_whenever_it_is_made() {
    let options = PlanOptions { batch: 4, bucket: 3, ..PlanOptions::default() };
    let examples = Examples::EachPositive { negatives: 2 };
    let (_a, first) = loader(&triplets(41), examples, options.clone());
    let (_b, again) = loader(&triplets(41), examples, options);
    let mut queries = std::collections::HashSet::new();
    for epoch in 0..2 {
        let (plan, same) = (first.plan(epoch).unwrap(), again.plan(epoch).unwrap());
        assert_eq!((plan.steps(), plan.left_out()), (10, 1));
        // Backwards in one, forwards in the other.
        let batches: Vec<_> =
            (0..10).rev().map(|step| first.text_batch(&plan, step, &format()).unwrap()).collect();
        for (step, batch) in batches.iter().rev().enumerate() {
            assert_eq!(batch, &again.text_batch(&same, step, &format()).unwrap());
            assert_eq!((batch.groups.ranges.len(), batch.documents.rows), (4, 12));
            assert_eq!(batch.groups.labels[..3], [1.0, 0.0, 0.0]);
            assert_eq!(batch.masked, []);
            queries.insert(batch.clone().queries.ids);
        }
        assert!(first.text_batch(&plan, 10, &format()).is_err());
    }
    assert!(queries.len() > 10, "the second epoch has other batches");
}

#[test]
fn negatives_are_drawn_anew_each_epoch() {
    let record = set(&triplets(1)).read(0).unwrap();
    let examples = Examples::EachPositive { negatives: 2 };
    let draws: Vec<Chosen> = (0..20).map(|epoch| choose(&record, examples, 0, 1, epoch, (0, 0))).collect();
    assert!(draws.iter().any(|chosen| chosen != &draws[0]));
    for chosen in &draws {
        assert!(chosen.documents[0] == 0 && chosen.documents[1] != chosen.documents[2], "{chosen:?}");
    }
    // Too few: all of them, and some again.
    let many = choose(&record, Examples::EachPositive { negatives: 5 }, 0, 1, 0, (0, 0)).documents;
    assert!(many.len() == 6 && (1..4).all(|at| many.contains(&at)), "{many:?}");
}

#[test]
fn what_answers_a_query_is_no_negative() {
    // The second row's negative is the first's positive; both rows ask the same; the third's positive is alike.
    let content = "{\"query\":\"a\",\"pos\":[\"b\"],\"neg\":[\"x\"]}\n{\"query\":\"a\",\"pos\":[\"c\"],\"neg\":[\"b\"]}\n\
        {\"query\":\"d\",\"pos\":[\"b\"],\"neg\":[\"y\"]}\n";
    let options =
        PlanOptions { batch: 3, shuffle: false, bucket: 0, no_duplicates: false, ..PlanOptions::default() };
    let (_folder, loader) = loader(content, Examples::EachPositive { negatives: 1 }, options);
    let batch = loader.text_batch(&loader.plan(0).unwrap(), 0, &format()).unwrap();
    // Documents: b x | c b | b y.
    assert_eq!(batch.masked, [(0, 2), (0, 3), (0, 4), (1, 0), (1, 3), (1, 4), (2, 0), (2, 3)]);
}

#[test]
fn copies_are_kept_apart() {
    let content: String =
        (0..12).map(|i| format!("{{\"query\":\"q{i}\",\"pos\":[\"p{}\"]}}\n", i % 4)).collect();
    let options = PlanOptions { batch: 4, ..PlanOptions::default() };
    let (_folder, loader) = loader(&content, Examples::EachPositive { negatives: 0 }, options);
    for epoch in 0..5 {
        let plan = loader.plan(epoch).unwrap();
        assert!(plan.steps() >= 2 && plan.steps() * 4 + plan.left_out() == 12);
        for step in 0..plan.steps() {
            assert_eq!(loader.text_batch(&plan, step, &format()).unwrap().masked, []);
        }
    }
}

#[test]
fn groups_hold_every_hit_and_two_labels() {
    let hits: Vec<String> =
        (0..11).map(|i| format!("{{\"content\":\"h{i}\",\"label\":{}}}", i / 9)).collect();
    let record = set(&format!("{{\"query\":\"q\",\"hits\":[{}]}}", hits.join(","))).read(0).unwrap();
    for epoch in 0..20 {
        let groups: Vec<Chosen> = (0..3)
            .map(|part| choose(&record, Examples::Groups { size: 4 }, part, 7, epoch, (0, 0)))
            .collect();
        for group in &groups {
            assert_eq!(group.documents.len(), 4);
            assert!(group.labels[0] > group.labels[3], "{group:?}");
        }
    }
}

#[test]
fn weights_say_how_often_a_set_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = TextTokenizer::open(tokenizer(folder.path()), PaddingSide::Right).unwrap();
    let part =
        |weight| Part::new(set(&triplets(8)), Examples::EachPositive { negatives: 1 }, weight).unwrap();
    let options = PlanOptions { batch: 2, ..PlanOptions::default() };
    let loader = Loader::new(vec![part(0.5), part(2.0)], tokenizer, options);
    let mut counts = [[0; 8]; 2];
    for epoch in 0..2 {
        let plan = loader.plan(epoch).unwrap();
        assert_eq!(plan.steps(), 10);
        for step in 0..10 {
            let batch = plan.batch(step).unwrap();
            assert!(batch.iter().all(|&(set, _)| set == batch[0].0), "a batch is of one set");
            batch.iter().for_each(|&(set, example)| counts[set as usize][example as usize] += 1);
        }
    }
    assert_eq!(counts, [[1; 8], [4; 8]]);
}

#[test]
fn colbert_texts_have_marks_expansion_and_a_skip_list() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = TextTokenizer::open(tokenizer(folder.path()), PaddingSide::Right).unwrap();
    let query = Side { prefix: tokenizer.id("[Q]"), expand: true, ..Side::of(7) };
    let tokens = tokenizer.texts(&[(None, "a b"), (Some("query "), "a b c d e f")], &query).unwrap();
    assert_eq!(tokens.ids, [2, 5, 7, 8, 3, 4, 4, 2, 5, 16, 7, 8, 9, 3]);
    assert_eq!(tokens.mask, [1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(tokens.counted, [1; 14]);
    let document = Side { prefix: tokenizer.id("[D]"), skip: vec![15], ..Side::of(7) };
    let tokens = tokenizer.texts(&[(None, "a . b"), (None, "a")], &document).unwrap();
    assert_eq!((tokens.rows, tokens.width), (2, 6));
    assert_eq!(tokens.ids, [2, 6, 7, 15, 8, 3, 2, 6, 7, 3, 0, 0]);
    assert_eq!(tokens.mask, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(tokens.counted, [1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert!(matches!(tokenizer.texts(&[], &Side::of(2)), Err(DataError::NoRoom { taken: 2, .. })));
}

#[test]
fn pairs_cut_the_document_and_never_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = tokenizer(folder.path());
    let tokenizer = TextTokenizer::open(&path, PaddingSide::Right).unwrap();
    let pair = |shape, max_tokens| PairFormat {
        shape,
        query: "query {}".into(),
        document: "doc {}".into(),
        max_tokens,
    };
    let tokens = tokenizer.pairs(&[("a", "b c d e f"), ("a", "b")], &pair(PairShape::Template, 8)).unwrap();
    assert_eq!(tokens.ids, [2, 16, 7, 3, 17, 8, 9, 3, 2, 16, 7, 3, 17, 8, 3, 0]);
    assert_eq!(tokens.types, [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0]);
    let left = TextTokenizer::open(&path, PaddingSide::Left).unwrap();
    let joined = || PairShape::Joined { separator: "x".into(), end: "y z".into() };
    let tokens = left.pairs(&[("a", "b c d e f"), ("a", "b")], &pair(joined(), 8)).unwrap();
    assert_eq!(tokens.ids, [16, 7, 20, 17, 8, 9, 21, 22, 0, 16, 7, 20, 17, 8, 21, 22]);
    // A query that would leave no room is cut to three quarters of it.
    let tokens = left.pairs(&[("a b c d e f g h", "c")], &pair(joined(), 7)).unwrap();
    assert_eq!(tokens.ids, [16, 7, 8, 20, 17, 21, 22]);
    assert!(left.pairs(&[("a", "b")], &pair(joined(), 4)).is_err());
}

#[test]
fn vectors_stand_beside_their_texts() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let write = |path: &PathBuf, numbers: &[f32]| {
        std::fs::write(path, numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    };
    write(&one, &[3.0, 0.0, 0.0]);
    write(&two, &[0.0, 4.0, 1.0, 0.0, 0.0, 0.0]);
    let texts = || set("{\"query\":\"a\"}\n{\"query\":\"b\"}\n{\"query\":\"c\"}\n");
    let part = || Part::new(texts(), Examples::Text, 1.0).unwrap();
    let files = [(one.clone(), 1), (two, 2)];
    let tokenizer = TextTokenizer::open(tokenizer(folder.path()), PaddingSide::Right).unwrap();
    let options = PlanOptions { batch: 2, shuffle: false, drop_last: false, ..PlanOptions::default() };
    let loader = Loader::new(vec![part().with_vectors(&files, false).unwrap()], tokenizer, options);
    let plan = loader.plan(0).unwrap();
    let batch = loader.vector_batch(&plan, 0, &Side::of(8)).unwrap();
    assert_eq!((batch.dim, batch.teacher), (3, vec![0.6, 0.0, 0.8, 0.0, 1.0, 0.0]));
    assert!(matches!(loader.vector_batch(&plan, 1, &Side::of(8)), Err(DataError::BadVector { row: 2, .. })));
    assert!(matches!(
        part().with_vectors(&[(one, 2)], false),
        Err(DataError::Vectors { needed: 24, found: 12, .. })
    ));
}

#[test]
fn a_beir_folder_is_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("qrels")).unwrap();
    write("queries.jsonl", "{\"_id\":\"1\",\"text\":\"q one\"}\n{\"_id\":\"2\",\"text\":\"q two\"}\n");
    write("corpus.jsonl", "{\"_id\":\"a\",\"title\":\"t\",\"text\":\"x\"}\n{\"_id\":\"b\",\"text\":\"y\"}\n");
    write("qrels/train.tsv", "query-id\tcorpus-id\tscore\n1\tb\t0\n1\ta\t1\n2\tb\t0\n");
    let set = DataSet::open(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!((set.len(), set.format()), (1, Format::Triplet));
    let record = set.read(0).unwrap();
    assert_eq!((record.query.as_str(), record.documents[0].text.as_str()), ("q one", "t x"));
    assert_eq!(record.documents[1].role, Role::Negative);
}

#[test]
fn pieces_are_shuffled_and_none_is_lost() {
    let text: String = (0..40).map(|i| format!("word{i} ")).collect();
    let shuffled: Vec<String> = (0..10)
        .map(|epoch| shuffle_text(text.clone(), 1.0, &mut Dice::new(1, Purpose::Shuffle, &[epoch])))
        .collect();
    assert!(shuffled.iter().any(|other| other[..20] != text[..20]));
    let mut letters: Vec<char> = shuffled[0].chars().filter(|c| *c != ' ').collect();
    let mut before: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    letters.sort_unstable();
    before.sort_unstable();
    assert_eq!(letters, before);
    assert_eq!(shuffle_text("short".into(), 1.0, &mut Dice::new(1, Purpose::Shuffle, &[])), "short");
}

/// Real files with the formats of other trainers, where they are to be had.
#[test]
fn example_files_load_unchanged() {
    let Some(pairs) = shared("pairs") else { return };
    let open = |name: &str| DataSet::open(pairs.join(name), &ReadOptions::default()).unwrap();
    let t2 = open("t2ranking-100/t2rank_100.jsonl.gz");
    assert_eq!((t2.len(), t2.format()), (100, Format::Triplet));
    assert_eq!(Part::new(t2, Examples::EachPositive { negatives: 5 }, 1.0).unwrap().examples(), 505);
    let scored = open("t2ranking-100/t2rank_100.distill.standard.jsonl.gz");
    assert_eq!((scored.len(), scored.format()), (100, Format::PairScore));
    assert_eq!(Part::new(scored, Examples::EachDocument, 1.0).unwrap().examples(), 2_005);
    let nq = open("flagembedding-examples/nq.jsonl.gz");
    let record = nq.read(0).unwrap();
    assert_eq!((nq.len(), nq.format(), record.documents.len()), (10, Format::Triplet, 101));
    assert_eq!(record.documents[0].label, Some(98.625));
    assert!(record.prompt.unwrap().starts_with("Given a question"));
    let selqa = pairs.join("selqa/test.jsonl.gz");
    let empty = DataSet::open(&selqa, &ReadOptions::default()).unwrap_err().to_string();
    assert!(empty.ends_with("test.jsonl.gz:2: field \"neg[0]\" is empty"), "{empty}");
    let selqa = DataSet::open(selqa, &ReadOptions { skip_bad: true, ..ReadOptions::default() }).unwrap();
    assert_eq!((selqa.format(), selqa.report().rows), (Format::Triplet, 1_590));
    assert_eq!(selqa.len() as u64 + selqa.report().skipped, 1_590);
    assert_eq!(open("stsb-en/dev.jsonl.gz").format(), Format::Scored);
    assert_eq!(open("tldr/zh.jsonl.gz").len(), 5_609);
    let fields = Fields { query: Some("en".into()), positive: Some("zh".into()), ..Fields::default() };
    let options = ReadOptions { fields, ..ReadOptions::default() };
    assert_eq!(DataSet::open(pairs.join("tatoeba-en-zh/pairs.jsonl.gz"), &options).unwrap().len(), 21_007);
}

fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LATEEN_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let path = root.join(name);
    if !path.exists() {
        eprintln!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}
