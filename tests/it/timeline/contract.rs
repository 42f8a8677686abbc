//! The contract: whatever happens, a store answers as the reference does.

use std::sync::Arc;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::{
    engines::{ENGINES, Engine},
    plan::{self, Step},
    world::{Fault, World},
};

const WORLDS: u32 = 300;

fn play(engine: &Engine, steps: &[Step]) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fresh = (engine.make)();
    runtime.block_on(World::new(Arc::clone(&fresh.store)).play(steps))
}

/// The same worlds each time, unless `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others.
#[test]
fn every_engine_does_what_the_reference_does() {
    let asked = Config::default();
    let config = Config {
        cases: if given("PROPTEST_CASES") { asked.cases } else { WORLDS },
        rng_seed: if given("PROPTEST_RNG_SEED") { asked.rng_seed } else { RngSeed::Fixed(2_026) },
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..asked
    };
    for engine in &ENGINES {
        let held = TestRunner::new(config.clone())
            .run(&plan::steps(), |steps| play(engine, &steps).map_err(TestCaseError::fail));
        match held {
            Ok(()) => {}
            Err(TestError::Fail(fault, steps)) => panic!("{}: {fault}\n{steps:#?}", engine.name),
            Err(TestError::Abort(reason)) => panic!("{reason}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how the tests run is said by whoever runs them")]
fn given(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}
