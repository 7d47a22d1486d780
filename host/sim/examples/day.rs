//! Prints a day of a few premises as text: gas use by the hour, nuisance, and a leak with its valve. `cargo run -p davy-sim --example day`

use davy_domain::{Span, Timestamp};
use davy_sim::{
    chance::Chance,
    world::{
        calendar::{LocalTime, outdoor_celsius},
        home::{Home, Life},
        leak::{Leak, LeakKind, LeakSite},
        valve::Valve,
    },
};

const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

fn bar(value: f64, full: f64) -> char {
    BARS[((value / full * 8.0).ceil().clamp(0.0, 8.0)) as usize]
}

fn main() {
    let monday = LocalTime { day: 20_780, hour: 0.0 };
    println!(
        "gas use in quarter hours, 0–24 h local (full bar = 1 m³/h), day's volume, and the sensor's highest reading\n"
    );
    for (label, day) in
        [("Monday in November", monday.day), ("Saturday", monday.day + 5), ("a Monday in July", monday.day + 231)]
    {
        let start = LocalTime::moment(day, 0.0);
        println!("{label}, {:.0} °C at noon", outdoor_celsius(LocalTime::moment(day, 12.0)));
        for seed in 0..8 {
            let mut home = Home::new(start, Life { began: start, scale: 1.0 }, 1.0, 0.1, Chance::new(seed, 0));
            let (mut line, mut highest, before) = (String::new(), 0.0_f64, home.index_m3());
            for quarter in 0..96 {
                let quarter_before = home.index_m3();
                for second in (0..900).step_by(5) {
                    home.advance(start + Span::from_secs(quarter * 900 + second), &mut Vec::new());
                    highest = highest.max(home.sensed_lel());
                }
                line.push(bar((home.index_m3() - quarter_before) * 4.0, 1.0));
            }
            println!("  {seed} |{line}| {:5.2} m³  {highest:4.1} %LEL", home.index_m3() - before);
        }
    }
    for kind in [LeakKind::Sudden, LeakKind::Slow] {
        leak(kind, LocalTime::moment(monday.day, 18.0));
    }
}

fn leak(kind: LeakKind, start: Timestamp) {
    println!("\n{kind:?} leak: every 15 s (sudden) or 3 min (slow), valve ordered to close at 25 %LEL");
    let mut home = Home::new(start, Life { began: start, scale: 1.0 }, 1.0, 0.0, Chance::new(3, 0));
    home.valves.push(Valve::new(0.0, &mut Chance::new(3, 1)));
    home.set_leak(Some(Leak::draw(kind, LeakSite::BehindValves, home.room(), start, &mut Chance::new(3, 2))));
    let every = if kind == LeakKind::Sudden { 15 } else { 180 };
    let mut ordered = false;
    let mut moved = Vec::new();
    for second in 0..every * 24 {
        let at = start + Span::from_secs(second);
        home.advance(at, &mut moved);
        if !ordered && home.gas_lel() >= 25.0 {
            ordered = true;
            home.valves[0].close(at, &mut Chance::new(3, 3));
        }
        if second % every == 0 {
            let width = (home.gas_lel() / 2.0) as usize;
            let valve = format!("{:?}", home.valves[0].position());
            println!(
                "{second:5} s {:6.1} %LEL {:5.2} m³/h {:<8.8} {}",
                home.gas_lel(),
                home.flow_m3h(),
                valve,
                "#".repeat(width.min(60))
            );
        }
    }
}
