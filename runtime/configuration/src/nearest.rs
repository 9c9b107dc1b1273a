//! The word that someone who mistyped most likely meant.

/// The nearest of the candidates, where one is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Jaro-Winkler likeness from which two words count as the same one mistyped. Below it
    /// unrelated short words begin to match.
    const ALIKE: f64 = 0.84;
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    // People also leave the second half of a word away: `health` for `health-checks`. That it is
    // only the half makes it a little less like.
    let likeness = |candidate: &str| {
        let candidate = plain(candidate);
        let half = candidate.split('-').next().unwrap_or_default();
        strsim::jaro_winkler(&word, &candidate).max(0.95 * strsim::jaro_winkler(&word, half))
    };
    candidates
        .into_iter()
        .map(|candidate| (candidate, likeness(candidate)))
        .filter(|(_, likeness)| *likeness >= ALIKE)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(candidate, _)| candidate)
}

/// What to say after a word that is none of the candidates.
pub(crate) fn suggestion(word: &str, candidates: &[&str]) -> Option<String> {
    /// More than that nobody reads.
    const LISTED_MAX: usize = 24;
    match nearest(word, candidates.iter().copied()) {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None if candidates.is_empty() || candidates.len() > LISTED_MAX => None,
        None => {
            let all: Vec<_> = candidates.iter().map(|each| format!("`{each}`")).collect();
            Some(format!("there is {}", all.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_is_recognised() {
        let known = [
            "application",
            "environment",
            "health-checks",
            "load-balancer",
            "steps",
            "state",
        ];
        for (word, expected) in [
            ("aplication", Some("application")),
            ("load_balancer", Some("load-balancer")),
            ("helth", Some("health-checks")),
            ("health", Some("health-checks")),
            ("Step", Some("steps")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
