//! One vector against chosen rows, on every instruction set, against `f64` and against integers.

use half::f16;
use proptest::prelude::*;

use super::{Isa, QueryI16, dots, dots_f16, dots_i8};
use crate::types::MAX_DIM;

/// Rows and a query of exactly their length, so that a read past the end is a read past an allocation.
fn floats(seed: u64, len: usize) -> Vec<f32> {
    let number = |at: u64| {
        let z = (at ^ seed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len as u64).map(number).collect()
}

fn bytes(seed: u64, len: usize) -> Vec<i8> {
    floats(seed, len).into_iter().map(|x| (x * 128.0) as i8).collect()
}

/// All dimensions to 70 and some more, all counts of chosen rows to 20.
fn shapes() -> impl Iterator<Item = (usize, usize)> {
    (1..=70).chain([96, 127, 128, 129, 256, 384, 1024]).zip((0..=20).cycle())
}

/// Rows in no order, some of them twice.
fn choose(rows: usize, count: usize) -> Vec<u32> {
    (0..count).map(|at| (at * 7 % rows) as u32).collect()
}

const ROWS: usize = 13;

#[test]
fn sums_of_floats_agree_with_f64_wherever_the_row_stands() {
    for (dim, count) in shapes() {
        let (query, rows) = (floats(1, dim), floats(2, ROWS * dim));
        let halves: Vec<f16> = rows.iter().map(|&x| f16::from_f32(x)).collect();
        let widened: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
        let chosen = choose(ROWS, count);
        for isa in Isa::every() {
            let (mut singles, mut of_halves) = (vec![f32::NAN; count], vec![f32::NAN; count]);
            dots(isa, &query, &rows, &chosen, &mut singles);
            dots_f16(isa, &query, &halves, &chosen, &mut of_halves);
            for (i, &row) in chosen.iter().enumerate() {
                for (found, rows) in [(singles[i], &rows), (of_halves[i], &widened)] {
                    let terms = query.iter().zip(&rows[row as usize * dim..]);
                    let terms: Vec<f64> = terms.map(|(&q, &x)| f64::from(q) * f64::from(x)).collect();
                    let bound = dim as f64 * 2f64.powi(-23) * terms.iter().map(|x| x.abs()).sum::<f64>();
                    let exact: f64 = terms.iter().sum();
                    assert!(
                        (f64::from(found) - exact).abs() <= bound,
                        "{isa} dim {dim}: {found}, not {exact}"
                    );
                }
                let mut alone = [f32::NAN];
                dots(isa, &query, &rows, &[row], &mut alone);
                assert_eq!(alone[0].to_bits(), singles[i].to_bits(), "{isa} dim {dim}");
                dots_f16(isa, &query, &halves, &[row], &mut alone);
                assert_eq!(alone[0].to_bits(), of_halves[i].to_bits(), "{isa} dim {dim}");
            }
        }
    }
}

#[test]
fn sums_of_integers_are_exact() {
    for (dim, count) in shapes() {
        let (query, rows) = (bytes(3, dim), bytes(4, ROWS * dim));
        let wide = QueryI16::new(&floats(5, dim));
        let chosen = choose(ROWS, count);
        let exact = |query: &dyn Fn(usize) -> i32| -> Vec<i32> {
            let sum = |row: u32| (0..dim).map(|k| query(k) * i32::from(rows[row as usize * dim + k])).sum();
            chosen.iter().map(|&row| sum(row)).collect()
        };
        let of_bytes = exact(&|k| query[k].into());
        let of_wide = exact(&|k| wide.values()[k].into());
        for isa in Isa::every() {
            let mut out = vec![i32::MIN; count];
            dots_i8(isa, &query, &rows, &chosen, &mut out);
            assert_eq!(out, of_bytes, "{isa} dim {dim}");
            wide.dots(isa, &rows, &chosen, &mut out);
            assert_eq!(out, of_wide, "{isa} dim {dim}");
        }
    }
}

#[test]
fn the_largest_sums_fit() {
    for dim in [1, 128, 3000, MAX_DIM] {
        let (query, rows) = (vec![-128; dim], vec![-128; dim]);
        for sign in [1.0, -1.0] {
            let wide = QueryI16::new(&vec![f32::MAX * sign; dim]);
            let magnitude: i64 = wide.values().iter().map(|&x| i64::from(x).abs()).sum();
            assert!(magnitude < 1 << 24 && magnitude > 32_000);
            for isa in Isa::every() {
                let mut out = [0];
                dots_i8(isa, &query, &rows, &[0], &mut out);
                assert_eq!(out, [dim as i32 * 128 * 128], "{isa}");
                wide.dots(isa, &rows, &[0], &mut out);
                assert_eq!(i64::from(out[0]), magnitude * -128 * sign as i64, "{isa}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "row 3 of 3")]
fn rows_that_do_not_exist_are_refused() {
    dots(Isa::detect(), &[0.0; 5], &[0.0; 15], &[0, 3], &mut [0.0; 2]);
}

#[test]
fn nothing_is_multiplied_with_nothing() {
    for isa in Isa::every() {
        dots(isa, &[], &[], &[], &mut []);
        dots_i8(isa, &[1; 40], &[], &[], &mut []);
    }
}

proptest! {
    #[test]
    fn rounding_a_query_loses_little(
        query in prop::collection::vec(-1.0_f32..1.0, 1..400),
        size in prop_oneof![Just(1e-30_f32), Just(1.0), Just(1e30)],
    ) {
        let query: Vec<f32> = query.iter().map(|x| x * size).collect();
        let rounded = QueryI16::new(&query);
        let largest = query.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        for (&value, &x) in rounded.values().iter().zip(&query) {
            let back = f64::from(value) * f64::from(rounded.scale());
            prop_assert!((back - f64::from(x)).abs() <= f64::from(largest) / 60_000.0);
        }
    }
}
