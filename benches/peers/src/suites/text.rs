//! BM25 over the texts of a BEIR folder.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context;
use lateen::corpus::{Queries, ReadOptions, Source};
use lateen::eval::beir::Collection;
use serde_json::json;

use crate::arguments::Arguments;
use crate::collection::lines;
use crate::quality::Quality;
use crate::suite::{Suite, write};
use crate::systems;

const K: usize = 100;

pub fn text(arguments: &Arguments) -> anyhow::Result<()> {
    let beir = arguments.beir.as_ref().context("--beir DIR is needed")?;
    let work = arguments.work.join(format!("text-{}", arguments.name));
    let data = work.join("data");
    texts(beir, &data)?;
    let (launcher, effort) = (&arguments.launcher, &arguments.effort);
    let (queries, documents) =
        (lines(&data.join("queries.txt"))?.len(), lines(&data.join("texts.txt"))?.len());
    let suite = Suite {
        launcher,
        effort,
        quality: Quality::new(&data, Vec::new())?,
        data,
        work,
        systems: systems::text(),
        k: K,
        queries,
    };
    let head = json!({ "bench": "peers-text", "collection": arguments.name, "documents": documents });
    write(&arguments.record, &suite.run(head)?)
}

/// Writes what every worker reads: a text a line, the judged queries, ids and judgements.
fn texts(beir: &Path, data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data)?;
    let collection = Collection::open(beir)?;
    let split = collection.default_split();
    let qrels = collection.qrels(split)?;
    let judged: HashSet<&str> = qrels.queries().collect();
    let (mut texts, mut ids) = (String::new(), String::new());
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    for document in Source::open(&collection.corpus, ReadOptions::default())? {
        let document = document?;
        texts += &one_line(&document.full_text());
        ids += &(document.id + "\n");
    }
    let (mut queries, mut query_ids) = (String::new(), String::new());
    for (id, text) in Queries::open(&collection.queries, ReadOptions::default())?.read_all()? {
        if judged.contains(id.as_str()) {
            queries += &one_line(&text);
            query_ids += &(id + "\n");
        }
    }
    let path = collection.splits.get(split).context("a split without a file")?;
    std::fs::copy(path, data.join("qrels.tsv"))?;
    for (name, text) in
        [("texts.txt", texts), ("ids.txt", ids), ("queries.txt", queries), ("query_ids.txt", query_ids)]
    {
        std::fs::write(data.join(name), text)?;
    }
    Ok(())
}
