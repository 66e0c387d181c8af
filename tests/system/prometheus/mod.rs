//! Prometheus reads a stream: scraped by the real one.

mod scraping;
mod tools;
