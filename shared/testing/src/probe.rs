//! Counts the calls of ports, and makes chosen ones fail: those that a test names, or those that a [`Director`] picks.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    ops::{Deref, Range, RangeInclusive},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use sluice_core::{
    Error, ErrorKind, Result,
    asset::{Asset, Grant},
    idempotency::KeyRecord,
    ids::{
        AssetId, ConnectionId, ETag, ObjectVersionId, OwnerId, RequestId, Sha256, TaskId, UploadId, Version,
    },
    job::UploadJob,
    names::{ContentType, DerivedKey, ObjectKey},
    ports::{
        AssetRepository, Connection, ConnectionRepository, ContentIndex, Copied, Delivery, DerivedStore,
        Endpoint, EndpointTokenRepository, IdempotencyRepository, JobOrder, JobQueue, Link, LinkSigner,
        Listed, Locking, MultipartStep, MultipartStore, NewObject, Notifier, ObjectHead, OriginalLink,
        OriginalStore, Page, Saved, SignedForm, SignedPart, SignedRequest, StagingStore, Stitched,
        TaskRepository, TicketRepository, TusUploadRepository, UploadJobRepository, UploadSigner,
    },
    task::Task,
    time::Timestamp,
    tus::{Lock, StagingKey, TusUpload},
    upload::{PartTag, UploadedPart},
    usage::{Quota, Usage, UsageChange},
};

/// When an ordered fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the work: nothing is done.
    Before,
    /// After the work: it is done, and the answer is lost.
    After,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    #[default]
    Proceed,
    /// It fails.
    Fail(When, ErrorKind),
    /// It is done, its answer is lost, and the SDK sends it again: the caller sees what the service answers to the second.
    Resend,
}

/// Decides over the calls of all ports. With one, every call is also a point where another task may run, before the work
/// and after it.
pub trait Director: Send + Sync {
    /// The fate of a call that is about to be made.
    fn fate(&self, method: &'static str) -> Fate;
}

/// Lets other tasks run: pending once, then ready.
#[derive(Debug, Default)]
pub struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        // sets of futures poll again only those that were woken
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What is to happen at a coming call of a method.
struct Order {
    method: &'static str,
    /// Calls until then; at 0 it happens.
    calls_left: usize,
    /// Whether it happens at every call from then on.
    lasting: bool,
    what: What,
}

enum What {
    Fail(When, ErrorKind),
    Run(Option<Box<dyn FnOnce() + Send>>),
}

#[derive(Default)]
struct State {
    counts: BTreeMap<&'static str, usize>,
    orders: Vec<Order>,
    director: Option<Arc<dyn Director>>,
}

/// The calls of all probes that share it. Methods are named as `AssetRepository::get`.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<State>>);

impl Calls {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.state().counts.get(known(method)).copied().unwrap_or_default()
    }

    /// How often each method was called; those that weren't are left out.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.state().counts.clone()
    }

    /// Counts from zero again.
    pub fn reset(&self) {
        self.state().counts.clear();
    }

    /// Lets the `nth` call from now (1 is the next) fail, once.
    pub fn fail(&self, method: &str, nth: usize, when: When, kind: ErrorKind) {
        self.order(method, nth, false, What::Fail(when, kind));
    }

    /// Lets every call fail, until [`Self::heal`].
    pub fn fail_always(&self, method: &str, when: When, kind: ErrorKind) {
        self.order(method, 1, true, What::Fail(when, kind));
    }

    /// Runs something just before the `nth` call from now: what another writer does in that moment.
    pub fn before(&self, method: &str, nth: usize, run: impl FnOnce() + Send + 'static) {
        self.order(method, nth, false, What::Run(Some(Box::new(run))));
    }

    /// Lets `director` decide over every call from now on, beside what was ordered.
    pub fn direct(&self, director: Arc<dyn Director>) {
        self.state().director = Some(director);
    }

    /// Takes all orders back.
    pub fn heal(&self) {
        self.state().orders.clear();
    }

    fn order(&self, method: &str, nth: usize, lasting: bool, what: What) {
        assert!(nth >= 1, "the next call is the first");
        let order = Order { method: known(method), calls_left: nth - 1, lasting, what };
        self.state().orders.push(order);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds this")
    }

    /// Counts a call; gives the fault that it meets, if any, and who else decides.
    fn meet(&self, method: &'static str) -> (Option<Fate>, Option<Arc<dyn Director>>) {
        let mut runs = Vec::new();
        let mut fault = None;
        let director;
        {
            let mut state = self.state();
            *state.counts.entry(method).or_default() += 1;
            for order in state.orders.iter_mut().filter(|order| order.method == method) {
                if order.calls_left > 0 {
                    order.calls_left -= 1;
                    continue;
                }
                match &mut order.what {
                    What::Fail(when, kind) => fault = fault.or(Some(Fate::Fail(*when, *kind))),
                    What::Run(run) => runs.extend(run.take()),
                }
                if !order.lasting {
                    // spent: it never comes to 0 again
                    order.calls_left = usize::MAX;
                }
            }
            director = state.director.clone();
        }
        // outside the lock: what runs may call the doubles itself
        for run in runs {
            run();
        }
        (fault, director)
    }

    /// Makes a call as it is fated. `again` says whether the service does it again when it is sent again; where not, the
    /// request carries a token by which the service knows it and answers as before.
    async fn watch<T, W>(
        &self,
        method: &'static str,
        again: bool,
        work: impl Fn() -> W + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        W: Future<Output = Result<T>> + Send,
    {
        let (ordered, director) = self.meet(method);
        let Some(director) = director else { return make(ordered.unwrap_or_default(), again, &work).await };
        Pause::default().await;
        let fate = ordered.unwrap_or_else(|| director.fate(method));
        let answer = make(fate, again, &work).await;
        Pause::default().await;
        answer
    }
}

async fn make<T, W>(fate: Fate, again: bool, work: impl Fn() -> W + Send + Sync) -> Result<T>
where
    T: Send,
    W: Future<Output = Result<T>> + Send,
{
    let fault = |kind| {
        let code = if kind == ErrorKind::Throttled { "throttled" } else { "unavailable" };
        Error::new(kind, code, "a fault on order")
    };
    match fate {
        Fate::Proceed => work().await,
        Fate::Fail(When::Before, kind) => Err(fault(kind)),
        Fate::Fail(When::After, kind) => {
            work().await?;
            Err(fault(kind))
        }
        Fate::Resend => {
            let first = work().await;
            Pause::default().await;
            if again { work().await } else { first }
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calls").field(&self.counts()).finish()
    }
}

/// A port that is watched. It is what it holds: the double's own methods are there as well.
#[derive(Debug, Clone)]
pub struct Probe<P> {
    inner: P,
    calls: Calls,
}

impl<P> Probe<P> {
    /// Watches `inner`.
    pub fn new(inner: P, calls: &Calls) -> Self {
        Self { inner, calls: calls.clone() }
    }
}

impl<P> Deref for Probe<P> {
    type Target = P;
    fn deref(&self) -> &P {
        &self.inner
    }
}

/// Implements ports for [`Probe`], each method by way of [`Calls::watch`], and lists their names. A method that is sent
/// with a token says when.
macro_rules! watch {
    ($($port:ident $({ type $body:ident; })? {
        $(fn $method:ident($($arg:ident: $kind:ty),*) -> $out:ty $(, token if $token:expr)?;)*
    })*) => {
        $(impl<P: $port> $port for Probe<P> {
            $(type $body = P::$body;)?
            $(async fn $method(&self, $($arg: $kind),*) -> Result<$out> {
                let name = concat!(stringify!($port), "::", stringify!($method));
                let again = true $(&& !$token)?;
                let work = || self.inner.$method($(<$kind as Clone>::clone(&$arg)),*);
                self.calls.watch(name, again, work).await
            })*
        })*

        /// Every method there is.
        const METHODS: &[&str] = &[$($(concat!(stringify!($port), "::", stringify!($method)),)*)*];
    };
}

watch! {
    OriginalStore { type Body; } {
        fn head(key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> Option<ObjectHead>;
        fn get(key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> Option<Self::Body>;
        fn put(key: &ObjectKey, object: NewObject) -> Option<ObjectHead>;
        fn delete(key: &ObjectKey, version_id: Option<&ObjectVersionId>) -> ();
    }
    DerivedStore {
        fn put(key: &DerivedKey, content_type: &ContentType, bytes: Bytes) -> ();
        fn delete(keys: &[DerivedKey]) -> ();
    }
    MultipartStore {
        fn create(key: &ObjectKey, content_type: &ContentType, version: Version) -> UploadId;
        fn upload_part(key: &ObjectKey, upload_id: &UploadId, number: u16, bytes: Bytes) -> Option<ETag>;
        fn list_parts(key: &ObjectKey, upload_id: &UploadId) -> Option<Vec<UploadedPart>>;
        fn complete(key: &ObjectKey, upload_id: &UploadId, parts: &[PartTag], replaces: Option<&ETag>) -> Stitched;
        fn abort(key: &ObjectKey, upload_id: &UploadId) -> ();
    }
    UploadSigner {
        fn sign_put(key: &ObjectKey, grant: &Grant, now: Timestamp, ttl: Duration) -> SignedRequest;
        fn sign_parts(key: &ObjectKey, upload_id: &UploadId, parts: RangeInclusive<u16>, now: Timestamp, ttl: Duration) -> (Vec<SignedPart>, Timestamp);
        fn sign_post(key: &ObjectKey, grant: &Grant, now: Timestamp, ttl: Duration) -> SignedForm;
        fn sign_create(key: &ObjectKey, grant: &Grant, now: Timestamp, ttl: Duration) -> SignedRequest;
        fn sign_step(key: &ObjectKey, upload_id: &UploadId, step: MultipartStep<'_>, now: Timestamp, ttl: Duration) -> SignedRequest;
        fn address(key: &ObjectKey) -> String;
    }
    LinkSigner {
        fn original(link: OriginalLink<'_>) -> Link;
        fn derivative(key: &DerivedKey) -> Link;
    }
    AssetRepository {
        // a transaction, known by its token for ten minutes
        fn create(asset: &Asset, quota: &Quota) -> Saved, token if true;
        fn get(id: AssetId) -> Option<Asset>;
        fn save(asset: &Asset, usage: UsageChange, quota: &Quota) -> Saved, token if usage != UsageChange::NONE;
        fn usage(owner: &OwnerId) -> Usage;
        fn list(owner: &OwnerId, listed: Listed, limit: u16, cursor: Option<&str>) -> Page<Asset>;
        fn by_upload(upload_id: &UploadId) -> Option<AssetId>;
        fn changed_since(owner: &OwnerId, since: Timestamp, limit: u16, cursor: Option<&str>) -> Page<Asset>;
        fn overdue(now: Timestamp, limit: u16) -> Vec<AssetId>;
    }
    ContentIndex {
        fn keeper(owner: &OwnerId, sha256: Sha256) -> Option<AssetId>;
        fn claim(owner: &OwnerId, sha256: Sha256, asset: AssetId) -> AssetId;
        fn replace(owner: &OwnerId, sha256: Sha256, stale: AssetId, asset: AssetId) -> AssetId;
    }
    StagingStore {
        fn put(key: &StagingKey, bytes: Bytes) -> ();
        fn get(key: &StagingKey, range: Range<u64>) -> Bytes;
        fn remove(keys: &[StagingKey]) -> ();
        fn copy_part(source: &StagingKey, range: Option<Range<u64>>, key: &ObjectKey, upload_id: &UploadId, number: u16) -> Copied;
    }
    TusUploadRepository {
        fn create(id: Sha256, upload: &TusUpload) -> Saved;
        fn get(id: Sha256) -> Option<TusUpload>;
        fn lock(id: Sha256, owner: Option<&OwnerId>, offset: u64, lock: &Lock) -> Locking;
        fn save(id: Sha256, upload: &TusUpload) -> Saved;
        fn remove(id: Sha256, revision: u64) -> Saved;
    }
    UploadJobRepository {
        fn create(job: &UploadJob, earlier: Option<&UploadJob>) -> Saved, token if true;
        fn get(owner: &OwnerId, request_id: &RequestId) -> Option<UploadJob>;
        fn by_token(token: Sha256) -> Option<UploadJob>;
        fn save(job: &UploadJob) -> Saved;
        fn list(owner: &OwnerId, limit: u16, cursor: Option<&str>) -> Page<UploadJob>;
    }
    TaskRepository {
        fn create(task: &Task) -> ();
        fn get(id: TaskId) -> Option<Task>;
    }
    IdempotencyRepository {
        fn claim(record: &KeyRecord, now: Timestamp) -> Option<KeyRecord>;
        fn replace(there: &KeyRecord, record: &KeyRecord) -> bool;
    }
    JobQueue {
        fn enqueue(order: &JobOrder) -> ();
        fn backlog() -> u64;
    }
    TicketRepository {
        fn issue(ticket: Sha256, owner: &OwnerId, expires_at: Timestamp) -> ();
        fn redeem(ticket: Sha256, now: Timestamp) -> Option<OwnerId>;
    }
    ConnectionRepository {
        fn add(connection: &Connection, owner: &OwnerId, expires_at: Timestamp) -> Saved;
        fn remove(connection: &ConnectionId) -> ();
        fn remove_unless_newer(connection: &Connection, owner: &OwnerId) -> ();
        fn owner_of(connection: &ConnectionId) -> Option<OwnerId>;
        fn of_owner(owner: &OwnerId) -> Vec<Connection>;
    }
    EndpointTokenRepository {
        fn keep(token: Sha256, endpoint: &Endpoint) -> ();
        fn endpoint(token: Sha256, now: Timestamp) -> Option<Endpoint>;
    }
    Notifier {
        fn push(connection: &ConnectionId, text: &str) -> Delivery;
        fn cut(connection: &ConnectionId) -> ();
    }
}

/// The method of this name; a name that is none is a mistake in the test.
fn known(method: &str) -> &'static str {
    METHODS.iter().find(|known| **known == method).unwrap_or_else(|| panic!("no port has a method {method}"))
}
