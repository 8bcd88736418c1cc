//! A node that knows the shipped tasks and one more.
mod my_task;

fn main() -> std::process::ExitCode {
    thalweg_ros::run(thalweg::Registry::shipped().with(my_task::ENTRY))
}
