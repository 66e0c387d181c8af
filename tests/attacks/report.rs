//! The report of an attack: everything that is wrong together, and the figures in a file.

use std::path::Path;

use serde_json::{Map, Value};

/// A longer quotation of an answer adds nothing.
const MAX_FAULT_CHARS: usize = 400;

/// The figures of an attack and what is wrong.
pub(crate) struct Report {
    name: &'static str,
    figures: Map<String, Value>,
    faults: Vec<String>,
}

impl Report {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, figures: Map::new(), faults: Vec::new() }
    }

    /// Records a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// A recorded figure; null if there is none.
    pub(crate) fn value(&self, name: &str) -> Value {
        self.figures.get(name).cloned().unwrap_or_default()
    }

    /// Records a failure unless the condition holds.
    pub(crate) fn check(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.fault(&fault());
        }
    }

    /// The result of a step, recording its error if it failed.
    pub(crate) fn check_step<T>(&mut self, step: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|error| self.fault(&format!("{step}: {error}"))).ok()
    }

    fn fault(&mut self, text: &str) {
        self.faults.push(text.chars().take(MAX_FAULT_CHARS).collect());
    }

    /// Writes the figures, and panics if anything is wrong.
    pub(crate) fn finish(mut self) {
        let faults = std::mem::take(&mut self.faults);
        self.figure("faults", faults.clone());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/attacks");
        let text = serde_json::to_string_pretty(&self.figures).expect("serialises");
        std::fs::create_dir_all(&folder).expect("target is writable");
        std::fs::write(folder.join(format!("{}.json", self.name)), &text).expect("target is writable");
        eprintln!("{}: {text}", self.name);
        assert!(faults.is_empty(), "{}:\n{}", self.name, faults.join("\n"));
    }
}
