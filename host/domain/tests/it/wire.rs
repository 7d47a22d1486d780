//! The CBOR of the command protocol.

use davy_domain::command::DeviceOutcome;
use davy_domain::wire::{
    OutcomeReport, PendingCommand, decode_outcome, decode_pending, encode_outcome, encode_pending,
};
use davy_domain::{Action, CommandId, Timestamp};
use proptest::prelude::*;

fn pending() -> impl Strategy<Value = PendingCommand> {
    (0..i64::MAX, any::<bool>(), any::<u64>(), any::<i64>(), prop::option::of("[A-Z0-9]{1,12}")).prop_map(
        |(id, close, counter, deadline, child)| PendingCommand {
            id: CommandId::from_raw(id),
            action: if close { Action::Close } else { Action::Arm },
            counter,
            deadline: Timestamp::from_millis(deadline),
            child,
        },
    )
}

#[test]
fn a_close_is_these_bytes() {
    let close = PendingCommand {
        id: CommandId::from_raw(5),
        action: Action::Close,
        counter: 9,
        deadline: Timestamp::from_millis(1_000),
        child: None,
    };
    assert_eq!(encode_pending(&[close]), [0x81, 0x84, 0x05, 0x01, 0x09, 0x19, 0x03, 0xE8]);
    assert_eq!(encode_pending(&[]), Vec::<u8>::new());
}

#[test]
fn an_action_that_does_not_exist_is_refused_by_name() {
    let error = decode_pending(&[0x81, 0x84, 0x05, 0x03, 0x09, 0x00]).unwrap_err();
    assert_eq!(error.to_string(), "unknown action code 3: expected 1 (close) or 2 (arm)");
    let error = decode_outcome(&[0x83, 0x01, 0x0F, 0x00]).unwrap_err();
    assert_eq!(error.to_string(), "unknown outcome code 15: expected 1 to 8");
}

#[test]
fn later_versions_may_say_more_in_an_outcome() {
    let report = decode_outcome(&[0x84, 0x07, 0x02, 0x18, 0x64, 0x65, b'h', b'e', b'l', b'l', b'o']).unwrap();
    let at = Timestamp::from_millis(100);
    assert_eq!(report, OutcomeReport { counter: 7, outcome: DeviceOutcome::Actuated, at });
}

proptest! {
    #[test]
    fn what_is_written_is_read(commands in prop::collection::vec(pending(), 0..32), counter: u64, code in 1_u16..=8, at: i64) {
        prop_assert_eq!(decode_pending(&encode_pending(&commands)).unwrap(), commands);
        let outcome = DeviceOutcome::from_code(code).unwrap();
        let report = OutcomeReport { counter, outcome, at: Timestamp::from_millis(at) };
        prop_assert_eq!(decode_outcome(&encode_outcome(&report)).unwrap(), report);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode_pending(&bytes);
        let _ = decode_outcome(&bytes);
    }
}
