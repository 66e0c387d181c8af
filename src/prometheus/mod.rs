//! Prometheus' side of a stream: its metrics as text to scrape. Pure: the edge fetches what is shown. See docs/prometheus.md.

pub mod exposition;
pub mod metric;
pub mod names;
mod text;
