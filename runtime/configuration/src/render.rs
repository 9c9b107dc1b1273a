//! Draws problems: the line of the file, the mistake underlined, and what to do about it.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use crate::{
    problem::{Problem, Problems},
    source::Place,
};

/// Wide enough for a sentence; annotate-snippets cuts source lines that are longer.
const WIDTH: usize = 140;

/// More than that nobody reads in one go; one mistake in a generated file can make thousands.
const SHOWN_MAX: usize = 50;

pub(crate) fn render(problems: &Problems, colours: bool) -> String {
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH);
    let mut out = String::new();
    for problem in problems.iter().take(SHOWN_MAX) {
        out.push_str(&renderer.render(&[group(problem)]));
        out.push_str("\n\n");
    }
    let more = problems.iter().count().saturating_sub(SHOWN_MAX);
    if more > 0 {
        let _ = write!(out, "and {more} more\n\n");
    }
    out + &problems.summary()
}

fn group(problem: &Problem) -> Group<'_> {
    let id = format!("config::{}", problem.code);
    let title = Level::ERROR.primary_title(&problem.title).id(id);
    let mut group = Group::with_title(title);
    if let Some(place) = &problem.place {
        let inside = |note: &&(Place, String)| note.0.source == place.source;
        let mut snippet = snippet(place, AnnotationKind::Primary, &problem.label);
        for (note, label) in problem.notes.iter().filter(inside) {
            let label = (!label.is_empty()).then_some(label.as_str());
            snippet = snippet.annotation(AnnotationKind::Context.span(span(note)).label(label));
        }
        group = group.element(snippet);
        for (note, label) in problem.notes.iter().filter(|note| !inside(note)) {
            group = group.element(self::snippet(note, AnnotationKind::Context, label));
        }
    }
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(&**help)),
        None => group,
    }
}

fn snippet<'a>(
    place: &'a Place,
    kind: AnnotationKind,
    label: &'a str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let label = (!label.is_empty()).then_some(label);
    Snippet::source(&place.source.text)
        .path(&place.source.name)
        .annotation(kind.span(span(place)).label(label))
}

/// The span as far as it lies on its first line: a table's may go over many.
fn span(place: &Place) -> std::ops::Range<usize> {
    let text = &place.source.text;
    let start = place.span.start.min(text.len());
    let end = place.span.end.min(text.len()).max(start);
    let line_end = text[start..]
        .find(['\n', '\r'])
        .map_or(text.len(), |offset| start + offset);
    start..end.min(line_end)
}
