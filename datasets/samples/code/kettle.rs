//! A thermostat for a tea kettle: a small state machine driven by temperature readings.
use std::collections::VecDeque;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Heating { target_mc: i32 },
    Holding { target_mc: i32, left_s: u32 },
    Fault(&'static str),
}

struct Kettle {
    state: State,
    history_mc: VecDeque<i32>,
    element_on: bool,
}

impl Kettle {
    const BAND_MC: i32 = 750;
    const BOILING_MC: i32 = 100_000;

    fn new() -> Self {
        Kettle { state: State::Idle, history_mc: VecDeque::with_capacity(16), element_on: false }
    }

    fn start(&mut self, target_mc: i32) -> Result<(), String> {
        if !(20_000..=Self::BOILING_MC).contains(&target_mc) {
            return Err(format!("target must be 20 to 100 degrees, got {}", target_mc as f32 / 1000.0));
        }
        self.state = State::Heating { target_mc };
        Ok(())
    }

    fn step(&mut self, reading_mc: i32) {
        if self.history_mc.len() == 16 {
            self.history_mc.pop_front();
        }
        self.history_mc.push_back(reading_mc);
        self.state = match self.state {
            State::Heating { target_mc } if reading_mc >= target_mc => State::Holding { target_mc, left_s: 600 },
            State::Heating { .. } if self.is_stuck() => State::Fault("no rise in sixteen readings: is there water?"),
            State::Holding { left_s: 0, .. } => State::Idle,
            State::Holding { target_mc, left_s } => State::Holding { target_mc, left_s: left_s - 1 },
            other => other,
        };
        self.element_on = match self.state {
            State::Heating { .. } => true,
            State::Holding { target_mc, .. } => reading_mc < target_mc - Self::BAND_MC,
            State::Idle | State::Fault(_) => false,
        };
    }

    fn is_stuck(&self) -> bool {
        self.history_mc.len() == 16 && self.history_mc.back() <= self.history_mc.front()
    }
}

impl fmt::Display for Kettle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.history_mc.back().copied().unwrap_or_default();
        write!(f, "{:>6.1} C  {}  {:?}", last as f32 / 1000.0, if self.element_on { "on " } else { "off" }, self.state)
    }
}

fn main() {
    let mut kettle = Kettle::new();
    kettle.start(85_000).expect("a sensible target");
    let mut water_mc = 17_400;
    for second in 0..240 {
        kettle.step(water_mc);
        water_mc += if kettle.element_on { 412 } else { -23 };
        if second % 20 == 0 {
            println!("{second:>4} s {kettle}");
        }
    }
}
