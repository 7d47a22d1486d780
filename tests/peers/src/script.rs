//! Rhai: engine and syntax tree last, each call has a scope of its own.

use crate::Side;
use crate::packs::{Decided, Pack, read, text};
use anyhow::{Result, anyhow};
use rhai::{AST, Engine, Map, Scope};

const SCRIPT: &str = include_str!("../scripts/two-levels.rhai");

/// The engine with the script.
pub(crate) struct Rhai {
    engine: Engine,
    tree: AST,
}

impl Rhai {
    pub(crate) fn new() -> Result<Self> {
        let engine = Engine::new();
        let tree = engine.compile(SCRIPT).map_err(|error| anyhow!("{error}"))?;
        Ok(Self { engine, tree })
    }
}

impl Side for Rhai {
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided> {
        let words = |error: Box<rhai::EvalAltResult>| anyhow!("{error}");
        let input = self.engine.parse_json(text(state, pack)?, true).map_err(words)?;
        let output: Map = self.engine.call_fn(&mut Scope::new(), &self.tree, "evaluate", (input,)).map_err(words)?;
        read(&rhai::format_map_as_json(&output), state)
    }
}
