//! Fixed-dimensional encodings.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::support::encoded::Encoded;
use super::{Source, add, dot, normal};

pub struct Fde {
    dim: usize,
    planes: usize,
    dims: usize,
    mean: Vec<f32>,
    repetitions: Vec<Repetition>,
}

struct Repetition {
    /// `[planes, dim]`
    normals: Vec<f32>,
    /// `[dims, dim]`
    signs: Vec<f32>,
}

impl Fde {
    pub fn new(data: &Encoded, (repetitions, planes, dims): (usize, usize, usize)) -> Self {
        let dim = data.dim;
        let mut random = StdRng::seed_from_u64(1);
        let mut mean = vec![0.0; dim];
        let tokens = data.tokens() as f32;
        for document in &data.documents {
            document.matrix.view().iter().for_each(|row| add(&mut mean, row, 1.0 / tokens));
        }
        let repetitions = (0..repetitions).map(|_| Repetition {
            normals: (0..planes * dim).map(|_| normal(&mut random)).collect(),
            signs: (0..dims * dim)
                .map(|_| if random.random() { 1.0 } else { -1.0 } / (dims as f32).sqrt())
                .collect(),
        });
        let repetitions = repetitions.collect();
        Self { dim, planes, dims, mean, repetitions }
    }

    /// Each token less the mean: its part, and its projection. For each repetition.
    fn parts<'a>(&'a self, tokens: &'a [f32]) -> impl Iterator<Item = Vec<(usize, Vec<f32>)>> + 'a {
        self.repetitions.iter().map(move |repetition| {
            tokens
                .chunks_exact(self.dim)
                .map(|row| {
                    let mut row = row.to_vec();
                    add(&mut row, &self.mean, -1.0);
                    let side = |at: usize| {
                        usize::from(dot(&repetition.normals[at * self.dim..][..self.dim], &row) > 0.0) << at
                    };
                    let part = (0..self.planes).map(side).sum();
                    (part, repetition.signs.chunks_exact(self.dim).map(|signs| dot(signs, &row)).collect())
                })
                .collect()
        })
    }
}

impl Source for Fde {
    fn document(&self, _: usize, tokens: &[f32]) -> Vec<f32> {
        let mut all = Vec::new();
        for tokens in self.parts(tokens) {
            for part in 0..1 << self.planes {
                let mut sum = vec![0.0; self.dims];
                let mut members = tokens.iter().filter(|token| token.0 == part).peekable();
                if members.peek().is_none() {
                    let nearest = tokens.iter().min_by_key(|token| (token.0 ^ part).count_ones());
                    nearest.iter().for_each(|token| add(&mut sum, &token.1, 1.0));
                }
                let mut count: f32 = 0.0;
                for member in members {
                    add(&mut sum, &member.1, 1.0);
                    count += 1.0;
                }
                all.extend(sum.iter().map(|x| x / count.max(1.0)));
            }
        }
        all
    }

    fn query(&self, tokens: &[f32]) -> Vec<f32> {
        let mut all = Vec::new();
        for tokens in self.parts(tokens) {
            let start = all.len();
            all.resize(start + (self.dims << self.planes), 0.0);
            for (part, row) in tokens {
                add(&mut all[start + part * self.dims..][..self.dims], &row, 1.0);
            }
        }
        all
    }
}
