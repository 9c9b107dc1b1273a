//! What a deployment is pinned to, put together again: the very strategy that it began with, and
//! plugins that must be the same.

use host::Host;
use store::{Pinned, PluginPin, ReleaseQuery};

use crate::{
    assemble::System,
    catalogue::Catalogue,
    release::Found,
    report::{Problem, Reason},
    site::Site,
};

/// Everything that going on with a deployment takes. Other plugins than those that it began with
/// fail it, unless somebody accepts that.
pub(crate) async fn system(
    site: &Site,
    host: &Host,
    pinned: &Pinned,
    accept_drift: bool,
) -> Result<System, Problem> {
    let strategy = &pinned.strategy;
    let catalogue =
        Catalogue::with_strategy(&site.configuration, &site.folder, host, strategy).await?;
    let found = unrecorded(site, pinned).await?;
    let system = System::assemble(site, catalogue, found.as_ref()).await?;
    if !accept_drift {
        same_plugins(&system, pinned)?;
    }
    Ok(system)
}

/// What goes out, where the deployment stopped before its first record: then everything is still
/// to be made sure of.
async fn unrecorded(site: &Site, pinned: &Pinned) -> Result<Option<Found>, Problem> {
    let brief = &pinned.brief;
    if !site.store.records(&brief.id).await?.is_empty() {
        return Ok(None);
    }
    let query = ReleaseQuery::Id(brief.release.id.to_string());
    let known = site.store.releases(&brief.application, &query).await?;
    Ok(known.into_iter().next().map(Found::from))
}

/// Fails where a plugin is no longer the one that the deployment began with. The strategy is: its
/// bytes were kept.
fn same_plugins(system: &System, pinned: &Pinned) -> Result<(), Problem> {
    let id = &pinned.brief.id;
    let mut problem = Problem::new(
        Reason::Refused,
        format!("deployment {id} began with other plugins; nothing was touched"),
    );
    let mut same = true;
    for now in &system.pins {
        let named = |then: &&PluginPin| then.kind == now.kind && then.name == now.name;
        // Each is loaded once, however many sections use it.
        let Some(then) = pinned.plugins.iter().find(named) else {
            continue;
        };
        if then.digest != now.digest {
            same = false;
            problem = problem.cause(format!(
                "{} `{}` was {}, and is now {}",
                now.kind, now.name, then.digest, now.digest
            ));
        }
    }
    if same {
        return Ok(());
    }
    Err(problem
        .hint("put back the program, or the plugins' files, that it began with")
        .hint(format!(
            "`runtime resume {id} --accept-drift` goes on with these; `runtime rollback {id}` \
             takes it back"
        )))
}
