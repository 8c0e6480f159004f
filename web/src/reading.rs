//! Logs while they are read: one chunk a step, so that the page can show progress and stop.

use std::collections::VecDeque;
use std::io::Read;

use tollgate_reports::{Chunks, Journal, LineReader, Parsed};

use crate::answer::Answer;
use crate::names::Names;
use crate::question::{Question, Work};

/// One question, and the logs that are read for it.
pub struct Reading {
    reader: LineReader,
    journal: Journal,
    work: Work,
    names: Names,
    waiting: VecDeque<(usize, String, Box<dyn Read>)>,
    open: Option<(String, Chunks)>,
    cut: Vec<String>,
}

impl Reading {
    /// For a question, without files yet.
    ///
    /// # Errors
    /// A field of the question that cannot be understood.
    pub fn new(question: &Question) -> Result<Self, String> {
        Ok(Self {
            reader: LineReader::new(question.form()?),
            journal: Journal::default(),
            work: question.work()?,
            names: Names::default(),
            waiting: VecDeque::new(),
            open: None,
            cut: Vec::new(),
        })
    }

    /// Adds a file behind the others.
    pub fn add(&mut self, name: String, source: impl Read + 'static) {
        let place = self.journal.add_file(&name);
        self.waiting.push_back((place, name, Box::new(source)));
    }

    /// Reads a chunk. False if there is no more.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn step(&mut self) -> Result<bool, String> {
        let (name, mut chunks) = match self.open.take() {
            Some(open) => open,
            None => match self.waiting.pop_front() {
                Some((place, name, source)) => {
                    let chunks = Chunks::new(source, place).map_err(|why| format!("{name}: {why}"))?;
                    (name, chunks)
                }
                None => return Ok(false),
            },
        };
        match chunks.next_chunk().map_err(|why| format!("{name}: {why}"))? {
            Some(chunk) => {
                let mut parsed = Parsed::of(&self.reader, &chunk);
                self.journal.enter(&mut parsed);
                for (_, call) in &parsed.calls {
                    self.names.add(&call.row);
                    self.work.add(&call.row);
                }
                self.open = Some((name, chunks));
            }
            None if chunks.is_cut() => self.cut.push(name),
            None => {}
        }
        Ok(true)
    }

    /// The answer, once all was read.
    pub fn finish(self) -> Answer {
        let mut read: Vec<String> =
            self.journal.tally.to_string().lines().map(|line| line.trim().to_owned()).collect();
        read.extend(
            self.cut.iter().map(|name| format!("{name} ends in the middle: it is still written, or was cut")),
        );
        let tally = &self.journal.tally;
        Answer {
            document: self.work.document(&self.journal),
            read,
            is_partial: !self.cut.is_empty() || tally.torn > 0 || tally.unreadable_lines() > 0,
            names: self.names,
        }
    }
}

#[cfg(test)]
mod tests;
