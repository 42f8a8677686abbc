//! Runs plans until one fails, and cuts that one down to what matters.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};

use super::plan::Plan;

/// How long a world waits: for one more piece of a stream, and for everything at its end.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub piece: Duration,
    pub end: Duration,
}

/// How many worlds, and what may be spent on cutting a failing plan down.
pub struct Effort {
    pub worlds: u32,
    pub patience: Patience,
    pub cutting: Patience,
    pub tries: u32,
    /// How often a shorter plan is played before it is believed to hold: threads run as they like.
    pub times: u32,
    pub time: Duration,
}

#[expect(clippy::disallowed_methods, reason = "how the tests run is said by whoever runs them")]
fn given(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

/// Runs plans of these; the same ones each time, unless `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others.
pub fn hold(effort: &Effort, plans: impl Strategy<Value = Plan>, run: impl Fn(&Plan, Patience) -> Result<(), String>) {
    let asked = Config::default();
    let config = Config {
        cases: if given("PROPTEST_CASES") { asked.cases } else { effort.worlds },
        max_shrink_iters: if given("PROPTEST_MAX_SHRINK_ITERS") { asked.max_shrink_iters } else { effort.tries },
        max_shrink_time: u32::try_from(effort.time.as_millis()).unwrap(),
        rng_seed: if given("PROPTEST_RNG_SEED") { asked.rng_seed } else { RngSeed::Fixed(2_026) },
        failure_persistence: None,
        ..asked
    };
    let tries = Cell::new(config.max_shrink_iters);
    let first: RefCell<Option<String>> = RefCell::default();
    let holds = |plan: &Plan| (0..effort.times).try_for_each(|_| run(plan, effort.cutting));
    let held = TestRunner::new(config).run(&plans, |plan| {
        let is_cutting = first.borrow().is_some();
        let held = if is_cutting { holds(&plan) } else { run(&plan, effort.patience) };
        tries.set(tries.get().saturating_sub(is_cutting.into()));
        held.map_err(|fault| {
            first.borrow_mut().get_or_insert_with(|| fault.clone());
            TestCaseError::fail(fault)
        })
    });
    match held {
        Ok(()) => {}
        Err(TestError::Fail(fault, plan)) => {
            let (plan, fault) = cut_down(plan, fault.to_string(), tries.get(), effort.time, holds);
            let (first, steps) = (first.take().unwrap_or_default(), plan.steps().count());
            panic!("{first}\nCut down to {steps} steps: {fault}\nTo be kept in a test of its own:\n{plan}");
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Takes out step after step, again and again. Proptest has gone over the plan once, and takes one lucky run for proof.
fn cut_down(
    mut plan: Plan,
    mut fault: String,
    mut tries: u32,
    time: Duration,
    holds: impl Fn(&Plan) -> Result<(), String>,
) -> (Plan, String) {
    let began = Instant::now();
    let mut untouched = false;
    while !untouched {
        untouched = true;
        for scene in 0..plan.scenes.len() {
            for step in (0..plan.scenes[scene].len()).rev() {
                if tries == 0 || began.elapsed() > time {
                    return (plan, fault);
                }
                tries -= 1;
                let mut shorter = plan.clone();
                shorter.scenes[scene].remove(step);
                if let Err(other) = holds(&shorter) {
                    (plan, fault, untouched) = (shorter, other, false);
                }
            }
        }
    }
    (plan, fault)
}
