//! What predicates say of documents, and what the reader of their text refuses.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn document(metadata: &Value) -> StoredDocument {
    StoredDocument {
        title: "On tides".into(),
        text: "The moon raises the sea.".into(),
        metadata: metadata.to_string(),
    }
}

fn holds(predicate: &str, metadata: &Value) -> bool {
    let predicate: Predicate = predicate.parse().unwrap();
    predicate.holds("notes/7", &document(metadata))
}

#[test]
fn every_test_says_what_its_name_says() {
    let metadata = json!({
        "year": 2024, "lang": "de", "tags": ["sea", "moon", 7], "draft": false, "gone": null, "rate": 0.5,
        "author": {"name": "Ada", "born": 1815}, "large": 9_007_199_254_740_993_u64, "a b": 1, "and": 2,
    });
    for yes in [
        "year = 2024",
        "year >= 2024 and year<=2024",
        "year > 2023.5",
        "rate < 1",
        "year != 2025",
        "lang = 'de'",
        "lang in ('en', \"de\")",
        "lang not in ('en')",
        "lang > 'da'",
        "tags = 'moon'",
        "tags = 7",
        "tags != 'sun'",
        "tags like 'mo%'",
        "draft = false",
        "draft < true",
        "not draft = true",
        "author.name = 'Ada'",
        "author.born < 1900",
        "author exists",
        "gone not exists",
        "nothing not exists",
        "nothing != 1",
        "gone != null",
        "large > 9007199254740992",
        "large = 9007199254740993",
        "`a b` = 1",
        "`and` = 2",
        "id like 'notes/%'",
        "id = 'notes/7'",
        "title = 'On tides'",
        "text like '%moon%'",
        "year = 1 or lang = 'de'",
        "NOT (year = 1 OR lang = 'en')",
        "year = 1 and lang = 'x' or draft = false",
        "rate = +5e-1",
        "year == 2024",
    ] {
        assert!(holds(yes, &metadata), "{yes}");
    }
    for no in [
        "year = '2024'",
        "lang = 2024",
        "year < 2024",
        "nothing = 1",
        "nothing < 1",
        "nothing > 1",
        "gone = null",
        "gone exists",
        "author = 'Ada'",
        "author.name.first = 'A'",
        "tags = 'sun'",
        "lang like 'D%'",
        "lang in ()",
        "large = 9007199254740992",
        "draft = 0",
        "year = 2024 and (lang = 'en' or lang = 'fr')",
        "tags != 'moon'",
        "rate like '%'",
        "id = 'notes'",
    ] {
        assert!(!holds(no, &metadata), "{no}");
    }
}

#[test]
fn metadata_that_is_no_object_counts_as_none() {
    for metadata in ["", "[1]", "{\"a\":", "7"] {
        let document = StoredDocument { metadata: metadata.into(), ..StoredDocument::default() };
        let holds = |text: &str| text.parse::<Predicate>().unwrap().holds("x", &document);
        assert!(!holds("a exists") && holds("a != 1") && holds("id = 'x'"), "{metadata}");
    }
}

#[test]
fn quotes_within_strings_are_written_twice() {
    assert!(holds("a = 'it''s'", &json!({"a": "it's"})));
    assert!(holds(r#"a = "say ""so""""#, &json!({"a": "say \"so\""})));
    assert!(holds("`a``b`.c = 1", &json!({"a`b": {"c": 1}})));
}

#[test]
fn errors_name_the_place() {
    let error = |text: &str| text.parse::<Predicate>().unwrap_err().to_string();
    let cases = [
        (
            "",
            "expected the name of a field (in ` if it is a word of the language) at byte 0 of the filter, found the end",
        ),
        (
            "year 2024",
            "expected a comparison such as `=`, or `in`, `like`, `exists` at byte 5 of the filter, found the number 2024",
        ),
        (
            "year = ",
            "expected a value: a string in quotes, a number, true, false or null at byte 7 of the filter, found the end",
        ),
        (
            "year = x",
            "expected a value: a string in quotes, a number, true, false or null at byte 7 of the filter, found `x`",
        ),
        ("(year = 1", "expected `and`, `or` or `)` at byte 9 of the filter, found the end"),
        ("year = 1 lang = 2", "expected `and`, `or` or the end at byte 9 of the filter, found `lang`"),
        ("a in (1 2)", "expected `,` or `)` at byte 8 of the filter, found the number 2"),
        ("a in 1", "expected `(` and a list of values at byte 5 of the filter, found the number 1"),
        ("a not = 1", "expected `in`, `like` or `exists` at byte 6 of the filter, found `=`"),
        ("a = 'x", "the text that begins at byte 4 of the filter has no closing '"),
        ("a = 1x", "\"1x\" at byte 4 of the filter is not a finite number"),
        ("a = 1e999", "\"1e999\" at byte 4 of the filter is not a finite number"),
        ("a = 1; b", "expected a name, a value, a sign or a parenthesis at byte 5 of the filter, found ';'"),
        (
            "and = 1",
            "expected the name of a field (in ` if it is a word of the language) at byte 0 of the filter, found `and`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |levels| format!("{}a = 1{}", "(".repeat(levels), ")".repeat(levels)).parse::<Predicate>();
    assert!(deep(60).is_ok());
    assert!(matches!(deep(100_000), Err(PredicateError::Depth { most: 64, .. })));
    assert!(matches!("not ".repeat(100).parse::<Predicate>(), Err(PredicateError::Depth { .. })));
    let long = format!("a = '{}'", "x".repeat(2 << 20));
    assert!(matches!(long.parse::<Predicate>(), Err(PredicateError::Length { .. })));
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000_i32..1_000_000).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        "[a-z'\"` %é]{0,6}".prop_map(Value::from),
    ]
}

fn predicates() -> impl Strategy<Value = Predicate> {
    let field = prop_oneof![
        Just(Field::Id),
        Just(Field::Title),
        Just(Field::Text),
        prop::collection::vec("[a-z` .]{1,4}", 1..3).prop_map(Field::Metadata),
    ];
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Less,
        Comparison::AtMost,
        Comparison::More,
        Comparison::AtLeast,
    ]);
    let test = prop_oneof![
        (comparison, values()).prop_map(|(comparison, value)| Test::Compare(comparison, value)),
        prop::collection::vec(values(), 0..3).prop_map(Test::In),
        "[a-z%_'\\\\]{0,5}".prop_map(Test::Like),
        Just(Test::Exists),
    ];
    let leaf = (field, test).prop_map(|(field, test)| Predicate::Test(field, test));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Predicate::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Predicate::Any),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(predicate in predicates()) {
        let text = predicate.to_string();
        prop_assert_eq!(text.parse::<Predicate>(), Ok(predicate), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "[ a-z0-9'\"`()=<>!.,%é\\-]{0,40}") {
        let _ = text.parse::<Predicate>();
    }
}
