//! What every store must do, held against each that there is; and what a file must do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audits;
mod control;
mod crash;
mod database;
mod deployments;
mod file;
mod fixture;
mod journals;
mod leases;
mod looks;
mod lost;
mod notes;
mod releases;
mod wire;

use std::sync::Arc;

use store::Store;

/// An empty store, which can be opened more than once.
pub(crate) trait World {
    /// Another handle on the same store.
    fn open(&self) -> Arc<dyn Store>;
}

/// One test per case.
macro_rules! conformance {
    ($test:meta, $world:expr; $($module:ident: $($case:ident),+;)+) => {
        $($(
            #[$test]
            async fn $case() {
                crate::$module::$case(&$world).await;
            }
        )+)+
    };
}

/// The cases, each with a world of its own.
macro_rules! every_case {
    ($test:meta, $world:expr) => {
        conformance! { $test, $world;
            leases: lease_is_held_by_one, lease_is_for_one_scope, lease_that_ran_out_is_taken_over,
                token_grows_past_release_and_break, renewal_lengthens_and_never_shortens,
                renewal_of_a_lost_lease_fails, release_of_a_lost_lease_changes_nothing,
                break_is_audited_and_cuts_off, clock_set_back_holds_up_for_one_length,
                contenders_get_it_one_at_a_time;
            deployments: beginning_keeps_everything, beginning_is_one_step,
                unfinished_deployment_is_in_the_way, unfinished_deployment_is_given_up,
                running_without_a_lease_is_cut_off, list_is_filtered_and_newest_first,
                id_may_be_a_beginning, reopened_deployment_goes_on, settled_deployment_stays_so;
            journals: record_comes_back_as_written, record_has_no_gap,
                record_is_refused_after_the_lease_ran_out, record_is_refused_after_takeover,
                outcome_counts_until_the_lease_is_taken, outcome_is_written_once,
                further_attempt_replaces_the_one_under_way, repeated_call_is_recognised,
                verdict_is_kept,
                too_large_a_record_is_refused;
            audits: entries_ride_along, entries_are_flushed, audit_is_sealed_across_handles;
            control: signal_reaches_its_deployment, signal_needs_an_open_deployment,
                signal_is_taken_by_the_holder_alone, signal_wakes_who_waits_for_it,
                deployment_is_followed, watch_ends_with_its_store,
                queued_deployment_is_taken_over, queue_keeps_its_order,
                orphan_is_taken_over_by_one, released_deployment_is_left_to_people,
                deployment_is_handed_over;
            releases: same_release_is_known_once, id_names_one_release,
                releases_are_found, current_release_follows_the_deployments;
            notes: note_is_seen_at_once_and_kept, lock_is_held_by_one, lost_lock_is_not_renewed;
        }
    };
}

mod sqlite {
    use std::sync::Arc;

    use store::{Sqlite, Store};

    struct File {
        directory: tempfile::TempDir,
    }

    impl File {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
            }
        }
    }

    impl super::World for File {
        fn open(&self) -> Arc<dyn Store> {
            Arc::new(Sqlite::open(self.directory.path().join("state.db")).unwrap())
        }
    }

    /// Every change is made by the store's own thread.
    mod on_one_thread {
        every_case!(tokio::test, super::File::new());
    }

    /// Changes are made where they are asked for, as long as nobody else is at it.
    mod on_several_threads {
        every_case!(
            tokio::test(flavor = "multi_thread", worker_threads = 2),
            super::File::new()
        );
    }
}

mod postgres {
    use std::sync::Arc;

    use postgres_server::Server;
    use store::{Clock, Options, Postgres, Store};

    struct Database {
        name: String,
    }

    impl Database {
        fn new() -> Self {
            Self {
                name: Server::shared().database(),
            }
        }
    }

    impl super::World for Database {
        fn open(&self) -> Arc<dyn Store> {
            let options = Options {
                clock: Clock::Callers,
                ..Options::default()
            };
            let url = Server::shared().url(&self.name);
            Arc::new(Postgres::open(&url, &options).unwrap())
        }
    }

    every_case!(tokio::test, Database::new());
}
