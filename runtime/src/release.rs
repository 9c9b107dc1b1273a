//! From what the configuration names to a release: the artifact, its digest and its id.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use engine::{Name, Release, Timestamp};
use machines::{Artifact, ArtifactError, ArtifactSource, ErrorKind, MachineError};
use store::{KnownRelease, ReleaseQuery};

use crate::{
    catalogue::Catalogue,
    download,
    report::{Problem, Reason},
    site::Site,
    system,
};

/// What a `{version}` in the artifact's name stands for.
const VERSION: &str = "{version}";

/// A release that is about to go out.
pub(crate) struct Found {
    /// The release.
    pub(crate) release: Release,
    /// The artifact as the configuration names it, version filled in.
    pub(crate) artifact: String,
    /// Looked through from end to end; opened when needed where it went out before.
    pub(crate) opened: Option<Arc<Artifact>>,
}

impl Found {
    /// Begins to pack what is sent to other machines, while they are still being reached.
    pub(crate) fn prepare(&self) {
        if let Some(artifact) = self.opened.clone() {
            // What fails here fails again where it is needed, and is told then.
            tokio::spawn(async move { artifact.prepare().await.is_ok() });
        }
    }
}

impl From<KnownRelease> for Found {
    fn from(known: KnownRelease) -> Self {
        Self {
            release: known.release,
            artifact: known.artifact,
            opened: None,
        }
    }
}

/// An artifact that is being looked through.
pub(crate) type Opening = tokio::task::JoinHandle<Result<Artifact, ArtifactError>>;

/// Begins to look through the artifact of a version, where it is here already: that takes its
/// time, and nothing else needs to wait for it.
pub(crate) fn begin(site: &Site, version: &str) -> Option<Opening> {
    let artifact = site.contents().release.artifact.replace(VERSION, version);
    let place = download::place(&site.folder, &site.state, &artifact);
    (!download::is_address(&artifact)).then(|| site.spawn(open(place)))
}

/// Which release is to go out.
pub(crate) struct Sought<'a> {
    /// Its version.
    pub(crate) version: &'a str,
    /// A new release even where the same version and contents went out before.
    pub(crate) anew: bool,
    /// The id of a new release, where it was given one already.
    pub(crate) id: Option<Name>,
}

/// Finds the artifact of a version, which the platforms of `catalogue` can use. The same version
/// and contents are the same release, unless a new one is wanted.
pub(crate) async fn find(
    site: &Site,
    catalogue: &Catalogue,
    sought: Sought<'_>,
    opening: Option<Opening>,
) -> Result<Found, Problem> {
    let Sought { version, anew, id } = sought;
    let contents = site.contents();
    let template = &contents.release.artifact;
    let artifact = template.replace(VERSION, version);
    let mut place = download::place(&site.folder, &site.state, &artifact);
    let fleeting = match site.heard {
        // Who only looks leaves nothing behind.
        Some(_) if download::is_address(&artifact) => Some(download::fleeting(&mut place)?),
        _ => None,
    };
    if download::is_address(&artifact) {
        let fetched = download::fetch(&artifact, &place).await;
        fetched.map_err(|problem| problem.cause("nothing was deployed"))?;
    }
    let opened = match opening {
        Some(opening) => match opening.await {
            Ok(opened) => opened,
            Err(_) => open(place).await,
        },
        None => open(place).await,
    };
    let opened = opened
        .and_then(|artifact| match catalogue.unpacks(&contents.platform) {
            true => artifact.unpackable().map(|()| artifact),
            false => Ok(artifact),
        })
        .map_err(|error| unusable(&error, template, version))?;
    drop(fleeting);
    let digest = opened.digest().to_owned();
    let query = ReleaseQuery::Same {
        version: version.to_owned(),
        digest: digest.clone(),
    };
    let known = if anew {
        Vec::new()
    } else {
        site.store.releases(&contents.application, &query).await?
    };
    let labels = contents.release.labels.iter();
    let release = match known.into_iter().next() {
        Some(known) => known.release,
        None => Release {
            id: id.unwrap_or_else(|| new_id(version, system::now())),
            version: version.to_owned(),
            digest,
            labels: labels
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            details: serde_json::json!({}),
        },
    };
    Ok(Found {
        release,
        artifact,
        opened: Some(Arc::new(opened)),
    })
}

async fn open(path: PathBuf) -> Result<Artifact, ArtifactError> {
    let reading = path.clone();
    tokio::task::spawn_blocking(move || Artifact::open(&reading))
        .await
        .unwrap_or_else(|fault| {
            Err(ArtifactError::Unreadable {
                path,
                source: std::io::Error::other(fault),
            })
        })
}

fn unusable(error: &ArtifactError, template: &str, version: &str) -> Problem {
    let problem = Problem::new(
        Reason::Refused,
        "the artifact cannot be used; nothing was deployed",
    )
    .cause(error);
    match error {
        ArtifactError::Missing(_) => problem.hint(format!(
            "`[release] artifact` is `{template}`, and `--version {version}` was asked for: build it first, or name another version"
        )),
        _ => problem,
    }
}

/// `5.0.0-20251116T103045Z`: unique, and sorts by time within a version.
fn new_id(version: &str, at: Timestamp) -> Name {
    // A release's id becomes a directory's name.
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || ".-_+".contains(c) {
            c
        } else {
            '-'
        }
    };
    let version: String = version.chars().map(safe).collect();
    Name::from(format!("{version}-{}", system::compact(at)))
}

/// The artifacts of the releases of one deployment, opened when first needed.
pub(crate) struct Artifacts {
    folder: PathBuf,
    state: PathBuf,
    named: BTreeMap<String, Named>,
    opened: Mutex<BTreeMap<String, Arc<Artifact>>>,
}

/// What a release was made of.
struct Named {
    /// As the configuration named it.
    artifact: String,
    digest: String,
}

impl Named {
    fn new(release: &Release, artifact: &str) -> (String, Self) {
        let named = Self {
            artifact: artifact.to_owned(),
            digest: release.digest.clone(),
        };
        (release.id.to_string(), named)
    }
}

impl Artifacts {
    /// Knows where the artifacts of `releases` were found when they were first deployed.
    pub(crate) fn new(folder: &Path, state: &Path, releases: &[KnownRelease]) -> Self {
        let named = releases
            .iter()
            .map(|known| Named::new(&known.release, &known.artifact));
        Self {
            folder: folder.to_owned(),
            state: state.to_owned(),
            named: named.collect(),
            opened: Mutex::default(),
        }
    }

    /// Adds one that is open already.
    pub(crate) fn add(&mut self, found: &Found) {
        let (id, named) = Named::new(&found.release, &found.artifact);
        self.named.insert(id.clone(), named);
        if let Some(opened) = found.opened.clone() {
            self.opened
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id, opened);
        }
    }

    /// The artifact as the configuration named it.
    pub(crate) fn reference(&self, release: &str) -> Option<&str> {
        self.named.get(release).map(|named| named.artifact.as_str())
    }

    /// Whether it was opened already.
    pub(crate) fn is_open(&self, release: &str) -> bool {
        self.already(release).is_some()
    }

    fn already(&self, release: &str) -> Option<Arc<Artifact>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(release).cloned()
    }
}

/// What lies where a release's artifact was is something else by now.
fn changed(release: &str, artifact: &Artifact, digest: &str) -> MachineError {
    let text = format!(
        "{} is no longer what release {release} was made of: its digest was {digest}, and is now \
         {}; put back what it was, or deploy what it is as another version",
        artifact.path().display(),
        artifact.digest(),
    );
    MachineError::new(ErrorKind::Conflict, text)
}

#[async_trait]
impl ArtifactSource for Artifacts {
    async fn artifact(&self, release: &str) -> Result<Arc<Artifact>, MachineError> {
        if let Some(artifact) = self.already(release) {
            return Ok(artifact);
        }
        let Some(named) = self.named.get(release) else {
            let text = format!("nothing is known of a release `{release}`");
            return Err(MachineError::new(ErrorKind::Missing, text));
        };
        let place = download::place(&self.folder, &self.state, &named.artifact);
        if download::is_address(&named.artifact) && !place.exists() {
            // Another machine fetched it, or somebody tidied up.
            let fetched = download::fetch(&named.artifact, &place).await;
            fetched
                .map_err(|problem| MachineError::new(ErrorKind::Unavailable, problem.sentence()))?;
        }
        let artifact = Arc::new(open(place).await?);
        if artifact.digest() != named.digest {
            return Err(changed(release, &artifact, &named.digest));
        }
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(opened.entry(release.to_owned()).or_insert(artifact).clone())
    }
}
