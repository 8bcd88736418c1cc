//! A node with a task that fails when asked to: what the fault rows about panics run.

fn main() -> std::process::ExitCode {
    thalweg_ros::run(thalweg::Registry::shipped().with(thalweg_tests::hostile::ENTRY))
}
