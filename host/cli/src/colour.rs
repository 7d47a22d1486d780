//! The one place where the command line's words for people get a colour: on a terminal that wants colours, and never in what programs read.

use std::io::{IsTerminal, stdout};
use std::sync::OnceLock;

/// What a word means, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Passed, admitted, equal, in force.
    Good = 32,
    /// Failed, refused, different.
    Bad = 31,
    /// Under way, or for a person to look at.
    Attention = 33,
    /// Neither.
    Plain = 0,
}

/// The word in its colour when standard output shows colours (`NO_COLOR`, <https://no-color.org>, and `TERM=dumb` forbid it).
pub(crate) fn paint(word: &str, colour: Colour) -> String {
    static WANTED: OnceLock<bool> = OnceLock::new();
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let wanted = WANTED.get_or_init(|| {
        wanted(
            stdout().is_terminal(),
            variable("NO_COLOR").is_some(),
            variable("TERM").is_some_and(|term| term == "dumb"),
        )
    });
    painted(word, colour, *wanted)
}

const fn wanted(terminal: bool, no_color: bool, dumb: bool) -> bool {
    terminal && !no_color && !dumb
}

fn painted(word: &str, colour: Colour, wanted: bool) -> String {
    if wanted && colour != Colour::Plain { format!("\x1b[{}m{word}\x1b[0m", colour as u8) } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        assert!(wanted(true, false, false));
        for (terminal, no_color, dumb) in [(false, false, false), (true, true, false), (true, false, true)] {
            assert!(!wanted(terminal, no_color, dumb));
        }
        assert_eq!(painted("pass", Colour::Good, true), "\x1b[32mpass\x1b[0m");
        assert_eq!(painted("pass", Colour::Good, false), "pass");
        assert_eq!(painted("retired", Colour::Plain, true), "retired");
    }
}
