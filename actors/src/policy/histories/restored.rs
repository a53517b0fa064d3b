//! What was saved and restored goes on as what was not.

use proptest::prelude::*;

use super::super::PolicyState;
use super::random::{cases, history, spec};
use super::*;
use crate::model::BreakerView;

proptest! {
    #![proptest_config(cases(600))]

    /// Saving and restoring is the identity on behaviour: whatever happened before and whatever happens then, the
    /// restored state answers like the one that was saved. A trial under way is the exception: it is lost with the
    /// process, and another one is due at once.
    #[test]
    fn a_restored_state_goes_on_like_the_one_that_was_saved(
        spec in spec(),
        before in history(60),
        after in history(40),
    ) {
        let mut histories = Histories::new(spec);
        for (event, draw) in before {
            histories.happen(event, draw);
        }
        let World { policy, now, .. } = &histories.world;
        prop_assume!(policy.breaker_view(*now) != BreakerView::HalfOpen);
        let json = serde_json::to_string(&policy.save(*now)).unwrap();
        let mut restored = histories.fork();
        restored.world.policy = PolicyState::restore(serde_json::from_str(&json).unwrap(), *now);
        prop_assert_eq!(restored.world.decide(), histories.world.decide());
        for (event, draw) in after {
            histories.happen(event, draw);
            restored.happen(event, draw);
            restored.check();
            prop_assert_eq!(restored.world.decide(), histories.world.decide());
            prop_assert_eq!(restored.world.next_due, histories.world.next_due);
        }
    }
}
