//! The back-test: a tenant's history folded under the policy that is in force and under one that is being tried, and where they
//! come out differently.
//!
//! It is the live fold, [`davy_domain::interlock`], over what devices sent: timers, deadlines, the statutory floor and wake
//! conditions among it. Each interlock is folded on its own, message by message in the order of arrival; its state begins empty
//! at the first message. What the history does not hold is assumed for both policies alike; `course.rs` says what.
//!
//! Compared are the conditions that a rule may raise, and rule faults; silence and unproven closes follow from the devices alone.
//! Money is no part of it: that is a matter of billing policies.
//!
//! Must never act on anything, nor hold a place among the instances while it waits for the history.

mod course;
mod matching;
mod report;
mod tally;

pub use matching::Present;
pub use report::{Difference, Group, Report, Row, RowKind, Side};
pub(crate) use tally::Tally;
pub use tally::{Calls, FaultKind, FuelFigures};

use crate::alarm::BoundRule;
use crate::batch::{BATCH, KeepsState};
use course::{Asked, Course};
use davy_domain::floor::LocalFloor;
use davy_domain::history::{Arrival, Subject};
use davy_domain::interlock::{InterlockError, Limits};
use davy_domain::{Condition, DeviceId, InterlockId, Span, Timestamp};
use report::Sum;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A tenant's history, wherever it is kept.
pub trait History: Sync {
    /// The interlocks, each with its devices. Their order is that of the work.
    fn subjects(&self) -> &[Subject];

    /// About how many messages there are in all.
    fn arrivals(&self) -> u64;

    /// Gives the messages of the subject at this place, in order of arrival, in pages that fit into memory, until told to stop.
    ///
    /// # Errors
    /// Why the history cannot be read; the back-test ends then.
    fn read(&self, subject: usize, visit: &mut dyn FnMut(&[Arrival]) -> ControlFlow<()>) -> Result<(), HistoryError>;
}

/// Why a history cannot be read, in its keeper's words.
pub type HistoryError = Box<dyn Error + Send + Sync>;

/// Within so long of the alarm that there was, a version must raise one of its own in a leak that a person has confirmed.
pub const LATE_AFTER: Span = Span::from_secs(60);

/// A leak that a person has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedLeak {
    /// The device that measured it.
    pub device: DeviceId,
    /// What the alarm was about.
    pub condition: Condition,
    /// When its alarm was raised.
    pub from: Timestamp,
    /// When it was over.
    pub to: Timestamp,
}

impl ConfirmedLeak {
    /// Whether something was there in the leak. One that was over at once lasts [`LATE_AFTER`] all the same: within so long an alarm is
    /// in time.
    fn holds(&self, present: &Present) -> bool {
        present.overlaps(self.from, self.to.max(self.from + LATE_AFTER))
    }
}

/// How a back-test goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Interlocks that are folded at once. Each takes up to one place among the engine's instances.
    pub threads: usize,
    /// Calls to an instance; 1 for a fresh one each time, as live.
    pub batch: u32,
    /// Alarms that do not overlap are the same one when they were raised within so long of each other.
    pub window: Span,
    /// Differences that are listed one by one.
    pub rows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 1, batch: BATCH, window: Span::from_minutes(15), rows: 1_000 }
    }
}

/// A back-test.
#[derive(Clone, Copy)]
pub struct BackTest<'a> {
    /// What is in force; none when the statutory floor stands alone.
    pub active: Option<&'a BoundRule>,
    /// What is being tried; none to see what the floor alone would do.
    pub candidate: Option<&'a BoundRule>,
    /// The floor.
    pub floor: &'a LocalFloor,
    /// The platform's own figures.
    pub limits: &'a Limits,
    /// Where the history ends: nothing is folded beyond it.
    pub to: Timestamp,
    /// Leaks that people have confirmed.
    pub confirmed: &'a [ConfirmedLeak],
    /// How to go about it.
    pub options: Options,
}

/// How far a back-test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Messages that were folded under both policies.
    pub done: u64,
    /// About how many there are.
    pub total: u64,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BackTestError {
    /// It was told to stop.
    #[error("the back-test was stopped before its end")]
    Cancelled,
    /// The history cannot be read.
    #[error("the history of {interlock} cannot be read")]
    History {
        /// Whose.
        interlock: InterlockId,
        /// Why.
        #[source]
        source: HistoryError,
    },
    /// Devices that do not make an interlock.
    #[error("the devices of {interlock} do not fit together")]
    Interlock {
        /// Which one.
        interlock: InterlockId,
        /// Why.
        #[source]
        source: InterlockError,
    },
    /// A rule remembers what it did not return.
    #[error("{which}: {found}")]
    KeepsState {
        /// Which of the two.
        which: &'static str,
        /// How it was found out.
        found: KeepsState,
    },
    /// A thread could not be started, or ended abnormally.
    #[error("a thread of the back-test ended abnormally; see the log")]
    Thread,
}

/// What the threads share.
struct Shared<'a> {
    history: &'a dyn History,
    progress: &'a (dyn Fn(Progress) + Sync),
    cancel: &'a AtomicBool,
    next: AtomicUsize,
    done: AtomicU64,
    /// The error of the first interlock that has one.
    failed: Mutex<Option<(usize, BackTestError)>>,
    stop: AtomicBool,
}

impl BackTest<'_> {
    /// Folds the whole history. `progress` is told after each page, by whichever thread; `cancel` ends it soon.
    ///
    /// The same history gives the same report, whatever the number of threads.
    ///
    /// # Errors
    /// [`BackTestError`] says why there is no result.
    pub fn run(
        &self,
        history: &dyn History,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> Result<Report, BackTestError> {
        let shared = Shared {
            history,
            progress,
            cancel,
            next: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            failed: Mutex::new(None),
            stop: AtomicBool::new(false),
        };
        let sums = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.options.threads.max(1)).map(|_| scope.spawn(|| self.work(&shared))).collect();
            threads.into_iter().map(|thread| thread.join().map_err(|_| BackTestError::Thread)).collect::<Vec<_>>()
        });
        if let Some((_, error)) = shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        if cancel.load(Ordering::Relaxed) {
            return Err(BackTestError::Cancelled);
        }
        let mut all = Sum::default();
        for sum in sums {
            all.add(sum?, self.options.rows);
        }
        Ok(all.into_report(self.options.rows))
    }

    /// One thread: takes one interlock after the other.
    fn work(&self, shared: &Shared<'_>) -> Sum {
        let mut sum = Sum::default();
        let asked = [self.active, self.candidate].map(|rule| rule.map(|rule| Asked::new(rule, self.options.batch)));
        while !shared.stop.load(Ordering::Relaxed) && !shared.cancel.load(Ordering::Relaxed) {
            let place = shared.next.fetch_add(1, Ordering::Relaxed);
            let Some(subject) = shared.history.subjects().get(place) else { break };
            if let Err(error) = self.interlock(shared, place, subject, &asked, &mut sum) {
                shared.stop.store(true, Ordering::Relaxed);
                let mut failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
                if failed.as_ref().is_none_or(|(other, _)| place < *other) {
                    *failed = Some((place, error));
                }
                break;
            }
        }
        for (side, asked) in asked.into_iter().enumerate() {
            let Some(asked) = asked else { continue };
            let (sampled, other_fuel) = asked.sampled();
            sum.sampled = (sum.sampled.0 + sampled, sum.sampled.1 + other_fuel);
            sum.tallies[side].add(&asked.into_tally());
        }
        sum
    }

    fn interlock(
        &self,
        shared: &Shared<'_>,
        place: usize,
        subject: &Subject,
        asked: &[Option<Asked<'_>>; 2],
        sum: &mut Sum,
    ) -> Result<(), BackTestError> {
        let mut courses: Option<[Course<'_, '_>; 2]> = None;
        let mut begun = None;
        let mut failed = None;
        let mut visit = |page: &[Arrival]| {
            let Some(first) = page.first() else { return ControlFlow::Continue(()) };
            begun.get_or_insert(first.at);
            let under_way = match &mut courses {
                Some(under_way) => under_way,
                none => match Course::pair(self, subject, first.at, asked) {
                    Ok(begun) => none.insert(begun),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                },
            };
            // One after the other, and each gives back its instance: a thread never holds one and waits for a second.
            for (course, asked) in under_way.iter_mut().zip(asked) {
                course.feed(page);
                asked.iter().for_each(Asked::release);
            }
            let arrivals = page.len() as u64;
            sum.arrivals += arrivals;
            sum.readings += page.iter().map(|arrival| arrival.readings() as u64).sum::<u64>();
            let done = shared.done.fetch_add(arrivals, Ordering::Relaxed) + arrivals;
            (shared.progress)(Progress { done, total: shared.history.arrivals().max(done) });
            let stop = shared.cancel.load(Ordering::Relaxed) || shared.stop.load(Ordering::Relaxed);
            failed = Self::kept_state(asked);
            if stop || failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read = shared.history.read(place, &mut visit);
        if let Some(error) = failed {
            return Err(error);
        }
        read.map_err(|source| BackTestError::History { interlock: subject.interlock, source })?;
        if shared.cancel.load(Ordering::Relaxed) || shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some([active, candidate]) = courses {
            let came = [(active, &asked[0]), (candidate, &asked[1])].map(|(course, asked)| {
                let came = course.finish();
                asked.iter().for_each(Asked::release);
                came
            });
            if let Some(error) = Self::kept_state(asked) {
                return Err(error);
            }
            sum.compare(self, subject, begun, came);
        } else {
            sum.compare(self, subject, None, Default::default());
        }
        Ok(())
    }

    fn kept_state(asked: &[Option<Asked<'_>>; 2]) -> Option<BackTestError> {
        let names = ["the rule in force", "the rule being tried"];
        asked.iter().zip(names).find_map(|(asked, which)| {
            let found = asked.as_ref()?.difference()?;
            Some(BackTestError::KeepsState { which, found })
        })
    }
}
