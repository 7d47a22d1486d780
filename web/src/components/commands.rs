//! What was ordered, why, and whether it is proven.

use crate::components::icon::LevelIcon;
use crate::components::when::When;
use crate::format;
use crate::live::clock;
use crate::tell::tell;
use crate::translations::Locale;
use crate::words;
use davy_api::CommandItem;
use davy_domain::command::CommandState;
use leptos::prelude::*;
use leptos_i18n::td_string;

/// Commands, newest first.
#[component]
pub fn CommandList(
    /// The language.
    locale: Locale,
    /// The page's time zone, minutes east of UTC.
    offset: i32,
    /// The commands.
    commands: Vec<CommandItem>,
) -> impl IntoView {
    if commands.is_empty() {
        return view! { <p class="muted">{td_string!(locale, command.empty)}</p> }.into_any();
    }
    let clock = clock();
    let rows = commands
        .into_iter()
        .map(|command| {
            let open = matches!(
                command.state,
                CommandState::Requested
                    | CommandState::Authorised
                    | CommandState::Queued
                    | CommandState::Sent
                    | CommandState::Acknowledged
                    | CommandState::Actuated
            );
            let deadline = open.then(|| {
                let text = move || {
                    let time = format::date_time(locale, command.deadline, clock.now(), offset);
                    tell!(locale, command.deadline, time = time)
                };
                view! { <span class="muted">{text}</span> }
            });
            view! {
                <li class="entry" data-testid="command" data-state=command_word(command.state)>
                    <LevelIcon level=words::command_level(command.state) />
                    <div class="entry-body">
                        <p class="entry-title">
                            {words::action(locale, command.action)} " · " {words::command_state(locale, command.state)}
                        </p>
                        <p class="entry-facts">
                            <span class="muted">{words::cause(locale, &command.cause)}</span>
                            {deadline}
                            <When locale at=command.requested_at offset />
                        </p>
                    </div>
                </li>
            }
        })
        .collect_view();
    view! { <ol class="entries">{rows}</ol> }.into_any()
}

const fn command_word(state: CommandState) -> &'static str {
    match state {
        CommandState::Requested => "requested",
        CommandState::Authorised => "authorised",
        CommandState::Queued => "queued",
        CommandState::Sent => "sent",
        CommandState::Acknowledged => "acknowledged",
        CommandState::Actuated => "actuated",
        CommandState::Verified => "verified",
        CommandState::Rejected => "rejected",
        CommandState::Expired => "expired",
        CommandState::Cancelled => "cancelled",
        CommandState::Failed => "failed",
        CommandState::Unverified => "unverified",
    }
}
