//! Staying current in the browser: server-sent events, and the clock that ages are counted from.
//!
//! An event is a hint that something was committed, not a second source of truth: pages load again what it touches.
//! Every loss of the connection is shown and mends itself; after a gap everything is loaded again.

use crate::session::page_context;
use davy_api::LiveEvent;
use davy_domain::Timestamp;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventSource, MessageEvent};

/// How the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Not yet open (and always so on the server).
    Connecting,
    /// Events arrive.
    Live,
    /// Lost at that time; being mended.
    Lost {
        /// Since when nothing was heard.
        since: Timestamp,
    },
}

impl Connection {
    /// A stable word for tests and the stylesheet.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Lost { .. } => "lost",
        }
    }
}

/// What a page hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something was committed.
    Event(LiveEvent),
    /// There was a gap: load everything again.
    Gap,
}

/// The present, ticking in the browser: the server's clock at rendering plus the time that has passed since.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Timestamp>);

impl Clock {
    /// Starts at the page's time; provided once by [`crate::App`].
    pub(crate) fn start(from: Timestamp) -> Self {
        let now = RwSignal::new(from);
        Effect::new(move || {
            let started = js_sys::Date::now();
            let handle = set_interval_with_handle(
                move || now.set(Timestamp::from_millis(from.as_millis() + (js_sys::Date::now() - started) as i64)),
                core::time::Duration::from_secs(10),
            );
            on_cleanup(move || {
                if let Ok(handle) = handle {
                    handle.clear();
                }
            });
        });
        Self(now)
    }

    /// The present, to the nearest ten seconds; re-renders what reads it.
    pub fn now(self) -> Timestamp {
        self.0.get()
    }

    /// The present, without following it.
    pub fn now_untracked(self) -> Timestamp {
        self.0.get_untracked()
    }
}

/// The clock of the page.
pub fn clock() -> Clock {
    use_context::<Clock>().unwrap_or_else(|| Clock(RwSignal::new(page_context().now)))
}

const ROUTE: &str = "/api/v1/events";
/// The server pings at least every 20 s; twice that and a margin without a word is a dead connection.
const SILENCE_MS: f64 = 45_000.0;
const LONGEST_WAIT_S: u64 = 30;

/// Follows the platform's events while the calling component lives.
pub fn follow(on_heard: impl Fn(Heard) + 'static) -> ReadSignal<Connection> {
    let (connection, set_connection) = signal(Connection::Connecting);
    if cfg!(feature = "ssr") {
        // A rendered page hears nothing, and what belongs to the browser's one thread must not be made on the server.
        return connection;
    }
    let clock = clock();
    let follower: StoredValue<Option<Rc<Follower>>, LocalStorage> = StoredValue::new_local(None);
    let on_heard = Rc::new(on_heard);
    Effect::new(move || {
        let new = Rc::new(Follower {
            on_heard: Rc::clone(&on_heard) as Rc<dyn Fn(Heard)>,
            set_connection,
            clock,
            heard_ms: Cell::new(js_sys::Date::now()),
            pinged: Cell::new(false),
            had_gap: Cell::new(false),
            failures: Cell::new(0),
            stream: RefCell::new(None),
            ended: Cell::new(false),
        });
        Follower::open(&new);
        Follower::watch(&new);
        follower.set_value(Some(new));
    });
    on_cleanup(move || {
        follower.try_update_value(|kept| {
            if let Some(kept) = kept.take() {
                kept.end();
            }
        });
    });
    connection
}

/// One open stream; dropping it takes its handlers away and closes it.
struct Stream {
    source: EventSource,
    _handlers: Vec<Closure<dyn Fn(Event)>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
    }
}

struct Follower {
    on_heard: Rc<dyn Fn(Heard)>,
    set_connection: WriteSignal<Connection>,
    clock: Clock,
    heard_ms: Cell<f64>,
    pinged: Cell<bool>,
    had_gap: Cell<bool>,
    failures: Cell<u32>,
    stream: RefCell<Option<Stream>>,
    ended: Cell<bool>,
}

impl Follower {
    fn open(this: &Rc<Self>) {
        if this.ended.get() {
            return;
        }
        let Ok(source) = EventSource::new(ROUTE) else {
            this.lose();
            return;
        };
        let mut handlers = Vec::new();
        let mut listen = |name: &str, handle: fn(&Rc<Self>, &Event)| {
            let follower = Rc::downgrade(this);
            let closure = Closure::<dyn Fn(Event)>::new(move |event: Event| {
                if let Some(follower) = follower.upgrade() {
                    follower.heard_ms.set(js_sys::Date::now());
                    handle(&follower, &event);
                }
            });
            // The name is ours and the callback a function: this cannot fail.
            let _ = source.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
            handlers.push(closure);
        };
        listen("open", |follower, _| follower.opened());
        listen("error", |follower, _| Self::failed(follower));
        listen("ping", |follower, _| follower.pinged.set(true));
        for name in ["alarm", "command", "valve", "reading", "lagged"] {
            listen(name, |follower, event| follower.message(event));
        }
        *this.stream.borrow_mut() = Some(Stream { source, _handlers: handlers });
    }

    fn opened(&self) {
        self.failures.set(0);
        self.set_connection.set(Connection::Live);
        if self.had_gap.replace(false) {
            (self.on_heard)(Heard::Gap);
        }
    }

    fn message(&self, event: &Event) {
        let text = event.dyn_ref::<MessageEvent>().and_then(|message| message.data().as_string()).unwrap_or_default();
        (self.on_heard)(match serde_json::from_str::<LiveEvent>(&text) {
            Ok(LiveEvent::Lagged) | Err(_) => Heard::Gap,
            Ok(event) => Heard::Event(event),
        });
    }

    /// The browser tries again by itself unless it has given up (a status other than 200, for instance while the server
    /// starts): then we do, with growing pauses.
    fn failed(this: &Rc<Self>) {
        this.lose();
        let given_up = this.stream.borrow().as_ref().is_none_or(|it| it.source.ready_state() == EventSource::CLOSED);
        if given_up {
            Self::open_later(this);
        }
    }

    fn open_later(this: &Rc<Self>) {
        let failures = this.failures.get();
        this.failures.set(failures.saturating_add(1));
        let wait = (1_u64 << failures.min(5)).min(LONGEST_WAIT_S);
        let follower = Rc::downgrade(this);
        set_timeout(
            move || {
                if let Some(follower) = follower.upgrade() {
                    Self::open(&follower);
                }
            },
            core::time::Duration::from_secs(wait),
        );
    }

    fn lose(&self) {
        if !self.had_gap.replace(true) {
            self.set_connection.set(Connection::Lost { since: self.clock.0.get_untracked() });
        }
    }

    /// A connection can die without a word (a sleeping laptop, a dropped NAT entry): silence is loss.
    fn watch(this: &Rc<Self>) {
        let follower = Rc::downgrade(this);
        set_timeout(
            move || {
                let Some(follower) = follower.upgrade().filter(|it| !it.ended.get()) else { return };
                if follower.pinged.get() && js_sys::Date::now() - follower.heard_ms.get() > SILENCE_MS {
                    follower.lose();
                    follower.heard_ms.set(js_sys::Date::now());
                    Self::open(&follower);
                }
                Self::watch(&follower);
            },
            core::time::Duration::from_secs(5),
        );
    }

    fn end(&self) {
        self.ended.set(true);
        self.stream.borrow_mut().take();
    }
}

/// Calls `run` at once, and after that at most once per `pause_ms`, the last call never lost.
pub fn throttle(pause_ms: u64, run: impl Fn() + Send + Sync + 'static) -> impl Fn() + Clone + Send + Sync + 'static {
    let throttle = Arc::new(Throttle {
        run: Box::new(run),
        pause: core::time::Duration::from_millis(pause_ms),
        waiting: AtomicBool::new(false),
        again: AtomicBool::new(false),
    });
    move || {
        if throttle.waiting.load(Ordering::Relaxed) {
            throttle.again.store(true, Ordering::Relaxed);
        } else {
            Throttle::go(&throttle);
        }
    }
}

struct Throttle {
    run: Box<dyn Fn() + Send + Sync>,
    pause: core::time::Duration,
    waiting: AtomicBool,
    again: AtomicBool,
}

impl Throttle {
    fn go(this: &Arc<Self>) {
        (this.run)();
        this.waiting.store(true, Ordering::Relaxed);
        let throttle = Arc::clone(this);
        set_timeout(
            move || {
                throttle.waiting.store(false, Ordering::Relaxed);
                if throttle.again.swap(false, Ordering::Relaxed) {
                    Self::go(&throttle);
                }
            },
            this.pause,
        );
    }
}

/// Calls `run` again and again in the browser while the calling component lives, each time after as many milliseconds as `pause` says.
pub fn poll(pause: impl Fn() -> u64 + 'static, run: impl Fn() + 'static) {
    if cfg!(feature = "ssr") {
        return;
    }
    let timer: StoredValue<Option<Rc<Poll>>, LocalStorage> = StoredValue::new_local(None);
    let poll = Rc::new(Poll { pause: Box::new(pause), run: Box::new(run) });
    Effect::new(move || {
        Poll::wait(&poll);
        timer.set_value(Some(Rc::clone(&poll)));
    });
    on_cleanup(move || {
        timer.try_update_value(Option::take);
    });
}

struct Poll {
    pause: Box<dyn Fn() -> u64>,
    run: Box<dyn Fn()>,
}

impl Poll {
    fn wait(this: &Rc<Self>) {
        let poll = Rc::downgrade(this);
        set_timeout(
            move || {
                // Gone with the page.
                let Some(poll) = poll.upgrade() else { return };
                (poll.run)();
                Self::wait(&poll);
            },
            core::time::Duration::from_millis((this.pause)()),
        );
    }
}
