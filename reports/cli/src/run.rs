//! One thread reads, two parse and add up, and what they found is made one.

use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use tollgate_reports::render::grouped;
use tollgate_reports::{Chunk, Fold, Form, Journal, LineReader, Parsed};

use crate::args::Failure;
use crate::input;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    pub files: Vec<String>,
    pub form: Option<Form>,
    /// Whether calls must be taken in the order in which they stand in the logs.
    pub in_order: bool,
    pub quiet: bool,
}

/// Progress is told this often.
const PROGRESS: Duration = Duration::from_secs(2);
/// Chunks that wait for a thread: the reader is never far ahead, so memory is bounded.
const WAITING: usize = 8;

/// Chunks are entered into the journal in the order in which they were read.
struct Turns {
    state: Mutex<(u64, Journal)>,
    next: Condvar,
}

impl Turns {
    fn enter(&self, turn: u64, parsed: &mut Parsed<'_>) {
        let Ok(mut state) = self.state.lock() else { return };
        while state.0 != turn {
            state = match self.next.wait(state) {
                Ok(state) => state,
                Err(_) => return,
            };
        }
        state.1.enter(parsed);
        state.0 += 1;
        self.next.notify_all();
    }
}

/// Reads all logs into what `make` makes.
///
/// # Errors
/// A file that cannot be opened or read.
pub fn read<F: Fold>(logs: &Logs, make: impl Fn() -> F + Sync) -> Result<(F, Journal), Failure> {
    let files = input::expand(&logs.files).map_err(Failure::Failed)?;
    if files.is_empty() {
        return Err(Failure::Usage("needs at least one access log; `-` is standard input".into()));
    }
    let turns = Turns { state: Mutex::new((0, Journal::new(files.clone()))), next: Condvar::new() };
    let threads = if logs.in_order { 1 } else { 2 };
    let (sender, receiver) = sync_channel::<(u64, Chunk)>(WAITING);
    let receiver = Mutex::new(receiver);
    let (folds, read) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&receiver, &turns, logs.form.clone(), make())))
            .collect();
        let read = feed(&files, sender, logs.quiet);
        let folds: Result<Vec<F>, _> = workers.into_iter().map(|worker| worker.join()).collect();
        (folds, read)
    });
    read?;
    let folds = folds.map_err(|_| Failure::Failed("a thread that read the logs ended early".into()))?;
    let mut folds = folds.into_iter();
    let first = folds.next().ok_or_else(|| Failure::Failed("no thread read the logs".into()))?;
    let fold = folds.fold(first, |mut all, one| {
        all.merge(one);
        all
    });
    let (_, journal) =
        turns.state.into_inner().map_err(|_| Failure::Failed("a thread ended early".into()))?;
    if !logs.quiet {
        eprint!("{}", journal.tally);
    }
    Ok((fold, journal))
}

fn work<F: Fold>(
    receiver: &Mutex<Receiver<(u64, Chunk)>>,
    turns: &Turns,
    form: Option<Form>,
    mut fold: F,
) -> F {
    let reader = LineReader::new(form);
    loop {
        let received = receiver.lock().ok().and_then(|receiver| receiver.recv().ok());
        let Some((turn, chunk)) = received else { return fold };
        let mut parsed = Parsed::of(&reader, &chunk);
        turns.enter(turn, &mut parsed);
        parsed.calls.iter().for_each(|(_, call)| fold.add(&call.row));
    }
}

/// Hands out chunks until all files are read. Ends early if nobody takes them any more.
fn feed(files: &[String], sender: SyncSender<(u64, Chunk)>, quiet: bool) -> Result<(), Failure> {
    let mut told = Instant::now();
    let mut bytes = 0_u128;
    let mut turn = 0;
    for (place, name) in files.iter().enumerate() {
        let mut source = input::open(name, place).map_err(Failure::Failed)?;
        let failed = |error: std::io::Error| Failure::Failed(format!("`{name}`: {error}"));
        while let Some(chunk) = source.next_chunk().map_err(failed)? {
            bytes += chunk.bytes.len() as u128;
            if sender.send((turn, chunk)).is_err() {
                return Ok(());
            }
            turn += 1;
            if !quiet && told.elapsed() >= PROGRESS {
                told = Instant::now();
                let end = if std::io::stderr().is_terminal() { '\r' } else { '\n' };
                eprint!(
                    "read {} MB, file {} of {}: {name}{end}",
                    grouped(bytes / 1_000_000),
                    place + 1,
                    files.len()
                );
            }
        }
        if source.is_cut() {
            eprintln!("`{name}` ends in the middle: it is still written, or was cut");
        }
    }
    Ok(())
}
