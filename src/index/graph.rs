//! The graph over dense vectors, from the builder's form into the format's.
use crate::format::{GraphShape,GraphSource};
use super::WriterOptions;
pub(super) struct G;
impl GraphSource for G { fn level(&self,_:u32)->u32{0} fn links(&self,_:u32,_:u32)->&[u32]{&[]} }
pub(super) fn build_graph(_:&[f32],_:usize,_:u64,_:&WriterOptions)->Option<(GraphShape,G)>{None}
pub(super) fn invert(ids:&[u32],ends:&[u32],k:usize)->Vec<Vec<u32>>{
    let mut out=vec![Vec::new();k]; let mut s=0usize;
    for (d,&e) in ends.iter().enumerate(){ for &c in &ids[s..e as usize]{ let l:&mut Vec<u32>=&mut out[c as usize]; if l.last()!=Some(&(d as u32)){l.push(d as u32);} } s=e as usize;}
    out
}
