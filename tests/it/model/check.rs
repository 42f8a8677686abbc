//! Runs plans until one fails, and cuts that one down to what matters.

use std::cell::Cell;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner},
};

use super::plan::Plan;

/// How many worlds, and what may be spent on cutting a failing one down.
pub struct Effort {
    pub worlds: u32,
    pub tries: u32,
    pub milliseconds: u32,
}

/// Whether a world has failed already: from then on plans are only cut down, and nothing is waited for as long.
pub type Cutting<'a> = &'a Cell<bool>;

/// Runs plans of these; the same ones each time, unless `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others.
pub fn hold(
    effort: &Effort,
    plans: impl Strategy<Value = Plan>,
    run: impl Fn(&Plan, Cutting<'_>) -> Result<(), String>,
) {
    let asked = Config::default();
    let given = |variable: &str| std::env::var_os(variable).is_some();
    let config = Config {
        cases: if given("PROPTEST_CASES") { asked.cases } else { effort.worlds },
        max_shrink_iters: if given("PROPTEST_MAX_SHRINK_ITERS") { asked.max_shrink_iters } else { effort.tries },
        max_shrink_time: effort.milliseconds,
        rng_seed: if given("PROPTEST_RNG_SEED") { asked.rng_seed } else { RngSeed::Fixed(2_026) },
        failure_persistence: None,
        ..asked
    };
    let cutting = Cell::new(false);
    let held = TestRunner::new(config).run(&plans, |plan| {
        run(&plan, &cutting).map_err(|fault| {
            cutting.set(true);
            TestCaseError::fail(fault)
        })
    });
    match held {
        Ok(()) => {}
        Err(TestError::Fail(fault, plan)) => {
            panic!("{fault}\n{} steps fail; to be kept in a test of its own:\n{plan}", plan.steps().count());
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
