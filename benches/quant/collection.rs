//! A collection as token vectors, its queries, and what they find in it.

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use lateen::eval::{Measure, Metric, Qrels, Run, evaluate};
use lateen::kernel::{Isa, QueryF32};
use lateen::quant::{Pooling, PoolingOptions, TokenRows};
use lateen::types::{TokenMatrix, TokenMatrixBuf};
use rayon::prelude::*;

use super::Codec;
use super::support::encoded::Encoded;

/// Token vectors of all documents, in half precision.
#[derive(Default)]
pub struct Collection {
    rows: Vec<f16>,
    dim: usize,
    pub token_ids: Vec<u32>,
    ends: Vec<usize>,
    ids: Vec<String>,
    queries: Vec<(String, TokenMatrixBuf)>,
    qrels: BTreeMap<String, Vec<(String, i32)>>,
}

/// The best documents of every query.
pub struct Judged {
    best: Vec<Vec<(u32, f32)>>,
    pub mean_cosine: f64,
}

/// How many documents of a ranking are kept.
const DEPTH: usize = 100;

impl TokenRows for Collection {
    fn len(&self) -> usize {
        self.rows()
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn copy_row(&self, row: usize, out: &mut [f32]) {
        self.rows[row * self.dim..(row + 1) * self.dim].convert_to_f32_slice(out);
    }
}

impl Collection {
    /// Reads a folder; takes at most `most` of the judged queries, evenly over all.
    pub fn open(folder: &Path, most: usize) -> anyhow::Result<Self> {
        let encoded = Encoded::open(folder, usize::MAX)?;
        let qrels = Qrels::open(folder.join("qrels.tsv"))?;
        let judged = encoded.query_ids.into_iter().zip(encoded.queries);
        let judged: Vec<_> =
            judged.filter(|(id, query)| qrels.judgements(id).len() > 0 && !query.view().is_empty()).collect();
        let step = judged.len().div_ceil(most.max(1)).max(1);
        let queries: Vec<_> = judged.into_iter().step_by(step).collect();
        let mut collection = Self { dim: encoded.dim, ids: encoded.ids, ..Self::default() };
        for (id, _) in &queries {
            let grades = qrels.judgements(id).map(|(document, grade)| (document.to_owned(), grade));
            collection.qrels.insert(id.clone(), grades.collect());
        }
        collection.queries = queries;
        for document in encoded.documents {
            collection.push(document.matrix.view(), &document.token_ids);
        }
        Ok(collection)
    }

    fn push(&mut self, matrix: TokenMatrix<'_>, token_ids: &[u32]) {
        self.rows.extend(matrix.as_slice().iter().map(|&x| f16::from_f32(x)));
        self.token_ids.extend_from_slice(token_ids);
        self.ends.push(self.rows.len() / self.dim);
    }

    pub fn rows(&self) -> usize {
        self.rows.len() / self.dim.max(1)
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn documents(&self) -> usize {
        self.ends.len()
    }

    pub fn queries(&self) -> usize {
        self.queries.len()
    }

    fn document(&self, document: usize) -> std::ops::Range<usize> {
        (if document == 0 { 0 } else { self.ends[document - 1] })..self.ends[document]
    }

    /// The same documents with about one row for `factor` tokens.
    pub fn pooled(&self, factor: usize) -> anyhow::Result<Self> {
        let options = PoolingOptions::with_factor(factor);
        let pooled = (0..self.documents()).into_par_iter().map(|document| {
            let rows = self.document(document);
            let mut data = vec![0.0; rows.len() * self.dim];
            self.rows[rows.start * self.dim..rows.end * self.dim].convert_to_f32_slice(&mut data);
            let matrix = TokenMatrixBuf::new(data, self.dim)?;
            let pooling = Pooling::of(matrix.view(), &options);
            let means = pooling.means(matrix.view())?;
            let nearest = pooling.representatives(matrix.view(), means.view());
            let ids = nearest.iter().map(|&row| self.token_ids[rows.start + row as usize]).collect();
            anyhow::Ok((means, ids))
        });
        let pooled: Vec<(TokenMatrixBuf, Vec<u32>)> = pooled.collect::<Result<_, _>>()?;
        let mut collection = Self {
            dim: self.dim,
            ids: self.ids.clone(),
            queries: self.queries.clone(),
            qrels: self.qrels.clone(),
            ..Self::default()
        };
        pooled.iter().for_each(|(means, ids)| collection.push(means.view(), ids));
        Ok(collection)
    }

    /// Scores every document for every query after `codec`.
    pub fn judge(&self, codec: &dyn Codec) -> Judged {
        let packed: Vec<QueryF32> =
            self.queries.iter().map(|(_, query)| QueryF32::pack(Isa::detect(), query.view())).collect();
        let scored: Vec<(Vec<f32>, f64)> = (0..self.documents())
            .into_par_iter()
            .map(|document| {
                let (rows, cosine) = self.restored(document, codec);
                (packed.iter().map(|query| query.maxsim(&rows)).collect(), cosine)
            })
            .collect();
        let best = (0..self.queries.len()).into_par_iter().map(|query| {
            let mut order: Vec<(u32, f32)> =
                (0..).zip(scored.iter().map(|(scores, _)| scores[query])).collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            order.truncate(DEPTH);
            order
        });
        let cosine = scored.iter().map(|(_, cosine)| cosine).sum::<f64>();
        Judged { best: best.collect(), mean_cosine: cosine / self.rows().max(1) as f64 }
    }

    /// A document's rows as decoded, and the sum of their cosines with the rows as they were.
    fn restored(&self, document: usize, codec: &dyn Codec) -> (Vec<f32>, f64) {
        let tokens = self.document(document);
        let mut rows = vec![0.0; tokens.len() * self.dim];
        let mut given = vec![0.0; self.dim];
        let mut cosine = 0.0;
        for (token, row) in tokens.zip(rows.chunks_exact_mut(self.dim)) {
            self.copy_row(token, &mut given);
            row.copy_from_slice(&given);
            codec.restore(token, row);
            let product: f32 = row.iter().zip(&given).map(|(a, b)| a * b).sum();
            let square: f32 = row.iter().map(|x| x * x).sum();
            cosine += f64::from(product) / f64::from(square).sqrt().max(1e-9);
        }
        (rows, cosine)
    }

    /// nDCG@10 of what was found.
    pub fn ndcg(&self, judged: &Judged) -> Option<f64> {
        const NDCG: Metric = Metric::at(Measure::Ndcg, 10);
        let mut qrels = Qrels::new();
        for (query, grades) in &self.qrels {
            for (document, grade) in grades {
                qrels.insert(query, document, *grade);
            }
        }
        let mut run = Run::new();
        for ((query, _), best) in self.queries.iter().zip(&judged.best) {
            let hits = best.iter().map(|&(document, score)| (self.ids[document as usize].clone(), score));
            run.insert_ranked(query.clone(), hits).ok()?;
        }
        evaluate(&run, &qrels, &[NDCG]).mean(NDCG)
    }
}

impl Judged {
    /// The share of the best `k` that `other` also has among its best `k`.
    pub fn recall(&self, other: &Self, k: usize) -> f64 {
        let (mut found, mut all) = (0, 0);
        for (mine, other) in self.best.iter().zip(&other.best) {
            let mine = &mine[..k.min(mine.len())];
            let other = &other[..k.min(other.len())];
            found += mine.iter().filter(|(document, _)| other.iter().any(|(it, _)| it == document)).count();
            all += mine.len();
        }
        found as f64 / all.max(1) as f64
    }
}
