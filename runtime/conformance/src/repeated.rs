//! Every call in a world in which nothing goes wrong, twice: the second time changes nothing more.
//! And what each call uses, which is what can go wrong with it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use engine::Failure;
use host::{CallContext, Kind};

use crate::{
    case::Cases,
    deed::{self, Deed, Done, Memory},
    harness::{Play, World},
    hostile,
    trouble::Part,
};

const GROUP: &str = "repeated";

/// Every kind of event that there is, and one that may come.
const EVENTS: [&str; 11] = [
    "started",
    "stage",
    "waiting",
    "approval-needed",
    "succeeded",
    "failed",
    "rolling-back",
    "rolled-back",
    "stuck",
    "frozen",
    "not-known-yet",
];

/// How a call went where nothing was wrong.
pub(crate) struct Used {
    pub(crate) deed: Deed,
    /// What it used, how often.
    pub(crate) parts: BTreeMap<Part, u32>,
    /// Whether it ended well.
    pub(crate) well: bool,
    /// What lay on the machine afterwards.
    pub(crate) tree: BTreeMap<PathBuf, String>,
}

pub(crate) async fn examine(play: &Play<'_>, cases: &mut Cases) -> io::Result<Vec<Used>> {
    let kind = play.candidate.plugin.kind();
    let mut used = Vec::new();
    for deed in Deed::of(kind) {
        if let Some(each) = twice(play, *deed, cases).await? {
            used.push(each);
        }
    }
    if kind == Kind::Notifier {
        every_event(play, cases).await?;
    }
    Ok(used)
}

/// Does what must be before a call; the failure where that does not go well.
pub(crate) async fn prepared(
    deed: Deed,
    world: &World,
    memory: &mut Memory,
) -> Result<(), Failure> {
    for earlier in deed.before() {
        earlier.act(&world.worker, 1, memory).await?;
    }
    world.other.calm();
    Ok(())
}

async fn twice(play: &Play<'_>, deed: Deed, cases: &mut Cases) -> io::Result<Option<Used>> {
    let world = play.world()?;
    let name = format!("`{}` can be called again", deed.name());
    let mut memory = Memory::default();
    if let Err(failure) = prepared(deed, &world, &mut memory).await {
        let why = unsatisfied(&failure);
        cases.skipped(
            GROUP,
            name,
            format!("what must be before it does not go well: {why}"),
        );
        play.close(&world);
        return Ok(None);
    }
    let first = deed.act(&world.worker, 1, &mut memory).await;
    let (parts, tree) = (world.used(), world.tree()?);
    let second = deed.act(&world.worker, 2, &mut memory).await;
    let tree_after = world.tree()?;
    play.close(&world);
    match (&first, &second) {
        (Err(failure), _) => match hostile::fault(failure) {
            Some(fault) => cases.tried(GROUP, name, vec![fault]),
            None => cases.skipped(GROUP, name, unsatisfied(failure)),
        },
        (Ok(one), Ok(two)) => {
            let mut wrong = differences(&tree, &tree_after);
            if one != two {
                wrong.push(format!(
                    "it answers {}, and then {}",
                    one.answer, two.answer
                ));
            }
            cases.tried(GROUP, name, wrong);
        }
        (Ok(_), Err(failure)) => {
            let wrong = format!("the second time it fails: {}", failure.message);
            cases.tried(GROUP, name, vec![wrong]);
        }
    }
    Ok(Some(Used {
        deed,
        parts,
        well: matches!(first, Ok(Done { well: true, .. })),
        tree,
    }))
}

fn unsatisfied(failure: &Failure) -> String {
    format!(
        "the kit's answers do not satisfy it; `--answers FILE` says what it should be answered: \
         {}: {}",
        failure.code, failure.message
    )
}

/// What differs between the machine before and after.
pub(crate) fn differences(
    before: &BTreeMap<PathBuf, String>,
    after: &BTreeMap<PathBuf, String>,
) -> Vec<String> {
    let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
    let mut paths: Vec<&Path> = before
        .keys()
        .chain(after.keys())
        .filter(differs)
        .map(PathBuf::as_path)
        .collect();
    paths.sort();
    paths.dedup();
    let told = paths.into_iter().map(|path| {
        format!(
            "/{} is not what it was after the first time",
            path.display()
        )
    });
    told.collect()
}

async fn every_event(play: &Play<'_>, cases: &mut Cases) -> io::Result<()> {
    let mut wrong = Vec::new();
    let world = play.world()?;
    for kind in EVENTS {
        let context = CallContext::new(format!("kit-{kind}"));
        if let Err(failure) = deed::told(&world.worker, &context, kind).await
            && let Some(fault) = hostile::fault(&failure)
        {
            wrong.push(format!("of `{kind}`: {fault}"));
        }
    }
    play.close(&world);
    cases.tried(
        GROUP,
        "it can tell of every kind of event, also of one it does not know",
        wrong,
    );
    Ok(())
}
