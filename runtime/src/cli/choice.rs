//! Which deployment a verb is about, and waiting until nobody works on it.

use std::time::{Duration, Instant};

use store::{Deployment, State};

use crate::{
    display, exit,
    past::Past,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

/// From one look at a deployment that runs to the next.
const KNOCK: Duration = Duration::from_millis(500);

/// Looks until what is looked for is not held by a deployment that runs: as long as the operator
/// waits; and where its process is gone, until its lease ran out.
pub(super) async fn in_time<T>(
    site: &Site,
    wait: Duration,
    terminal: &Terminal,
    look: impl AsyncFn() -> Result<T, Problem>,
) -> Result<T, Problem> {
    let end = Instant::now() + wait;
    let mut told = false;
    loop {
        let found = look().await;
        if !matches!(&found, Err(problem) if problem.code() == exit::LOCKED) {
            return found;
        }
        let held = site.store.holder(&site.scope()).await?;
        let gone = held
            .as_ref()
            .is_some_and(|held| system::is_gone(&held.owner));
        if !gone && Instant::now() >= end {
            return found;
        }
        if let Some(held) = held.filter(|_| gone && !told) {
            told = true;
            let left = display::duration(held.until.since_ms(system::now()));
            terminal.aside(&format!(
                "its process is gone; its lease runs out in {left}"
            ));
        }
        tokio::time::sleep(KNOCK).await;
    }
}

/// The deployment with that id, of this environment; none where there is none.
pub(super) async fn named(site: &Site, id: &str) -> Result<Option<Deployment>, Problem> {
    let Some(deployment) = site.store.deployment(id, system::now()).await? else {
        return Ok(None);
    };
    if deployment.scope != site.scope() {
        let title = format!("{} is a deployment of {}", deployment.id, deployment.scope);
        return Err(
            Problem::new(Reason::Usage, title).hint("name its configuration with `--config`")
        );
    }
    Ok(Some(deployment))
}

/// The open deployment with that id, else the last open one.
pub(super) async fn open(
    site: &Site,
    past: &Past,
    id: Option<&str>,
) -> Result<Deployment, Problem> {
    let Some(id) = id else {
        return past.open().next().cloned().ok_or_else(|| {
            let title = format!("no deployment of {} is open", site.scope());
            Problem::new(Reason::Refused, title).hint("`runtime history` lists them")
        });
    };
    match named(site, id).await? {
        Some(deployment) if deployment.state.is_open() => Ok(deployment),
        Some(deployment) => {
            let title = format!("deployment {} is over: {}", deployment.id, deployment.state);
            Err(Problem::new(Reason::Refused, title))
        }
        None => Err(unknown(id)),
    }
}

/// The deployment with that id, whatever became of it; the last one where none is given.
pub(super) fn any(site: &Site, id: Option<&str>) -> Result<Deployment, Problem> {
    let Some(id) = id else {
        return site.last_deployment()?.ok_or_else(|| {
            let title = format!("there is no deployment of {} yet", site.scope());
            Problem::new(Reason::Usage, title).hint("`runtime history` lists them")
        });
    };
    let found = site.wait(site.store.deployment(id, system::now()))?;
    found.ok_or_else(|| unknown(id))
}

/// There is no such deployment.
pub(super) fn unknown(id: &str) -> Problem {
    let title = format!("there is no deployment `{id}`");
    Problem::new(Reason::Usage, title).hint("`runtime history` lists them")
}

/// Fails where somebody works on a deployment.
pub(super) async fn unattended(site: &Site, deployment: &Deployment) -> Result<(), Problem> {
    if deployment.state != State::Running {
        return Ok(());
    }
    let held = site.store.holder(&site.scope()).await?;
    let by = held.map_or_else(
        || format!("{} on {}", deployment.actor, deployment.host),
        |held| held.owner.to_string(),
    );
    let id = &deployment.id;
    let title = format!("deployment {id} is running, by {by}");
    Err(Problem::new(Reason::Locked, title)
        .hint(format!(
            "`runtime abort {id}` ends it there: it is then taken back"
        ))
        .hint(
            "if that process is gone, wait until its lease ran out, or `runtime unlock --reason …`",
        ))
}

/// Fails where what stands there is no longer what this deployment left.
pub(super) fn current(past: &Past, deployment: &Deployment) -> Result<(), Problem> {
    let Some(later) = past.after(deployment) else {
        return Ok(());
    };
    let id = &later.id;
    let title = format!(
        "deployment {} of {} can no longer be taken back, or gone on with: {id} of {} came after it",
        deployment.id, deployment.version, later.version,
    );
    Err(
        Problem::new(Reason::Refused, title).hint(if later.state.is_open() {
            format!("`runtime rollback {id}` takes that one back first")
        } else {
            format!(
                "`runtime rollback` brings back the release before {}; `runtime rollback VERSION` \
                 another one",
                later.version
            )
        }),
    )
}
