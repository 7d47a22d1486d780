//! Devices, alarms, commands, series: what the pages and third parties read.

use crate::rules::AlarmFound;
use davy_domain::alarm::{AlarmState, Origin};
use davy_domain::command::{Action, CommandState};
use davy_domain::{
    AlarmId, CommandId, Condition, DeviceId, DeviceKind, PremisesId, Priority, Quantity, Timestamp, ValveState,
};
use serde::{Deserialize, Serialize};

macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }
    )*};
}

wire! {
    /// The figures above the map.
    Overview {
        /// Premises in view.
        premises: u64,
        /// Devices in view.
        devices: u64,
        /// Devices that reported within their interval.
        online: u64,
        /// Active alarms that mean a leak.
        leaks: u64,
        /// Active alarms of any kind.
        alarms: u64,
        /// Active alarms that nobody has acknowledged.
        unacknowledged: u64,
        /// Valves ordered to close and not yet proven closed, however far the order has come.
        closing: u64,
        /// Valves not proven closed by their deadline.
        unverified: u64,
        /// The same by division.
        divisions: Vec<DivisionCount>,
        /// West, south, east, north of what is in view, degrees; empty when nothing is.
        bounds: Vec<f64>,
    }

    /// Figures of one division.
    DivisionCount {
        /// Code (GB/T 2260).
        code: String,
        /// Chinese name.
        name_zh: String,
        /// English name.
        name_en: String,
        /// Premises in it.
        premises: u64,
        /// Active leak alarms in it.
        leaks: u64,
        /// Active alarms in it.
        alarms: u64,
    }

    /// What a gas company's rule said to an alarm that it moved.
    RuleWords {
        /// Why, in Chinese.
        zh: Option<String>,
        /// Why, in English.
        en: Option<String>,
        /// Its remarks for whoever examines the decision; none for a resident.
        notes: Vec<String>,
    }

    /// An alarm in a list.
    AlarmItem {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        id: AlarmId,
        /// The device.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        device: DeviceId,
        /// The device's serial.
        serial: String,
        /// What the device is.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        device_kind: DeviceKind,
        /// The gas company.
        tenant_name: String,
        /// Address, or the well's place.
        address: String,
        /// What it is about.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        condition: Condition,
        /// How urgent.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        priority: Priority,
        /// Who raised it.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        origin: Origin,
        /// Where it stands.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        state: AlarmState,
        /// When it was raised.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        raised_at: Timestamp,
        /// When it last changed.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        changed_at: Timestamp,
        /// The linked valve as far as proven; absent where there is none.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        valve: Option<ValveState>,
        /// What the gas company's rule said to it, if anything; live events do not carry it.
        said: Option<RuleWords>,
        /// What it really was, once somebody has said so; told with a device or a premises, not with lists and live events.
        found: Option<AlarmFound>,
        /// Degrees east, of the place where the map draws it.
        lon: f64,
        /// Degrees north.
        lat: f64,
    }

    /// A page of alarms, newest first.
    AlarmPage {
        /// The alarms.
        items: Vec<AlarmItem>,
        /// Pass as `after` for the next page; absent on the last.
        next: Option<String>,
    }

    /// Which alarms.
    AlarmQuery {
        /// Only active ones (the default), or the history too.
        history: Option<bool>,
        /// Only of this device.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        device: Option<DeviceId>,
        /// From a page's `next`.
        after: Option<String>,
        /// At most so many, 1 to 200; 50 unless told.
        limit: Option<u32>,
    }

    /// A device in a list.
    DeviceSummary {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        id: DeviceId,
        /// Serial number, unique within the gas company.
        serial: String,
        /// What it is.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        kind: DeviceKind,
        /// Vendor's model.
        model: String,
        /// Address, or the well's place.
        address: String,
        /// When it last reported.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
        last_seen: Option<Timestamp>,
        /// Whether it reported within its interval.
        online: bool,
        /// Its most urgent active condition.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        worst: Option<Condition>,
        /// Its own valve, or the linked one.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        valve: Option<ValveState>,
    }

    /// A page of devices by serial.
    DevicePage {
        /// The devices.
        items: Vec<DeviceSummary>,
        /// Pass as `after` for the next page; absent on the last.
        next: Option<String>,
        /// How many there are in all.
        total: u64,
    }

    /// Which devices.
    DeviceQuery {
        /// Only of this kind.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        kind: Option<DeviceKind>,
        /// Part of a serial or an address.
        q: Option<String>,
        /// From a page's `next`.
        after: Option<String>,
        /// At most so many, 1 to 200; 50 unless told.
        limit: Option<u32>,
    }

    /// The newest value of one quantity.
    LatestReading {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        quantity: Quantity,
        /// In [`Quantity::unit`].
        value: f64,
        /// The unit, as SenML spells it.
        unit: String,
        /// When measured.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        at: Timestamp,
    }

    /// A command of a device.
    CommandItem {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        id: CommandId,
        /// To which device.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        device: DeviceId,
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        action: Action,
        /// Where it stands.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        state: CommandState,
        /// Why: `leak`, `rule`, `operator` or `resident`.
        cause: String,
        /// The alarm that ordered it.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        alarm: Option<AlarmId>,
        /// When asked for.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        requested_at: Timestamp,
        /// When it last changed.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        changed_at: Timestamp,
        /// By when it must be proven.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        deadline: Timestamp,
    }

    /// One device, whole.
    DeviceDetail {
        /// As in a list.
        summary: DeviceSummary,
        /// The gas company.
        tenant_name: String,
        /// The premises it is in.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        premises: Option<PremisesId>,
        /// When it was installed.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
        installed_at: Option<Timestamp>,
        /// How often it must report, milliseconds.
        report_interval_ms: Option<i64>,
        /// Its newest values.
        latest: Vec<LatestReading>,
        /// Its active alarms and the last past ones, newest first.
        alarms: Vec<AlarmItem>,
        /// Commands of its own or linked valve, newest first.
        commands: Vec<CommandItem>,
        /// The other devices of the same interlock.
        linked: Vec<DeviceSummary>,
        /// Whether the viewer may close the valve.
        may_close: bool,
        /// Degrees east.
        lon: f64,
        /// Degrees north.
        lat: f64,
    }

    /// A level of the statutory floor that holds now: data with a date and a source, not a constant.
    FloorLevel {
        /// Of what.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        quantity: Quantity,
        /// Which rule of the floor.
        rule: String,
        /// The alarm is raised at this value and above, in the quantity's unit.
        at_or_above: f64,
        /// The alarm may end below this value.
        clear_below: f64,
        /// Whether every linked valve is closed then.
        close: bool,
    }

    /// A premises with its devices: the resident's page.
    PremisesDetail {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        id: PremisesId,
        /// Address.
        address: String,
        /// The gas company.
        tenant_name: String,
        /// The valve as far as proven: the least safely closed one.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        valve: Option<ValveState>,
        /// The levels of the statutory floor in force for its devices.
        floor: Vec<FloorLevel>,
        /// Its devices, each with its newest values.
        devices: Vec<DeviceDetail>,
        /// Active alarms.
        alarms: Vec<AlarmItem>,
        /// Newest commands first.
        commands: Vec<CommandItem>,
    }

    /// Which part of a series.
    SeriesQuery {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        quantity: Quantity,
        /// From, milliseconds; 24 h before `to` unless told.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
        from: Option<Timestamp>,
        /// To (exclusive), milliseconds; now unless told.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>))]
        to: Option<Timestamp>,
        /// At most so many samples, 2 to 10,000; 2,000 unless told. More are thinned keeping each bucket's extremes.
        limit: Option<u32>,
    }

    /// One sample.
    Sample {
        /// When measured.
        #[cfg_attr(feature = "openapi", schema(value_type = i64))]
        at: Timestamp,
        /// The value in the series' unit.
        value: f64,
    }

    /// Readings of one quantity in the order of time.
    Series {
        /// What.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        quantity: Quantity,
        /// The unit, as SenML spells it.
        unit: String,
        /// The samples.
        samples: Vec<Sample>,
        /// Whether it was thinned to the limit.
        thinned: bool,
    }

    /// Answer to a close that was asked for.
    CloseReceipt {
        /// The commands, one per valve; existing ones when a close was already under way.
        commands: Vec<CommandItem>,
        /// True when every valve was proven closed already.
        already_closed: bool,
    }
}
