//! Files, flags and what they may not be.

use super::*;

fn of(task: Task, name: &str, text: &str) -> Result<(RunConfig, Vec<String>), ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut settings = Settings::of(task);
    settings.file(&path)?;
    Ok((settings.finish()?, settings.notes().to_vec()))
}

fn error(task: Task, text: &str) -> String {
    of(task, "run.toml", text).unwrap_err().to_string()
}

#[test]
fn defaults_are_sound_and_round_trip() {
    for task in Task::ALL {
        let config = Settings::of(task).finish().unwrap();
        assert_eq!(config, RunConfig::of(task));
        let (again, _) = of(task, "run.toml", &config.to_toml(task)).unwrap();
        assert_eq!(again, config);
    }
}

#[test]
fn a_file_stands_over_the_defaults_and_flags_over_the_file() {
    let text = "seed = 1\n[data]\ntrain = [\"a.jsonl\", { path = \"b\", weight = 0.5, labels = [0, 2] }]\n\
        [optimizer]\nlearning_rate = 1\n";
    let (config, _) = of(Task::Embedding, "run.toml", text).unwrap();
    assert_eq!((config.seed, config.optimizer.learning_rate), (1, 1.0));
    assert_eq!((config.data.train[0].weight, config.data.train[1].weight), (1.0, 0.5));
    assert_eq!(config.data.train[1].labels, [0.0, 2.0]);
    let mut settings = Settings::of(Task::Reranker);
    for given in
        ["data.train=x.jsonl", "model.end=1", "loss.name=bce", "training.epochs = 7", "model.separator= x"]
    {
        settings.set(given).unwrap();
    }
    let config = settings.finish().unwrap();
    assert_eq!(config.data.train[0].path, Path::new("x.jsonl"));
    assert_eq!((config.model.end.as_str(), config.training.epochs), ("1", 7));
    assert!(settings.set("epochs").is_err());
}

#[test]
fn mistakes_name_their_key() {
    let embedding = |text| error(Task::Embedding, text);
    assert_eq!(embedding("sed = 1"), "there is no setting \"sed\"; did you mean seed?");
    assert_eq!(embedding("[optimizer]\nlr = 1"), "there is no setting \"optimizer.lr\"");
    assert_eq!(
        embedding("[training]\nbatchsize = 1"),
        "there is no setting \"training.batchsize\"; did you mean training.batch_size?"
    );
    assert_eq!(embedding("seed = \"x\""), "seed is a text, not a whole number");
    assert_eq!(embedding("[training]\nepochs = -1"), "training.epochs = -1 is outside 0 and above");
    assert_eq!(embedding("[training]\nepochs = 0"), "training.epochs = 0 is outside 1 to 100000");
    assert_eq!(embedding("[loss]\ntemperature = 0"), "loss.temperature = 0 is outside above 0 to 100");
    assert!(embedding("[loss]\nname = \"infonce\"").starts_with("loss.name: unknown variant `infonce`"));
    assert_eq!(embedding("[loss]\nname = \"bce\""), "loss.name: this loss does not train embedding models");
    assert_eq!(
        embedding("[model]\ndim = 5"),
        "model.dim is a setting of colbert runs, not of embedding runs"
    );
    assert_eq!(
        embedding("[[data.train]]\npath = \"a\"\nwieght = 1"),
        "there is no setting \"data.train[0].wieght\"; did you mean weight?"
    );
    assert_eq!(embedding("[[data.train]]\nweight = 1"), "data: data.train[0] has no path");
    assert!(embedding("[optimizer]\nstable = 0.5").contains("needs optimizer.schedule"));
    assert!(embedding("seed = 1\nseed = 2").contains("run.toml:2: "));
    let reranker = |text| error(Task::Reranker, text);
    assert!(reranker("[model]\nquery_format = \"x\"").contains("must hold {} once"));
    assert!(reranker("[model]\nkind = \"decoder\"\nend = \"\"").starts_with("model.end: "));
    assert!(reranker("[model]\nwords = [\"yes\", \"no\"]").contains("needs model.kind"));
    assert!(reranker("[model]\nkind = \"decoder\"\nwords = [\"yes\"]").contains("two words"));
    let codes = error(Task::Colbert, "[loss]\ncode_bits = 3");
    assert_eq!(codes, "loss.code_bits: 3 is none of 0, 1, 2, 4");
}

#[test]
fn rag_retrieval_files_are_read() {
    let text = "model_name_or_path: \"BAAI/bge-base-zh-v1.5\" # base\ntrain_dataset: \"t2rank_100.jsonl\"\n\
        neg_nums: 5\nquery_max_len: 64\npassage_max_len: 256\nlr: 1e-4\nbatch_size: 8\nsave_on_epoch_end: 1\n\
        mixed_precision: fp16\nuse_mrl: true\nmrl_dims: \"256, 512\"\nlog_with: tensorboard\nall_gather: False\n";
    let (config, notes) = of(Task::Embedding, "run.yaml", text).unwrap();
    assert_eq!(config.model.base, Path::new("BAAI/bge-base-zh-v1.5"));
    assert_eq!((config.model.query_max_tokens, config.model.document_max_tokens), (64, 256));
    assert_eq!((config.optimizer.learning_rate, config.data.negatives), (1e-4, 5));
    assert_eq!(config.model.mrl_dims, [256, 512]);
    assert!(config.log.tensorboard && !config.loss.gather && notes.len() == 1);
    let text = "model_type: llm_decoder\nmodel_name_or_path: q\ntrain_dataset: g.jsonl\ntrain_dataset_type: grouped\n\
        train_label_key: gpt\nmax_label: 2\nmin_label: 0\nloss_type: pairwise_ranknet\nstable_proportion: 0.5\n\
        seq: \"\\n\"\nspecial_token: \"\\nrelevance\"\nquery_format: \"query: {}\"\ndocument_format: \"document: {}\"\n\
        num_labels: 1\nmax_len: 512\ntrain_group_size: 10\n";
    let (config, _) = of(Task::Reranker, "run.yml", text).unwrap();
    assert_eq!((config.model.kind, config.loss.name), (ModelKind::Decoder, LossName::RankNet));
    assert_eq!((config.optimizer.schedule, config.optimizer.stable), (ScheduleName::Wsd, 0.5));
    assert_eq!(config.data.train[0].fields.label.as_deref(), Some("gpt"));
    assert_eq!(config.data.train[0].labels, [0.0, 2.0]);
    let text = "train_type: distill\ntrain_dataset: t.jsonl\ntrain_dataset_vec: t.mmap\nteacher_embedding_dim: 3584\n";
    let (config, _) = of(Task::Embedding, "run.yaml", text).unwrap();
    assert_eq!(
        (config.loss.name, config.data.train[0].vector_dims.as_slice()),
        (LossName::Stella, &[3584][..])
    );
    let unknown = of(Task::Embedding, "run.yaml", "neg_num: 5").unwrap_err().to_string();
    assert_eq!(unknown, "there is no setting \"neg_num\"; did you mean neg_nums?");
}

#[test]
fn the_digest_is_of_what_changes_the_numbers() {
    let (mut config, base) = (RunConfig::of(Task::Embedding), RunConfig::of(Task::Embedding).digest());
    config.output = "elsewhere".into();
    config.log.every_steps = 1;
    assert_eq!(config.digest(), base);
    config.seed = 1;
    assert_ne!(config.digest(), base);
}

/// The rows of a table in the documentation that begin with a key.
fn documented(heading: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../../../docs/training.md");
    let section = page.split(heading).nth(1).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    section.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

#[test]
fn the_documentation_lists_every_key_and_default() {
    let mut documented = documented("\n## Settings");
    // The table of losses has fewer columns.
    documented.retain(|row| row.len() == 5);
    let mut expected: Vec<(String, [String; 3])> = Vec::new();
    for (at, task) in Task::ALL.into_iter().enumerate() {
        for (key, value) in keys::flatten(&keys::table(&RunConfig::of(task))) {
            if !keys::tasks_of(&key).contains(&task) {
                continue;
            }
            let place = expected.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
                expected.push((key.clone(), std::array::from_fn(|_| "—".to_owned())));
                expected.len() - 1
            });
            expected[place].1[at] = format!("`{}`", keys::text(&value));
        }
    }
    for (key, defaults) in &expected {
        let row = documented.iter().find(|row| row[0] == format!("`{key}`"));
        let row = row.unwrap_or_else(|| panic!("{key} is not documented"));
        assert_eq!(row[1..4], defaults[..], "{key}");
        assert!(!row[4].is_empty(), "{key} has no meaning");
    }
    assert_eq!(documented.len(), expected.len());
}

#[test]
fn the_documentation_lists_every_key_of_rag_retrieval() {
    let documented = documented("\n## RAG-Retrieval");
    let mapping = rag_retrieval::mapping();
    for (key, ours) in &mapping {
        let row = documented.iter().find(|row| row[0] == format!("`{key}`"));
        let row = row.unwrap_or_else(|| panic!("{key} is not documented"));
        if let Some(ours) = ours {
            assert_eq!(row[1], format!("`{ours}`"), "{key}");
        }
    }
    assert_eq!(documented.len(), mapping.len());
}

/// Writes what the documentation's table is made of: `cargo test -- --ignored --nocapture settings_as_files`.
#[test]
#[ignore = "a tool, not a test"]
fn settings_as_files() {
    for task in Task::ALL {
        println!("# {}\n{}", task.name(), RunConfig::of(task).to_toml(task));
    }
}
