//! Runs the models.

#[test]
fn two_rounds_of_two_threads() {
    team_model::two_rounds_of_two_threads();
}

#[test]
fn a_round_of_three_threads() {
    team_model::a_round_of_three_threads();
}

#[test]
fn a_panic_in_either_thread_is_passed_on() {
    team_model::a_panic_in_either_thread_is_passed_on();
}

#[test]
fn a_team_without_work_ends() {
    team_model::a_team_without_work_ends();
}
