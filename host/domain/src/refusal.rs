//! Why admission refuses a component, where, and what to do: stable codes with the names of their values.
//!
//! The engine says the same in English beside them; whoever shows it to a person has words for each code in the person's language. No code
//! is ever given another meaning, and none is without all of its values.

use crate::device::coded;
use serde::{Deserialize, Serialize};

coded! {
    /// What was expected and was not found.
    Reason {
        /// The file is over the size that its tier allows.
        TooLarge = 1, "too-large";
        /// There are no bytes.
        Empty = 2, "empty";
        /// A WebAssembly module that is no component.
        CoreModule = 3, "core-module";
        /// Machine code.
        MachineCode = 4, "machine-code";
        /// WebAssembly as text.
        WasmText = 5, "wasm-text";
        /// Something else.
        NotWasm = 6, "not-wasm";
        /// Its sections cannot be read.
        Malformed = 7, "malformed";
        /// There is more of something than admission allows.
        TooMany = 8, "too-many";
        /// WebAssembly validation failed.
        NotValid = 9, "not-valid";
        /// Its interfaces cannot be read.
        Unreadable = 10, "unreadable";
        /// Interface definitions without code.
        Definitions = 11, "definitions";
        /// It wants something from outside.
        Imports = 12, "imports";
        /// It does not export the interface of a known world and version.
        NoKnownExport = 13, "no-known-export";
        /// It exports something beside its interface.
        MoreExports = 14, "more-exports";
        /// Its interface lacks functions.
        FunctionsMissing = 15, "functions-missing";
        /// The engine cannot link it.
        Unlinkable = 16, "unlinkable";
        /// Its functions have other types than the contract.
        OtherExports = 17, "other-exports";
        /// It is of another world than the one that is wanted.
        OtherWorld = 18, "other-world";
        /// The compiler refused it.
        NotCompiled = 19, "not-compiled";
        /// There was no thread to compile it on.
        NoThread = 20, "no-thread";
        /// The compiler ended abnormally.
        CompilerGaveUp = 21, "compiler-gave-up";
        /// There was no sandbox to ask it in.
        NoSandbox = 22, "no-sandbox";
        /// Its `describe` failed.
        DescribeFailed = 23, "describe-failed";
        /// Its name is none.
        Name = 24, "name";
        /// Its version is none.
        Version = 25, "version";
        /// A text is too long.
        TextTooLong = 26, "text-too-long";
        /// A text has control characters.
        ControlCharacters = 27, "control-characters";
        /// It has too many texts.
        TooManyTexts = 28, "too-many-texts";
        /// Codes of its texts are zero or doubled.
        TextCodes = 29, "text-codes";
        /// Its device models are none, too many or no names.
        Models = 30, "models";
        /// Its device kinds are none or unknown.
        DeviceKinds = 31, "device-kinds";
        /// Its orders are unknown.
        Actions = 32, "actions";
        /// Its collection points are none or too many.
        Tags = 33, "tags";
        /// A collection point measures an unknown quantity.
        Quantity = 34, "quantity";
        /// A collection point reports too seldom.
        Period = 35, "period";
        /// A resolution is no number or below 0.
        Resolution = 36, "resolution";
        /// Its settings schema is not one that the host understands.
        Schema = 37, "schema";
        /// One of its own cases comes out otherwise.
        CaseDiffers = 38, "case-differs";
        /// One of its own cases cannot be run.
        CaseUnusable = 39, "case-unusable";
        /// Its own cases are too many or too long.
        CasesTooMuch = 40, "cases-too-much";
        /// Its own cases cannot be read.
        CasesUnreadable = 41, "cases-unreadable";
        /// It does not work with its default settings.
        Defaults = 42, "defaults";
        /// The statutory table cannot be used.
        FloorTable = 43, "floor-table";
        /// It fails on a curve of the statutory suite.
        WeakerFaults = 44, "weaker-faults";
        /// It clears what the floor holds.
        WeakerClears = 45, "weaker-clears";
        /// It rests over a reading that reaches the floor.
        WeakerSleeps = 46, "weaker-sleeps";
        /// It raises no alarm where the floor does.
        WeakerSilent = 47, "weaker-silent";
        /// It orders no close where the floor does.
        WeakerStaysOpen = 48, "weaker-stays-open";
        /// It raises the alarm later than a standard allows.
        WeakerLate = 49, "weaker-late";
        /// A setting does not fit the schema.
        SettingUnfit = 50, "setting-unfit";
        /// The rule does not take its settings together.
        SettingContradiction = 51, "setting-contradiction";
        /// The rule fails with its settings.
        SettingsFail = 52, "settings-fail";
        /// Examining it took too long.
        TooSlow = 53, "too-slow";
        /// Examining it took too much memory.
        TooMuchMemory = 54, "too-much-memory";
        /// Examining it took too much processor time.
        TooMuchProcessor = 55, "too-much-processor";
        /// The examining process ended abnormally.
        ProcessEnded = 56, "process-ended";
        /// The check itself failed.
        CheckFailed = 57, "check-failed";
    }
}

coded! {
    /// Where in the component.
    Place {
        /// All of it.
        WholeFile = 1, "whole-file";
        /// Its interfaces.
        Interfaces = 2, "interfaces";
        /// Its code.
        Code = 3, "code";
        /// What `describe` returns.
        Description = 4, "description";
        /// Its settings schema.
        Schema = 5, "schema";
        /// Its own cases.
        Cases = 6, "cases";
        /// What it decides.
        Decisions = 7, "decisions";
        /// Its settings.
        Settings = 8, "settings";
        /// A byte of the file.
        Byte = 9, "byte";
        /// A section of the file.
        Section = 10, "section";
        /// A function.
        Function = 11, "function";
        /// Its imports.
        Imports = 12, "imports";
        /// Its exports.
        Exports = 13, "exports";
        /// A field of what `describe` returns.
        Field = 14, "field";
        /// A place in its settings schema.
        SchemaPath = 15, "schema-path";
        /// One of its own cases.
        Case = 16, "case";
        /// A moment of a curve of the statutory suite.
        Curve = 17, "curve";
        /// One setting.
        Setting = 18, "setting";
        /// One setting with its value.
        SettingValue = 19, "setting-value";
        /// Several settings with their values.
        SettingValues = 20, "setting-values";
    }
}

coded! {
    /// What its author can do.
    Advice {
        /// Build it again.
        Rebuild = 1, "rebuild";
        /// Build without WASI.
        NoWasi = 2, "no-wasi";
        /// Remove the imports.
        NoImports = 3, "no-imports";
        /// Split the function.
        Split = 4, "split";
        /// Leave things out.
        Shrink = 5, "shrink";
        /// Use fewer parts.
        FewerParts = 6, "fewer-parts";
        /// Use less memory.
        LessMemory = 7, "less-memory";
        /// Strip names and data.
        Strip = 8, "strip";
        /// Make a component.
        MakeComponent = 9, "make-component";
        /// Use allowed features only.
        AllowedFeatures = 10, "allowed-features";
        /// Build smaller, or for the large tier.
        SmallerOrLargeTier = 11, "smaller-or-large-tier";
        /// Leave data out.
        NoData = 12, "no-data";
        /// Simplify the code.
        Simplify = 13, "simplify";
        /// Let `describe` depend on nothing.
        DescribeAlone = 14, "describe-alone";
        /// Mend the arguments of the rule’s attribute.
        MendAttribute = 15, "mend-attribute";
        /// Mend the arguments of the driver’s attribute.
        MendDriverAttribute = 16, "mend-driver-attribute";
        /// Mend the attributes of the settings.
        MendSettingAttribute = 17, "mend-setting-attribute";
        /// Mend the rule or the case.
        MendCase = 18, "mend-case";
        /// Let the build pack the cases.
        PackCases = 19, "pack-cases";
        /// Give every setting a default.
        EveryDefault = 20, "every-default";
        /// Mend the platform’s table.
        MendTable = 21, "mend-table";
        /// Decide on every curve.
        DecideEverywhere = 22, "decide-everywhere";
        /// Clear below the level only.
        ClearBelow = 23, "clear-below";
        /// Wake at the level.
        WakeAtLevel = 24, "wake-at-level";
        /// Raise at the level.
        RaiseAtLevel = 25, "raise-at-level";
        /// Close with the alarm.
        CloseWithAlarm = 26, "close-with-alarm";
        /// Use a timer.
        TimerForTime = 27, "timer-for-time";
        /// Give settings that fit.
        FitSchema = 28, "fit-schema";
        /// Set one setting stricter.
        StricterSetting = 29, "stricter-setting";
        /// Set them stricter.
        StricterSettings = 30, "stricter-settings";
        /// Use it where it belongs.
        RightPlace = 31, "right-place";
        /// Make it smaller and simpler.
        SmallerSimpler = 32, "smaller-simpler";
        /// Upload it again.
        UploadAgain = 33, "upload-again";
    }
}

coded! {
    /// What there may be only so much of.
    Counted {
        /// Components within each other.
        Nesting = 1, "nesting";
        /// Core modules.
        Modules = 2, "modules";
        /// Core types.
        Types = 3, "types";
        /// Custom sections.
        CustomSections = 4, "custom-sections";
        /// Bytes in custom sections.
        CustomBytes = 5, "custom-bytes";
        /// Core instances.
        Instances = 6, "instances";
        /// Functions.
        Functions = 7, "functions";
        /// Bytes of memory at the start.
        MemoryBytes = 8, "memory-bytes";
        /// Memories.
        Memories = 9, "memories";
        /// Table elements.
        TableElements = 10, "table-elements";
        /// Tables.
        Tables = 11, "tables";
        /// Imports, exports, types and aliases.
        Items = 12, "items";
        /// Bytes in a function.
        BodyBytes = 13, "body-bytes";
        /// Bytes of code.
        CodeBytes = 14, "code-bytes";
        /// Parameters and locals in a function.
        Locals = 15, "locals";
        /// Nested blocks in a function.
        BlockDepth = 16, "block-depth";
        /// Nested loops in a function.
        LoopDepth = 17, "loop-depth";
        /// Locals times branches.
        Joins = 18, "joins";
    }
}

impl Reason {
    /// The names of the values that come with it.
    pub const fn params(self) -> &'static [&'static str] {
        match self {
            Self::TooLarge => &["got", "most", "tier"],
            Self::Empty
            | Self::CoreModule
            | Self::MachineCode
            | Self::WasmText
            | Self::NotWasm
            | Self::Definitions
            | Self::CompilerGaveUp
            | Self::ControlCharacters
            | Self::TextCodes
            | Self::DeviceKinds
            | Self::Actions => &[],
            Self::Malformed
            | Self::NotValid
            | Self::Unreadable
            | Self::Unlinkable
            | Self::NotCompiled
            | Self::NoThread
            | Self::NoSandbox
            | Self::Schema
            | Self::CasesUnreadable
            | Self::Defaults
            | Self::FloorTable
            | Self::SettingContradiction
            | Self::ProcessEnded
            | Self::CheckFailed => &["detail"],
            Self::TooMany => &["got", "most", "what"],
            Self::Imports => &["count", "names"],
            Self::NoKnownExport | Self::MoreExports => &["expected", "offered"],
            Self::FunctionsMissing => &["expected", "lacking", "missing"],
            Self::OtherExports => &["detail", "expected"],
            Self::OtherWorld => &["is", "wanted"],
            Self::DescribeFailed | Self::SettingsFail => &["detail", "fault"],
            Self::Name | Self::Version | Self::Quantity | Self::Resolution => &["got"],
            Self::TextTooLong | Self::TooManyTexts | Self::Models | Self::Tags | Self::Period => &["got", "most"],
            Self::CaseDiffers | Self::CaseUnusable => &["case", "detail"],
            Self::CasesTooMuch => &["bytes", "cases", "most", "most_bytes"],
            Self::WeakerFaults
            | Self::WeakerClears
            | Self::WeakerSleeps
            | Self::WeakerSilent
            | Self::WeakerStaysOpen
            | Self::WeakerLate => &["at_s", "curves", "kind"],
            Self::SettingUnfit => &["expected", "field", "got"],
            Self::TooSlow | Self::TooMuchProcessor => &["seconds"],
            Self::TooMuchMemory => &["mib"],
        }
    }
}

impl Place {
    /// The names of the values that come with it.
    pub const fn params(self) -> &'static [&'static str] {
        match self {
            Self::WholeFile
            | Self::Interfaces
            | Self::Code
            | Self::Description
            | Self::Schema
            | Self::Cases
            | Self::Decisions
            | Self::Settings
            | Self::Imports
            | Self::Exports => &[],
            Self::Byte | Self::Section => &["byte"],
            Self::Function => &["byte", "function", "module"],
            Self::Field => &["described"],
            Self::SchemaPath => &["path"],
            Self::Case => &["case"],
            Self::Curve => &["at_s", "curve", "kind"],
            Self::Setting => &["field"],
            Self::SettingValue => &["setting", "value"],
            Self::SettingValues => &["values"],
        }
    }
}

impl Advice {
    /// The names of the values that come with it.
    pub const fn params(self) -> &'static [&'static str] {
        match self {
            Self::Rebuild
            | Self::NoWasi
            | Self::NoImports
            | Self::Split
            | Self::Shrink
            | Self::FewerParts
            | Self::LessMemory
            | Self::Strip
            | Self::MakeComponent
            | Self::AllowedFeatures
            | Self::SmallerOrLargeTier
            | Self::NoData
            | Self::Simplify
            | Self::DescribeAlone
            | Self::MendAttribute
            | Self::MendDriverAttribute
            | Self::MendSettingAttribute
            | Self::MendCase
            | Self::PackCases
            | Self::EveryDefault
            | Self::MendTable
            | Self::DecideEverywhere
            | Self::ClearBelow
            | Self::WakeAtLevel
            | Self::RaiseAtLevel
            | Self::CloseWithAlarm
            | Self::TimerForTime
            | Self::FitSchema
            | Self::StricterSettings
            | Self::SmallerSimpler
            | Self::UploadAgain => &[],
            Self::StricterSetting => &["setting"],
            Self::RightPlace => &["is", "wanted"],
        }
    }
}

impl Reason {
    /// The case of a name of the API; none for a word of a newer server.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.name() == name)
    }
}

impl Place {
    /// The case of a name of the API; none for a word of a newer server.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.name() == name)
    }
}

impl Advice {
    /// The case of a name of the API; none for a word of a newer server.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.name() == name)
    }
}

impl Counted {
    /// The case of a name of the API; none for a word of a newer server.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.name() == name)
    }
}
