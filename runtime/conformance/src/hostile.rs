//! Every call with every kind of trouble on the other side: it fails with a failure that fits,
//! within its bounds, and the same call does its work once the trouble is over.

use std::io;

use engine::Failure;
use host::Kind;

use crate::{
    case::Cases,
    deed::{Deed, Done, Memory},
    harness::Play,
    other::Plan,
    repeated::{Used, differences, prepared},
    trouble::{Part, Trouble},
};

const GROUP: &str = "hostile";

/// Uses of one capability in one call of which each is tried as the first with trouble.
const USES_MAX: u32 = 8;

pub(crate) async fn examine(play: &Play<'_>, used: &[Used], cases: &mut Cases) -> io::Result<()> {
    for each in used {
        for (part, count) in &each.parts {
            for trouble in part.troubles() {
                let mut wrong = Vec::new();
                for from in 1..=(*count).clamp(1, USES_MAX) {
                    let plan = Plan {
                        part: *part,
                        trouble: *trouble,
                        from,
                    };
                    wrong.extend(one(play, each, plan).await?);
                }
                wrong.dedup();
                let name = format!(
                    "`{}` where {} {trouble}",
                    each.deed.name(),
                    other_side(*part)
                );
                cases.tried(GROUP, name, wrong);
            }
        }
    }
    let name = "it uses nothing that its manifest does not ask for";
    cases.tried("manifest", name, play.undeclared());
    Ok(())
}

/// What is wrong with a failure whatever it came from: a fault of the plugin itself.
pub(crate) fn fault(failure: &Failure) -> Option<String> {
    match failure.details["ended"].as_str() {
        Some("trapped" | "over-limit") => Some(failure.message.clone()),
        _ if failure.code.as_str() == "internal" => Some(format!(
            "it blames itself (`internal`): {}",
            failure.message
        )),
        _ => None,
    }
}

async fn one(play: &Play<'_>, used: &Used, plan: Plan) -> io::Result<Vec<String>> {
    let (world, mut memory) = (play.world()?, Memory::default());
    let mut wrong = Vec::new();
    if prepared(used.deed, &world, &mut memory).await.is_err() {
        // That was told where nothing went wrong.
        return Ok(wrong);
    }
    world.other.begin(plan);
    let went = used.deed.act(&world.worker, 1, &mut memory).await;
    if world.other.came_to_pass() {
        wrong.extend(judged(play, used.deed, plan, &went));
    }
    world.other.calm();
    let again = used.deed.act(&world.worker, 2, &mut memory).await;
    match again {
        Err(failure) if used.well => wrong.push(format!(
            "called again after it was over, it fails: {}: {}",
            failure.code, failure.message
        )),
        Ok(_) if used.well => {
            let left = differences(&used.tree, &world.tree()?);
            let told = |what| format!("called again after it was over, {what}");
            wrong.extend(left.into_iter().map(told));
        }
        _ => {}
    }
    play.close(&world);
    Ok(wrong)
}

fn judged(play: &Play<'_>, deed: Deed, plan: Plan, went: &Result<Done, Failure>) -> Option<String> {
    let expected = plan.trouble.expected(plan.part);
    let fitting = expected.codes.join("`, `");
    match went {
        Ok(done) if !done.well || expected.well || can_do_without(play, deed, plan) => None,
        Ok(_) => Some(format!(
            "it says that all is well (from use {} on); one of `{fitting}` fits",
            plan.from
        )),
        Err(failure) => {
            let code = failure.code.as_str();
            let fits = expected.codes.contains(&code);
            fault(failure).or_else(|| {
                (!fits).then(|| {
                    format!(
                        "it fails with `{code}`, where one of `{fitting}` fits: {}",
                        failure.message
                    )
                })
            })
        }
    }
}

/// Whether a call may go on in spite of it: what it asked for is optional; or it runs a program
/// whose status is an answer like any other.
fn can_do_without(play: &Play<'_>, deed: Deed, plan: Plan) -> bool {
    let plugin = &play.candidate.plugin;
    let asked = &plugin.description().requests;
    let mut of_part = asked
        .iter()
        .filter(|request| request.capability == plan.part.as_str());
    let optional = of_part.all(|request| request.optional)
        && asked
            .iter()
            .any(|request| request.capability == plan.part.as_str());
    let status = plan.part == Part::Commands
        && matches!(plan.trouble, Trouble::Status(_) | Trouble::CutOff)
        && matches!(plugin.kind(), Kind::Platform | Kind::LoadBalancer)
        && !matches!(deed, Deed::Install | Deed::Activate | Deed::Apply);
    optional || status
}

fn other_side(part: Part) -> &'static str {
    match part {
        Part::Http => "the HTTP server",
        Part::Files => "the disk",
        Part::Commands => "a program",
        Part::Sockets => "the other end of a socket",
        Part::Locks => "the lock",
        Part::Secrets => "the secret",
        Part::Mail => "the mail server",
    }
}
