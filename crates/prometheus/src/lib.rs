//! The Prometheus view of a stream: its metrics as text to scrape, and the part of `PromQL` that its cells answer
//! exactly. Pure: the edge fetches what queries need. See docs/prometheus.md.

pub mod answer;
pub mod ast;
pub mod error;
pub mod evaluate;
pub mod exposition;
mod functions;
mod go_regex;
pub mod leaf;
pub mod lexer;
mod lower;
pub mod metric;
pub mod names;
mod operators;
pub mod parser;
pub mod plan;
#[cfg(test)]
mod query_tests;
pub mod select;
mod selectors;
mod syntax;
mod text;
mod text_literal;
pub mod value;
#[cfg(test)]
mod verdict_tests;
