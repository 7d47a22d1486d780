//! Changes: plain forms that post to the server and come back, done in place once the page is awake.

use crate::data::{self, Loaded};
use crate::flash::Flash;
use davy_api::ValvesOf;
use davy_domain::AlarmId;
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// What a button changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Says that a person has seen the alarm.
    Acknowledge(AlarmId),
    /// Resets a latched alarm.
    Reset(AlarmId),
    /// Closes the valves of a device or of a premises.
    Close(ValvesOf),
}

impl Act {
    const fn path(self) -> &'static str {
        match self {
            Self::Acknowledge(_) => "/actions/acknowledge",
            Self::Reset(_) => "/actions/reset",
            Self::Close(_) => "/actions/close",
        }
    }

    fn field(self) -> (&'static str, String) {
        match self {
            Self::Acknowledge(alarm) | Self::Reset(alarm) => ("alarm", alarm.to_string()),
            Self::Close(ValvesOf::Device(device)) => ("device", device.to_string()),
            Self::Close(ValvesOf::Premises(premises)) => ("premises", premises.to_string()),
        }
    }

    const fn testid(self) -> &'static str {
        match self {
            Self::Acknowledge(_) => "acknowledge",
            Self::Reset(_) => "reset",
            Self::Close(_) => "close-valve",
        }
    }

    async fn run(self) -> Loaded<Flash> {
        match self {
            Self::Acknowledge(alarm) => data::acknowledge(alarm).await.map(|()| Flash::Acknowledged),
            Self::Reset(alarm) => data::reset(alarm).await.map(|()| Flash::Reset),
            Self::Close(of) => data::close(of).await.map(|it| closed(it.already_closed)),
        }
    }
}

const fn closed(already: bool) -> Flash {
    if already { Flash::AlreadyClosed } else { Flash::CloseRequested }
}

/// A button that changes something, in a form of its own.
#[component]
pub fn ActionButton(
    /// What it changes.
    act: Act,
    /// The session's CSRF token.
    #[prop(into)]
    csrf: String,
    /// The page to come back to without scripts: a path of this site.
    #[prop(into)]
    next: String,
    /// What the button says.
    #[prop(into)]
    label: String,
    /// What it is called for screen readers where the label alone does not tell.
    #[prop(optional, into)]
    title: String,
    /// The button's class.
    #[prop(default = "button")]
    class: &'static str,
    /// Told how it went, in the browser.
    #[prop(into)]
    done: Callback<Flash>,
) -> impl IntoView {
    let (pending, set_pending) = signal(false);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if pending.get_untracked() {
            return;
        }
        set_pending.set(true);
        spawn_local(async move {
            let outcome = act.run().await.unwrap_or_else(|problem| Flash::from_problem(&problem));
            // The row may be gone by now, and the button with it.
            let _ = set_pending.try_set(false);
            done.run(outcome);
        });
    };
    let (name, value) = act.field();
    let title = (!title.is_empty()).then_some(title);
    view! {
        <form method="post" action=act.path() class="action" on:submit=submit>
            <input type="hidden" name="csrf" value=csrf />
            <input type="hidden" name=name value=value />
            <input type="hidden" name="next" value=next />
            <button
                type="submit"
                class=class
                data-testid=act.testid()
                aria-label=title
                aria-busy=move || pending.get().to_string()
                disabled=move || pending.get()
            >
                {label}
            </button>
        </form>
    }
    .into_any()
}
