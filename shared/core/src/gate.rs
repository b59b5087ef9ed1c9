//! The gate: the one policy that every grant passes, by whichever door it is asked for.
//!
//! The operator's [`GatePolicy`] says who may write where, which types and how much. An operator's own function
//! ([`GateFunction`]) may decide in its place, told what the policy would have said; if it fails, nothing is granted.
//! Some things no policy can allow: another user's root, more than S3 holds, names that mislead.
//!
//! It is asked twice, by the same rules: of what the client says, before the grant ([`Gate::admit`]), and of what the
//! content is, once it was read ([`Gate::admit_content`]), whatever had been said of it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    asset::Placement,
    error::{Error, ErrorKind, Result},
    idempotency::Made,
    ids::{MessageId, OwnerId, RequestId, Sha256, TaskId},
    names::{ContentType, Filename, Folder, Kind},
    ports::GateFunction,
    upload::{MAX_OBJECT_SIZE, SizeRange},
    usage::Quota,
};

/// The roots that a caller may write to beside the own one: `stores/42`, `stores/*`, `system`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roots(Vec<String>);

impl Roots {
    /// Those of a list in which one that isn't a root names nothing.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).filter(|name: &String| is_root(name)).collect())
    }

    /// Whether `root` is among them.
    pub fn contain(&self, root: &str) -> bool {
        self.0.iter().any(|name| match name.strip_suffix("/*") {
            Some(kind) => root.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/')),
            None => name == root,
        })
    }
}

fn is_root(name: &str) -> bool {
    name == "system"
        || name.strip_prefix("stores/").is_some_and(|id| !id.is_empty() && !id.contains(['/', ',']))
}

/// Separated by commas.
impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl FromStr for Roots {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self::new(text.split(',').map(str::trim).filter(|name| !name.is_empty())))
    }
}

/// Who asks to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who will own the asset.
    pub owner: OwnerId,
    /// Where it may land beside the owner's own root.
    pub roots: Roots,
}

/// What a client asks to upload, as it came: nothing of it is believed.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The file's name; where the client doesn't say, it has one by its type.
    pub filename: Option<String>,
    /// Its bytes; none where the client doesn't say.
    pub size: Option<u64>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Where it shall land.
    pub folder: Option<String>,
    /// Its path within a folder that is sent as a whole, its own name last: its folders are made below the one where it
    /// shall land.
    pub relative_path: Option<String>,
    /// The application's message that it belongs to.
    pub message_id: Option<String>,
    /// The upload job that it comes by.
    pub upload_job: Option<RequestId>,
    /// The task of the form that it comes by.
    pub task: Option<TaskId>,
    /// What else the client told, for the operator's own function.
    pub metadata: Map<String, Value>,
    /// How what it makes is named, where the request may come again.
    pub made: Option<Made>,
}

/// A wish that the gate let through.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The name that the file is kept under.
    pub filename: Filename,
    /// How many bytes may come.
    pub size: SizeRange,
    /// The type that the client says, or that the name tells.
    pub content_type: ContentType,
    /// The digest that the client says.
    pub sha256: Option<Sha256>,
    /// What it belongs to.
    pub placement: Placement,
    /// What its owner may have.
    pub quota: Quota,
    /// How what it makes is named, where the request may come again.
    pub made: Option<Made>,
}

/// The rule for the files of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindRule {
    /// The media types taken (`image/png`, `image/*`); all of them if it is missing, none if it is empty.
    pub types: Option<Vec<String>>,
    /// The extensions taken, in lower case without the dot; any, or none at all, if it is missing.
    pub extensions: Option<Vec<String>>,
    /// The largest file taken, in bytes.
    pub max_bytes: Option<u64>,
}

/// The operator's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatePolicy {
    rules: BTreeMap<String, KindRule>,
    max_bytes: u64,
    quota: Quota,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self { rules: BTreeMap::new(), max_bytes: MAX_OBJECT_SIZE, quota: Quota::UNLIMITED }
    }
}

/// The rule of kinds that have none of their own.
const EVERY_OTHER: &str = "*";

impl GatePolicy {
    /// The policy of these rules: a JSON object whose keys are kinds (`image`, `video`, `audio`, `document`, `archive`,
    /// `other`) or `*` for all that aren't named, and whose values are [`KindRule`]s. `{}` takes everything.
    ///
    /// # Errors
    /// What is wrong with the rules, for the operator.
    pub fn new(rules: &str, max_bytes: u64, quota: Quota) -> std::result::Result<Self, String> {
        let rules: BTreeMap<String, KindRule> =
            serde_json::from_str(rules).map_err(|error| error.to_string())?;
        for kind in rules.keys().filter(|kind| *kind != EVERY_OTHER) {
            serde_json::from_value::<Kind>(Value::String(kind.clone())).map_err(|error| error.to_string())?;
        }
        Ok(Self { rules, max_bytes: max_bytes.min(MAX_OBJECT_SIZE), quota })
    }

    /// What an owner may have.
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// The largest file taken of any kind.
    pub const fn largest(&self) -> u64 {
        self.max_bytes
    }

    fn rule(&self, kind: Kind) -> Option<&KindRule> {
        let name = match serde_json::to_value(kind) {
            Ok(Value::String(name)) => name,
            _ => String::new(),
        };
        self.rules.get(&name).or_else(|| self.rules.get(EVERY_OTHER))
    }

    /// The largest file taken of a kind.
    fn max_bytes(&self, kind: Kind) -> u64 {
        let of_kind = self.rule(kind).and_then(|rule| rule.max_bytes);
        of_kind.map_or(self.max_bytes, |bytes| bytes.min(self.max_bytes))
    }

    /// Whether files of this type, name and size are taken.
    ///
    /// # Errors
    /// `type_not_allowed`, `extension_not_allowed`, `file_too_large`.
    fn check_file(&self, content_type: &ContentType, filename: &Filename, size: Option<u64>) -> Result<()> {
        self.check_type(content_type, filename)?;
        at_most(size, self.max_bytes(Kind::of(content_type))).map(drop)
    }

    fn check_type(&self, content_type: &ContentType, filename: &Filename) -> Result<()> {
        let Some(rule) = self.rule(Kind::of(content_type)) else { return Ok(()) };
        let refused = |code, message| Err(Error::new(ErrorKind::Unsupported, code, message));
        if let Some(types) = &rule.types
            && !types.iter().any(|pattern| matches_type(pattern, content_type))
        {
            return refused("type_not_allowed", format!("files of type {content_type} are not taken"));
        }
        if let Some(extensions) = &rule.extensions {
            let extension = filename.extension().unwrap_or_default();
            if !extensions.contains(&extension) {
                return refused(
                    "extension_not_allowed",
                    format!("names that end in \".{extension}\" are not taken for this type"),
                );
            }
        }
        Ok(())
    }

    fn check(&self, principal: &Principal, terms: &Terms) -> Result<()> {
        let root = terms.placement.folder.root();
        let own = Folder::of_user(&principal.owner);
        if root != own.as_str() && !principal.roots.contain(root) {
            return Err(folder_forbidden(root));
        }
        self.check_file(&terms.content_type, &terms.filename, terms.size.exact())
    }
}

fn folder_forbidden(root: &str) -> Error {
    let kind = root.split('/').next().unwrap_or_default();
    Error::new(
        ErrorKind::Forbidden,
        "folder_forbidden",
        format!("folder: you may not write there (below {kind}/)"),
    )
}

fn matches_type(pattern: &str, content_type: &ContentType) -> bool {
    match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => content_type.as_str().split_once('/').is_some_and(|(ours, _)| ours == kind),
        None => pattern == content_type.as_str(),
    }
}

/// Content that was read.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Whose it is.
    pub owner: &'a OwnerId,
    /// Where it lies.
    pub folder: &'a Folder,
    /// The name that it came under.
    pub filename: &'a Filename,
    /// The type that it was announced as.
    pub announced: &'a ContentType,
    /// The type that its bytes are of.
    pub content_type: &'a ContentType,
    /// How many they are.
    pub size: u64,
    /// The application's message that it belongs to.
    pub message_id: Option<&'a MessageId>,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatePhase {
    /// What a client says, before it is granted an upload.
    Grant,
    /// What its content is, once that was read.
    Content,
}

/// What the operator's function is told (JSON).
#[derive(Debug, Clone, Serialize)]
pub struct GateRequest<'a> {
    /// What is judged.
    pub phase: GatePhase,
    /// Who asks.
    pub owner: &'a OwnerId,
    /// The roots that the token names; none once the content is judged, when there is no token any more.
    pub roots: &'a Roots,
    /// The root that the file would land below.
    pub root: &'a str,
    /// The folder that it would land in.
    pub folder: &'a Folder,
    /// Its name.
    pub filename: &'a Filename,
    /// The type that the client says, or that the name tells; of content the type that it was found to be.
    pub content_type: &'a ContentType,
    /// What that is, broadly.
    pub kind: Kind,
    /// Its bytes; null where the client doesn't say.
    pub size: Option<u64>,
    /// The application's message that it belongs to.
    pub message_id: Option<&'a MessageId>,
    /// The upload job that it comes by; left out without one, and once the content is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_job: Option<&'a RequestId>,
    /// What else the client told.
    pub metadata: &'a Map<String, Value>,
    /// The code of the policy's refusal; null where the policy lets it through.
    pub refused_by_policy: Option<&'static str>,
}

/// What the operator's function answers (JSON).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct GateAnswer {
    /// Whether the upload is let through; the policy's word doesn't count then.
    pub allow: bool,
    /// Why not, for the client.
    pub reason: Option<String>,
    /// The largest file, in place of the policy's.
    pub max_bytes: Option<u64>,
    /// The owner's open uploads, in place of the policy's.
    pub max_open_uploads: Option<u32>,
    /// The owner's bytes, in place of the policy's.
    pub max_stored_bytes: Option<u64>,
}

/// The policy, and the operator's own function if there is one.
#[derive(Debug, Clone)]
pub struct Gate<G> {
    /// The policy.
    pub policy: GatePolicy,
    /// What decides in its place.
    pub function: Option<G>,
}

impl<G: GateFunction> Gate<G> {
    /// Reads a wish and lets it through, or not.
    ///
    /// # Errors
    /// What is wrong with the wish: `invalid_field`, `invalid_filename`. What isn't let through: `folder_forbidden`,
    /// `type_not_allowed`, `extension_not_allowed`, `file_too_large`, `refused` (by the operator's function);
    /// `gate_unavailable` while that can't be asked.
    pub async fn admit(&self, principal: &Principal, wish: &Wish) -> Result<Terms> {
        let mut terms = self.read(principal, wish)?;
        let by_policy = self.policy.check(principal, &terms);
        let Some(function) = &self.function else {
            by_policy?;
            return Ok(terms);
        };
        if terms.placement.folder.root().starts_with("users/")
            && terms.placement.folder.root() != Folder::of_user(&principal.owner).as_str()
        {
            return Err(folder_forbidden(terms.placement.folder.root()));
        }
        let request = GateRequest {
            phase: GatePhase::Grant,
            owner: &principal.owner,
            roots: &principal.roots,
            root: terms.placement.folder.root(),
            folder: &terms.placement.folder,
            filename: &terms.filename,
            content_type: &terms.content_type,
            kind: Kind::of(&terms.content_type),
            size: wish.size,
            message_id: terms.placement.message_id.as_ref(),
            upload_job: terms.placement.upload_job.as_ref(),
            metadata: &wish.metadata,
            refused_by_policy: by_policy.as_ref().err().map(Error::code),
        };
        let answer = judged(function, &request, by_policy).await?;
        terms.size = at_most(wish.size, answer.max_bytes.unwrap_or(MAX_OBJECT_SIZE).min(MAX_OBJECT_SIZE))?;
        terms.quota = Quota {
            open_uploads: answer.max_open_uploads.or(terms.quota.open_uploads),
            stored_bytes: answer.max_stored_bytes.or(terms.quota.stored_bytes),
        };
        Ok(terms)
    }

    /// Lets content in that was read, or not: its own type and size count, not what was said of it
    /// ([`ContentType::judged_as`]), with the folder and the name that were granted.
    ///
    /// # Errors
    /// `type_not_allowed`, `extension_not_allowed`, `file_too_large`, `refused` (by the operator's function);
    /// `gate_unavailable` while that can't be asked.
    pub async fn admit_content(&self, found: Found<'_>) -> Result<()> {
        let content_type = found.announced.judged_as(found.content_type);
        let check = |content_type| self.policy.check_file(content_type, found.filename, Some(found.size));
        let by_policy = match check(content_type) {
            // a rule may name a format by another of its names
            Err(_) if Kind::of(content_type) == Kind::of(found.content_type) => check(found.content_type),
            checked => checked,
        };
        let Some(function) = &self.function else { return by_policy };
        let request = GateRequest {
            phase: GatePhase::Content,
            owner: found.owner,
            roots: &Roots::default(),
            root: found.folder.root(),
            folder: found.folder,
            filename: found.filename,
            content_type,
            kind: Kind::of(content_type),
            size: Some(found.size),
            message_id: found.message_id,
            upload_job: None,
            metadata: &Map::new(),
            refused_by_policy: by_policy.as_ref().err().map(Error::code),
        };
        let answer = judged(function, &request, by_policy).await?;
        at_most(Some(found.size), answer.max_bytes.unwrap_or(MAX_OBJECT_SIZE)).map(drop)
    }

    fn read(&self, principal: &Principal, wish: &Wish) -> Result<Terms> {
        let content_type =
            said(wish.content_type.as_ref()).map(ContentType::from_client).transpose()?.flatten();
        let content_type = content_type.filter(|said| *said != ContentType::octet_stream());
        let (filename, content_type) = match (wish.filename.as_deref(), content_type) {
            (Some(name), Some(content_type)) => (Filename::from_client(name)?, content_type),
            (Some(name), None) => {
                let filename = Filename::from_client(name)?;
                let content_type = ContentType::of_name(&filename);
                (filename, content_type)
            }
            (None, content_type) => {
                let content_type = content_type.unwrap_or_else(ContentType::octet_stream);
                (Filename::of_type(&content_type), content_type)
            }
        };
        let folder = Folder::resolve(&principal.owner, said(wish.folder.as_ref()).unwrap_or_default())?;
        let folder = match said(wish.relative_path.as_ref()) {
            Some(path) => folder.of_relative(path)?,
            None => folder,
        };
        let most = self.policy.max_bytes(Kind::of(&content_type));
        Ok(Terms {
            size: wish.size.map_or(SizeRange::at_most(most), SizeRange::exactly),
            content_type,
            sha256: said(wish.sha256.as_ref()).map(str::parse).transpose()?,
            placement: Placement {
                folder,
                message_id: said(wish.message_id.as_ref()).map(str::parse).transpose()?,
                upload_job: wish.upload_job.clone(),
                task: wish.task,
                custom: Map::new(),
            },
            quota: self.policy.quota,
            made: wish.made.clone(),
            filename,
        })
    }
}

/// Whether a client says anything by this text: `String(undefined)` and `String(null)` are what JavaScript puts where nothing
/// is.
pub fn is_said(text: &str) -> bool {
    !matches!(text, "null" | "undefined")
}

/// What a client says, if it says anything.
pub fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| is_said(text))
}

/// The answer of an operator's function that lets something through.
async fn judged(
    function: &impl GateFunction,
    request: &GateRequest<'_>,
    by_policy: Result<()>,
) -> Result<GateAnswer> {
    let answer = function.judge(request).await.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "gate_unavailable", "whether this is allowed can't be told now")
            .with_source(error)
    })?;
    if answer.allow {
        return Ok(answer);
    }
    Err(by_policy.err().filter(|_| answer.reason.is_none()).unwrap_or_else(|| {
        let reason = answer.reason.unwrap_or_else(|| "this upload is not allowed".to_owned());
        Error::new(ErrorKind::Forbidden, "refused", reason)
    }))
}

/// A size within a limit.
fn at_most(said: Option<u64>, limit: u64) -> Result<SizeRange> {
    match said {
        None => Ok(SizeRange::at_most(limit)),
        Some(bytes) if bytes <= limit => Ok(SizeRange::exactly(bytes)),
        Some(bytes) => Err(Error::new(
            ErrorKind::TooLarge,
            "file_too_large",
            format!("{bytes} bytes are more than the {limit} that are taken"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// An operator's function that answers what it is given.
    struct Answers(Result<GateAnswer, ErrorKind>);

    impl GateFunction for Answers {
        async fn judge(&self, request: &GateRequest<'_>) -> Result<GateAnswer> {
            assert_eq!(request.owner.as_str(), "alice");
            self.0.clone().map_err(|kind| Error::new(kind, "any", "any"))
        }
    }

    fn policy(rules: &str) -> GatePolicy {
        GatePolicy::new(rules, 100 * MIB, Quota::UNLIMITED).unwrap()
    }

    fn wish(filename: &str, content_type: &str, size: u64) -> Wish {
        Wish {
            filename: Some(filename.to_owned()),
            content_type: Some(content_type.to_owned()),
            size: Some(size),
            ..Wish::default()
        }
    }

    fn alice(roots: &str) -> Principal {
        Principal { owner: "alice".parse().unwrap(), roots: roots.parse().unwrap() }
    }

    /// The terms' folder, or the code of the refusal. Nothing here waits, so one poll is the whole of it.
    fn admit(
        function: Option<Answers>,
        policy: GatePolicy,
        principal: &Principal,
        wish: &Wish,
    ) -> Result<Terms> {
        let gate = Gate { policy, function };
        let mut admitted = std::pin::pin!(gate.admit(principal, wish));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match admitted.as_mut().poll(&mut context) {
            std::task::Poll::Ready(result) => result,
            std::task::Poll::Pending => panic!("nothing here waits"),
        }
    }

    fn code(result: Result<Terms>) -> Result<(), &'static str> {
        result.map(drop).map_err(|error| error.code())
    }

    #[test]
    fn types_extensions_and_sizes_are_limited_for_each_kind() {
        let rules = r#"{"image": {"types": ["image/*"], "extensions": ["jpg", "png"], "max_bytes": 1000},
                        "document": {"types": ["application/pdf"]}, "*": {"types": []}}"#;
        let ask = |name: &str, content_type: &str, size| {
            code(admit(None, policy(rules), &alice(""), &wish(name, content_type, size)))
        };
        assert_eq!(ask("a.jpg", "image/jpeg", 1000), Ok(()));
        assert_eq!(ask("a.JPG", "", 1000), Ok(()), "the name tells the type where the client doesn't");
        assert_eq!(ask("a.jpg", "image/jpeg", 1001), Err("file_too_large"));
        assert_eq!(ask("a.gif", "image/gif", 1), Err("extension_not_allowed"));
        assert_eq!(ask("a.pdf", "application/pdf", 100 * MIB), Ok(()));
        assert_eq!(ask("a.pdf", "application/pdf", 100 * MIB + 1), Err("file_too_large"));
        assert_eq!(ask("a.csv", "text/csv", 1), Err("type_not_allowed"));
        assert_eq!(ask("a.mp4", "video/mp4", 1), Err("type_not_allowed"));
        assert_eq!(ask("a", "", 1), Err("type_not_allowed"));
        assert_eq!(code(admit(None, policy("{}"), &alice(""), &wish("a", "", 1))), Ok(()));
    }

    /// What becomes of content that is announced as one type and found to be another.
    fn content(
        function: Option<Answers>,
        rules: &str,
        (filename, announced): (&str, &str),
        (content_type, size): (&str, u64),
    ) -> Result<(), &'static str> {
        let gate = Gate { policy: policy(rules), function };
        let (owner, folder) = (alice("").owner, "users/alice".parse().unwrap());
        let found = Found {
            owner: &owner,
            folder: &folder,
            filename: &filename.parse().unwrap(),
            announced: &announced.parse().unwrap(),
            content_type: &content_type.parse().unwrap(),
            size,
            message_id: None,
        };
        let mut admitted = std::pin::pin!(gate.admit_content(found));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match admitted.as_mut().poll(&mut context) {
            std::task::Poll::Ready(result) => result.map_err(|error| error.code()),
            std::task::Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn content_is_judged_by_what_it_is_whatever_was_announced() {
        const PICTURES_AND_PDF: &str = r#"{"image": {"types": ["image/jpeg", "image/png"], "max_bytes": 1000},
            "document": {"types": ["application/pdf"], "max_bytes": 2000}, "*": {"types": []}}"#;
        const TABLES: &str = r#"{"document": {"types": ["text/csv", "application/msword"]},
            "other": {"types": ["font/woff2"]}, "*": {"types": []}}"#;
        const SMALL_FILMS: &str = r#"{"video": {"max_bytes": 10}, "image": {"extensions": ["png"]}}"#;
        let (found, refused, large) = (Ok(()), Err("type_not_allowed"), Err("file_too_large"));
        for (rules, announced, read, expected) in [
            (PICTURES_AND_PDF, ("a.jpg", "image/jpeg"), ("image/jpeg", 1000), found),
            (PICTURES_AND_PDF, ("a.jpg", "image/jpg"), ("image/jpeg", 1000), found),
            (PICTURES_AND_PDF, ("a.png", "image/png"), ("image/jpeg", 1000), found),
            (PICTURES_AND_PDF, ("a.pdf", "application/pdf"), ("application/pdf", 2000), found),
            (PICTURES_AND_PDF, ("a.pdf", "application/pdf"), ("image/png", 1001), large),
            (PICTURES_AND_PDF, ("a.pdf", "application/pdf"), ("application/pdf", 2001), large),
            (PICTURES_AND_PDF, ("a.pdf", "application/pdf"), ("application/zip", 1), refused),
            (PICTURES_AND_PDF, ("a.png", "image/png"), ("image/svg+xml", 1), refused),
            (PICTURES_AND_PDF, ("a.png", "image/png"), ("application/x-executable", 1), refused),
            (PICTURES_AND_PDF, ("a.png", "image/png"), ("application/x-shellscript", 1), refused),
            (PICTURES_AND_PDF, ("a.png", "image/png"), ("application/octet-stream", 1), refused),
            (PICTURES_AND_PDF, ("a.png", "image/png"), ("text/plain", 1), refused),
            (PICTURES_AND_PDF, ("a.pdf", "application/pdf"), ("text/html", 1), refused),
            (PICTURES_AND_PDF, ("a", "application/octet-stream"), ("application/zip", 1), refused),
            (TABLES, ("a.csv", "text/csv"), ("text/plain", 1), found),
            (TABLES, ("a.csv", "text/csv"), ("text/html", 1), refused),
            (TABLES, ("a.csv", "text/csv"), ("application/octet-stream", 1), refused),
            (TABLES, ("a.txt", "text/plain"), ("text/plain", 1), refused),
            (TABLES, ("a.doc", "application/msword"), ("application/x-ole-storage", 1), found),
            (TABLES, ("a.woff2", "font/woff2"), ("application/octet-stream", 1), found),
            (TABLES, ("a.woff2", "font/woff2"), ("application/x-executable", 1), refused),
            (SMALL_FILMS, ("a.txt", "text/plain"), ("video/mp4", 10), found),
            (SMALL_FILMS, ("a.txt", "text/plain"), ("video/mp4", 11), large),
            (SMALL_FILMS, ("a.png", "text/plain"), ("image/jpeg", 1), found),
            (SMALL_FILMS, ("a.jpg", "text/plain"), ("image/jpeg", 1), Err("extension_not_allowed")),
            ("{}", ("a.png", "image/png"), ("application/x-executable", 100 * MIB), found),
            ("{}", ("a.png", "image/png"), ("image/png", 100 * MIB + 1), large),
        ] {
            assert_eq!(content(None, rules, announced, read), expected, "{announced:?} {read:?}");
        }
    }

    #[test]
    fn the_operators_function_judges_the_content_as_well() {
        let ask = |answer| {
            content(
                Some(Answers(answer)),
                r#"{"*": {"types": []}}"#,
                ("a.pdf", "application/pdf"),
                ("application/zip", 11),
            )
        };
        let allow = GateAnswer { allow: true, ..GateAnswer::default() };
        assert_eq!(ask(Ok(allow.clone())), Ok(()), "against the policy's word");
        assert_eq!(ask(Ok(GateAnswer { max_bytes: Some(10), ..allow })), Err("file_too_large"));
        assert_eq!(ask(Ok(GateAnswer::default())), Err("type_not_allowed"));
        let no = GateAnswer { reason: Some("no archives".to_owned()), ..GateAnswer::default() };
        assert_eq!(ask(Ok(no)), Err("refused"));
        assert_eq!(ask(Err(ErrorKind::Internal)), Err("gate_unavailable"));
    }

    #[test]
    fn a_size_that_isnt_said_is_at_most_what_is_taken() {
        let wish = Wish { size: None, ..wish("a.png", "image/png", 0) };
        let terms = admit(None, policy(r#"{"image": {"max_bytes": 7}}"#), &alice(""), &wish).unwrap();
        assert_eq!(terms.size, SizeRange::at_most(7));
    }

    #[test]
    fn others_roots_are_for_those_whose_token_names_them() {
        let ask = |roots: &str, folder: &str| {
            let wish = Wish { folder: Some(folder.to_owned()), ..wish("a.png", "image/png", 1) };
            admit(None, policy("{}"), &alice(roots), &wish)
                .map(|terms| terms.placement.folder.to_string())
                .map_err(|error| error.code())
        };
        assert_eq!(ask("", "trips").unwrap(), "users/alice/trips");
        for foreign in ["users/bob", "stores/42", "system", "stores/4"] {
            assert_eq!(
                ask("stores/421,users/bob,users/*,stores/", foreign),
                Err("folder_forbidden"),
                "{foreign}"
            );
        }
        assert_eq!(ask("stores/42", "stores/42/banners").unwrap(), "stores/42/banners");
        assert_eq!(ask("stores/*,system", "stores/7").unwrap(), "stores/7");
        assert_eq!(ask("stores/*,system", "system/icons").unwrap(), "system/icons");
        assert_eq!(ask("stores/*", "system"), Err("folder_forbidden"));
    }

    #[test]
    fn the_operators_function_decides_and_its_failure_refuses() {
        let ask = |answer, folder: &str, size| {
            let wish = Wish { folder: Some(folder.to_owned()), ..wish("a.png", "image/png", size) };
            admit(Some(Answers(answer)), policy(r#"{"*": {"types": []}}"#), &alice(""), &wish)
        };
        let allow = || Ok(GateAnswer { allow: true, ..GateAnswer::default() });
        assert_eq!(code(ask(allow(), "stores/42", 1)), Ok(()), "against the policy's word");
        assert_eq!(
            code(ask(allow(), "users/bob", 1)),
            Err("folder_forbidden"),
            "which no function can allow"
        );
        assert_eq!(code(ask(allow(), "", u64::MAX)), Err("file_too_large"));
        let narrowed = GateAnswer {
            allow: true,
            max_bytes: Some(10),
            max_open_uploads: Some(3),
            ..GateAnswer::default()
        };
        assert_eq!(code(ask(Ok(narrowed.clone()), "", 11)), Err("file_too_large"));
        assert_eq!(ask(Ok(narrowed), "", 10).unwrap().quota.open_uploads, Some(3));
        let refused = GateAnswer { reason: Some("no plan".to_owned()), ..GateAnswer::default() };
        let error = ask(Ok(refused), "", 1).unwrap_err();
        assert_eq!((error.code(), error.message()), ("refused", "no plan"));
        assert_eq!(code(ask(Ok(GateAnswer::default()), "", 1)), Err("type_not_allowed"));
        assert_eq!(ask(Err(ErrorKind::Internal), "", 1).unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn rules_that_say_nothing_known_are_refused() {
        for bad in
            ["", "[]", r#"{"images": {}}"#, r#"{"image": {"type": []}}"#, r#"{"image": {"max_bytes": -1}}"#]
        {
            assert!(GatePolicy::new(bad, 1, Quota::UNLIMITED).is_err(), "{bad}");
        }
    }
}
