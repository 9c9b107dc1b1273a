//! `machine.perform`, on the files in memory.

use serde_json::json;

use super::{Failure, Result, line, with};
use crate::{
    bindings::imports::{commands::Output, machine::Action},
    testing::{output, world::World},
};

pub(crate) fn perform(actions: &[Action]) -> Result<Vec<Output>> {
    with(|world| {
        world.calls.push("perform".into());
        let mut outputs = Vec::new();
        for (index, action) in actions.iter().enumerate() {
            let output = act(world, action).map_err(|failure| {
                let mut details = failure.details();
                details["index"] = json!(index);
                failure.with_details(&details)
            })?;
            outputs.push(output);
        }
        Ok(outputs)
    })
}

fn act(world: &mut World, action: &Action) -> Result<Output> {
    let Action {
        verb,
        path,
        argument,
        command,
    } = action;
    let text = String::from_utf8_lossy(argument).into_owned();
    let done = output(0, "", "");
    let found =
        |text: Option<String>| text.map_or_else(|| output(1, "", ""), |text| output(0, &text, ""));
    let line = match (command, verb.as_str()) {
        (Some(command), _) => format!("{verb} {}", line(command)),
        (None, "link" | "rename" | "unpack" | "stop") => format!("{verb} {path} {text}"),
        (None, _) => format!("{verb} {path}"),
    };
    world.called(line)?;
    match (verb.as_str(), command) {
        ("create-directory" | "unpack", None) => world.files.create_directory(path),
        ("remove" | "stop", None) => world.files.remove(path),
        ("write", None) => world.files.write(path, argument),
        ("link", None) => world.files.link(path, &text),
        ("rename", None) => world.files.rename(path, &text)?,
        ("read", None) => {
            let contents = world.files.read(path);
            return Ok(found(
                contents.and_then(|contents| String::from_utf8(contents).ok()),
            ));
        }
        ("read-link", None) => return Ok(found(world.files.read_link(path))),
        ("list", None) => {
            let entries =
                world.files.list(path).into_iter().map(
                    |entry| json!({ "name": entry.name, "kind": entry.kind, "size": entry.size }),
                );
            return Ok(output(
                0,
                &entries.collect::<serde_json::Value>().to_string(),
                "",
            ));
        }
        ("run", Some(command)) => {
            let output = world.run(command)?;
            let details = json!({
                "stdout": output.text(), "stderr": String::from_utf8_lossy(&output.stderr),
            });
            return if output.status == Some(0) {
                Ok(output)
            } else {
                Err(output.failure(&command.program).with_details(&details))
            };
        }
        ("start", Some(command)) => {
            let option = |name: &str| {
                let found = command.options.iter().find(|(each, _)| each == name);
                found
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| Failure::invalid(name))
            };
            let pid_file = option("pid-file")?;
            option("log-file")?;
            world.commands.push(command.clone());
            world.files.write(&pid_file, b"1 1");
        }
        _ => {
            return Err(Failure::invalid(format!(
                "there is no such step: {action:?}"
            )));
        }
    }
    Ok(done)
}
