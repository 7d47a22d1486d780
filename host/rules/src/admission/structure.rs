//! One linear walk over the bytes that counts, and the full validation. Both run before anything is compiled: validation and
//! compiling can cost far more than linear time, and the caps are what bounds them.

use super::{Refusal, Stage};
use crate::config::{Caps, EngineConfig, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES, Tier};
use wasmparser::{Encoding, FunctionBody, Operator, Parser, Payload, Validator, WasmFeatures};

const SPLIT: &str = "Split the function, or build with `davyctl rule build`, which optimises for size";
const SHRINK: &str = "Leave out what the rule does not need, or build with `davyctl rule build`, which optimises for size and strips names";
const FEWER_PARTS: &str = "Leave out what the rule does not need: a component of `davyctl rule build` has one rule module and a few dozen interface items";
const LESS_MEMORY: &str =
    "Make what the rule keeps at hand smaller: its memory and tables must fit the limits that `wit/` publishes";
const STRIP: &str = "Strip debug information and names, as `davyctl rule build` does, and leave data out of the rule";
const NOT_OURS: &str = "A rule is a WebAssembly component: make one with `davyctl rule build`";

struct Counts {
    caps: Caps,
    /// Where the section begins that is being read.
    at: u64,
    modules: u32,
    functions: u32,
    types: u32,
    memories: u32,
    tables: u32,
    items: u32,
    nesting: usize,
    function_in_module: u32,
    /// The most parameters of any function type of the component: an upper bound for each of its functions.
    parameters: u64,
    code: u64,
    joins: u64,
    custom: u32,
    custom_bytes: u64,
}

/// Counts everything, refuses at the first cap that is passed.
pub(super) fn check(bytes: &[u8], config: &EngineConfig, tier: Tier) -> Result<(), Refusal> {
    form(bytes)?;
    let mut counts = Counts::within(tier.caps());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        if let Some((_, range)) = payload.as_section() {
            counts.at = range.start;
        }
        counts.payload(payload, config)?;
    }
    Ok(())
}

/// The whole of WebAssembly's validation, for exactly the features that the engine has.
pub(super) fn validate(bytes: &[u8]) -> Result<(), Refusal> {
    let features = WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST | WasmFeatures::COMPONENT_MODEL;
    Validator::new_with_features(features).validate_all(bytes).map(drop).map_err(|error| {
        Refusal::new(
            Stage::Validation,
            format!("not valid WebAssembly: {}", error.message()),
            "Rebuild the rule with `davyctl rule build`; threads, 64-bit memories, exceptions, GC and relaxed SIMD are not allowed",
        )
        .at(format!("byte {}", error.offset()))
    })
}

fn form(bytes: &[u8]) -> Result<(), Refusal> {
    let refuse = |reason: &str| Err(Refusal::new(Stage::Structure, reason, NOT_OURS).at("byte 0"));
    match bytes {
        [] => refuse("the file is empty"),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => refuse("expected a component, got a core module"),
        [0, b'a', b's', b'm', ..] => Ok(()),
        [0x7f, b'E', b'L', b'F', ..] => {
            refuse("expected a component, got machine code; compiled artifacts are never accepted")
        }
        [b'(', ..] => refuse("expected a component, got WebAssembly text"),
        _ => refuse("expected a component, got something else"),
    }
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::new(Stage::Structure, format!("malformed: {}", error.message()), NOT_OURS)
        .at(format!("byte {}", error.offset()))
}

impl Counts {
    fn within(caps: Caps) -> Self {
        Self {
            caps,
            at: 0,
            modules: 0,
            functions: 0,
            types: 0,
            memories: 0,
            tables: 0,
            items: 0,
            nesting: 0,
            function_in_module: 0,
            parameters: 0,
            code: 0,
            joins: 0,
            custom: 0,
            custom_bytes: 0,
        }
    }

    fn too_many(&self, what: &str, most: u64, got: u64, remedy: &str) -> Refusal {
        let reason = format!("expected at most {most} {what}, got {got}");
        Refusal::new(Stage::Structure, reason, remedy).at(format!("the section at byte {}", self.at))
    }

    fn cap(&self, what: &str, most: u32, got: u32, remedy: &str) -> Result<(), Refusal> {
        if got <= most { Ok(()) } else { Err(self.too_many(what, u64::from(most), u64::from(got), remedy)) }
    }

    fn payload(&mut self, payload: Payload<'_>, config: &EngineConfig) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                self.nesting += 1;
                if self.nesting > self.caps.nesting {
                    return Err(self.too_many(
                        "components within each other",
                        self.caps.nesting as u64,
                        self.nesting as u64,
                        FEWER_PARTS,
                    ));
                }
            }
            Payload::Version { encoding: Encoding::Module, .. } => {
                self.nesting += 1;
                self.modules += 1;
                self.function_in_module = 0;
                self.cap("core modules", MAX_CORE_INSTANCES, self.modules, FEWER_PARTS)?;
            }
            Payload::End(_) => self.nesting = self.nesting.saturating_sub(1),
            Payload::TypeSection(section) => {
                self.types = self.types.saturating_add(section.count());
                self.cap("core types", self.caps.types, self.types, SHRINK)?;
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty.map_err(|error| malformed(&error))?;
                    self.parameters = self.parameters.max(ty.params().len() as u64);
                }
            }
            Payload::CustomSection(section) => {
                self.custom += 1;
                self.cap("custom sections", self.caps.custom_sections, self.custom, STRIP)?;
                self.custom_bytes += section.data().len() as u64;
                if self.custom_bytes > self.caps.custom_bytes {
                    return Err(self.too_many(
                        "bytes in custom sections",
                        self.caps.custom_bytes,
                        self.custom_bytes,
                        STRIP,
                    ));
                }
            }
            Payload::ImportSection(section) => self.count_items(section.count())?,
            Payload::ExportSection(section) => self.count_items(section.count())?,
            Payload::GlobalSection(section) => self.count_items(section.count())?,
            Payload::ComponentTypeSection(section) => self.count_items(section.count())?,
            Payload::CoreTypeSection(section) => self.count_items(section.count())?,
            Payload::ComponentImportSection(section) => self.count_items(section.count())?,
            Payload::ComponentExportSection(section) => self.count_items(section.count())?,
            Payload::ComponentAliasSection(section) => self.count_items(section.count())?,
            Payload::ComponentInstanceSection(section) => self.count_items(section.count())?,
            Payload::ComponentCanonicalSection(section) => self.count_items(section.count())?,
            Payload::InstanceSection(section) => {
                self.cap("core instances", MAX_CORE_INSTANCES, section.count(), FEWER_PARTS)?;
                self.count_items(section.count())?;
            }
            Payload::FunctionSection(section) => {
                self.functions = self.functions.saturating_add(section.count());
                self.cap("functions", self.caps.functions, self.functions, SHRINK)?;
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory.map_err(|error| malformed(&error))?;
                    self.memories += 1;
                    let bytes = memory.initial.saturating_mul(1 << memory.page_size_log2.unwrap_or(16).min(16));
                    if bytes > config.max_memory as u64 {
                        return Err(self.too_many(
                            "bytes of memory at the start",
                            config.max_memory as u64,
                            bytes,
                            LESS_MEMORY,
                        ));
                    }
                }
                self.cap("memories", MAX_MEMORIES, self.memories, LESS_MEMORY)?;
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table.map_err(|error| malformed(&error))?;
                    self.tables += 1;
                    if table.ty.initial > config.max_table_elements as u64 {
                        return Err(self.too_many(
                            "table elements",
                            config.max_table_elements as u64,
                            table.ty.initial,
                            LESS_MEMORY,
                        ));
                    }
                }
                self.cap("tables", MAX_TABLES, self.tables, LESS_MEMORY)?;
            }
            Payload::CodeSectionEntry(body) => {
                let place =
                    format!("core module {}, function {} of its own", self.modules - 1, self.function_in_module);
                self.function_in_module += 1;
                self.body(&body).map_err(|refusal| {
                    let byte = body.range().start;
                    refusal.at(format!("{place}, byte {byte}"))
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn count_items(&mut self, count: u32) -> Result<(), Refusal> {
        self.items = self.items.saturating_add(count);
        self.cap("imports, exports, types and aliases", self.caps.items, self.items, FEWER_PARTS)
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let size = body.range().end.saturating_sub(body.range().start);
        if size > self.caps.body {
            return Err(self.too_many("bytes in a function", self.caps.body, size, SPLIT));
        }
        self.code += size;
        if self.code > self.caps.code {
            return Err(self.too_many("bytes of code", self.caps.code, self.code, SHRINK));
        }
        let mut locals = self.parameters;
        for group in body.get_locals_reader().map_err(|error| malformed(&error))? {
            let (count, _) = group.map_err(|error| malformed(&error))?;
            locals += u64::from(count);
            if locals > self.caps.locals {
                return Err(self.too_many("parameters and locals in a function", self.caps.locals, locals, SPLIT));
            }
        }
        // For each open block, whether it is a loop.
        let (mut open, mut loops) = (Vec::new(), 0);
        for operator in body.get_operators_reader().map_err(|error| malformed(&error))? {
            match operator.map_err(|error| malformed(&error))? {
                Operator::Loop { .. } => {
                    open.push(true);
                    loops += 1;
                    self.joins += locals;
                }
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                    open.push(false);
                    self.joins += locals;
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => self.joins += locals,
                Operator::BrTable { targets } => self.joins += locals.saturating_mul(u64::from(targets.len())),
                Operator::End => loops -= usize::from(open.pop() == Some(true)),
                _ => {}
            }
            if open.len() > self.caps.block_depth {
                return Err(self.too_many(
                    "nested blocks in a function",
                    self.caps.block_depth as u64,
                    open.len() as u64,
                    SPLIT,
                ));
            }
            if loops > self.caps.loop_depth {
                return Err(self.too_many(
                    "nested loops in a function",
                    self.caps.loop_depth as u64,
                    loops as u64,
                    SPLIT,
                ));
            }
            if self.joins > self.caps.joins {
                return Err(self.too_many("locals times branches", self.caps.joins, self.joins, SPLIT));
            }
        }
        Ok(())
    }
}
