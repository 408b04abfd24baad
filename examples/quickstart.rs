//! Indexes four notes, asks a question, and shows which words answered it.
//!
//! Run it with `cargo run --release --example quickstart`.

use std::sync::Arc;

use lateen::corpus::Document;
use lateen::encode::{Model, ModelOptions};
use lateen::retriever::{CreateOptions, Retriever, WriteOptions};
use lateen::search::SearchOptions;

const NOTES: [(&str, &str); 4] = [
    ("tides", "The pull of the moon raises the sea twice a day; when the sun helps, the tide is highest."),
    ("bread", "Yeast eats the sugar of the dough and breathes out gas, whose bubbles make the loaf rise."),
    ("sails", "A lateen is a triangular sail on a slanting yard, which lets a boat sail closer to the wind."),
    ("steel", "Quenching hot steel makes it hard and brittle; tempering it afterwards gives toughness back."),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("lateen-quickstart-{}", std::process::id()));
    let model = Arc::new(Model::nano(&ModelOptions::default())?);

    let retriever = Retriever::create(&folder, model, &CreateOptions::default())?;
    let mut writer = retriever.writer(&WriteOptions::default())?;
    for (id, text) in NOTES {
        writer.add(Document::new(id, text))?;
    }
    writer.commit()?;

    let query = "why does dough get bigger";
    let answer = retriever.search(query, &SearchOptions::top(2))?;
    println!("{query}  [{} on {}]", answer.report.search.plan, answer.report.search.kernel);
    for hit in &answer.hits {
        let text = hit.document.as_ref().map_or("", |document| &document.text);
        println!("{}. {:<6} {:.3}  {text}", hit.rank, hit.id, hit.score);
    }
    for found in &answer.hits[0].matches {
        let word = |text: &'static str, (start, end): (u32, u32)| text.get(start as usize..end as usize);
        let text = NOTES.iter().find(|note| note.0 == answer.hits[0].id).map_or("", |note| note.1);
        if let (Some(asked), Some(met)) = (word(query, found.query_span), word(text, found.document_span)) {
            println!("   {asked:>8} ~ {met:<10} {:.2}", found.similarity);
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
