//! QuickJS through rquickjs: a script, JSON in and out.

use crate::Side;
use crate::packs::{Decided, Pack, read, text};
use anyhow::{Context as _, Result};
use rquickjs::{Context, Function, Persistent, Runtime};

const SCRIPT: &str = include_str!("../scripts/two-levels.js");

/// A context that lasts, with the function in it.
pub(crate) struct Reused {
    function: Option<Persistent<Function<'static>>>,
    context: Context,
    _runtime: Runtime,
}

impl Reused {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Runtime::new()?;
        let context = Context::full(&runtime)?;
        let function = context.with(|ctx| {
            ctx.eval::<(), _>(SCRIPT)?;
            let function: Function<'_> = ctx.globals().get("evaluate")?;
            Ok::<_, rquickjs::Error>(Persistent::save(&ctx, function))
        })?;
        Ok(Self { function: Some(function), context, _runtime: runtime })
    }
}

impl Side for Reused {
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided> {
        let function = self.function.clone().context("the function is there until the end")?;
        let input = text(state, pack)?;
        let output: String = self.context.with(|ctx| function.restore(&ctx)?.call((input,)))?;
        read(&output, state)
    }
}

impl Drop for Reused {
    fn drop(&mut self) {
        // It belongs to the runtime, which must find nothing left of it.
        let function = self.function.take();
        self.context.with(|_| drop(function));
    }
}

/// A context for each call, in one runtime.
pub(crate) struct Fresh(Runtime);

impl Fresh {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Runtime::new()?))
    }
}

impl Side for Fresh {
    fn decide(&mut self, state: &mut Vec<u8>, pack: &Pack) -> Result<Decided> {
        let input = text(state, pack)?;
        let output: String = Context::full(&self.0)?.with(|ctx| {
            ctx.eval::<(), _>(SCRIPT)?;
            ctx.globals().get::<_, Function<'_>>("evaluate")?.call((input,))
        })?;
        read(&output, state)
    }
}
