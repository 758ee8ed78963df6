//! Muster with a view of one's own: `muster-example-view serve`, `worker`, `view specialties_on_post` and all the rest.

use std::process::ExitCode;

use muster_example_view::SpecialtiesOnPost;

fn main() -> ExitCode {
    muster_server::Muster::new().view::<SpecialtiesOnPost>().run()
}
