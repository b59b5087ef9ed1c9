//! The function as API Gateway invokes it, with real signatures and a real HTTP server for published keys.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a fault is told")]

mod keys;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sluice_authorize::{handler::Ports, invocation::Invocation};
use sluice_core::{
    Error, ErrorKind, Result,
    ids::Sha256,
    ports::{Clock, SecretSource},
};
use sluice_lambda::bearer::{Bearer, Expected, HttpKeySet, KeySource, PublishedKeys, SecretKey};
use sluice_testing::{CountingIds, FixedClock, MemoryTable, Probe, World, build};

use self::keys::{Provider, Signer};

const BEARER: &str = include_str!("../../../events/authorize/bearer.json");
const TICKET: &str = include_str!("../../../events/authorize/websocket-ticket.json");
const TICKETS: &str = include_str!("../../../events/authorize/tickets.json");

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// What [`FixedClock`] shows.
const NOW: i64 = 1_769_847_330;

/// Secrets that come one after the other; the last one stays.
#[derive(Clone)]
struct Vault {
    secrets: Arc<Mutex<VecDeque<&'static [u8]>>>,
    fetches: Arc<AtomicUsize>,
}

impl Vault {
    fn of(secrets: &[&'static [u8]]) -> Self {
        Self { secrets: Arc::new(Mutex::new(secrets.iter().copied().collect())), fetches: Arc::default() }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl SecretSource for Vault {
    async fn fetch(&self) -> Result<String> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let mut secrets = self.secrets.lock().unwrap();
        let secret = if secrets.len() > 1 { secrets.pop_front() } else { secrets.front().copied() };
        let secret = secret.ok_or_else(|| Error::unavailable("Secrets Manager", "timeout"))?;
        Ok(String::from_utf8(secret.to_vec()).unwrap())
    }
}

type Function<K> = Ports<K, Probe<MemoryTable>, FixedClock, CountingIds>;

fn function<K: KeySource>(world: &World, keys: K) -> Function<K> {
    let expected = Expected { issuer: Some("issuer".to_owned()), audience: Some("sluice".to_owned()) };
    Ports {
        bearer: Bearer { keys, expected },
        tickets: world.table.clone(),
        clock: world.clock.clone(),
        ids: world.ids.clone(),
        ticket_ttl: Duration::from_mins(1),
    }
}

fn with_secret(world: &World) -> Function<SecretKey<Vault>> {
    function(world, SecretKey::new(Vault::of(&[SECRET])))
}

fn with_provider(world: &World, provider: &Provider) -> Function<PublishedKeys<HttpKeySet>> {
    function(world, PublishedKeys::new(HttpKeySet::new(&provider.url()).unwrap()))
}

async fn invoke<K: KeySource>(function: &Function<K>, event: Value) -> Result<Value> {
    let invocation: Invocation = serde_json::from_value(event).unwrap();
    let answer = function.handle(invocation).await?;
    Ok(serde_json::to_value(answer).unwrap())
}

fn bearer(authorization: &str) -> Value {
    let mut event: Value = serde_json::from_str(BEARER).unwrap();
    event["headers"]["authorization"] = authorization.into();
    event
}

async fn check<K: KeySource>(function: &Function<K>, token: &str) -> Result<Value> {
    invoke(function, bearer(&format!("Bearer {token}"))).await
}

async fn is_authorized<K: KeySource>(function: &Function<K>, token: &str) -> bool {
    let answer = check(function, token).await.unwrap();
    if answer["isAuthorized"] == false {
        assert_eq!(answer, json!({"isAuthorized": false}), "a refusal tells nothing");
    }
    answer["isAuthorized"] == true
}

fn claims() -> Value {
    json!({"sub": "alice", "iss": "issuer", "aud": "sluice", "iat": NOW - 10, "exp": NOW + 3600})
}

fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test]
async fn a_good_token_names_its_owner_and_its_end() {
    let function = with_secret(&World::new());
    let token = Signer::secret(SECRET).token(&claims());
    let expected = json!({"isAuthorized": true,
        "context": {"owner": "alice", "roots": "", "expires_at": (NOW + 3600).to_string()}});
    assert_eq!(check(&function, &token).await.unwrap(), expected);
    assert_eq!(invoke(&function, bearer(&format!("bearer  {token} "))).await.unwrap(), expected);
}

#[tokio::test]
async fn an_owner_of_any_letters_is_handed_on_in_plain_ascii() {
    let world = World::new();
    let function = with_secret(&world);
    let subject = "http://idp.example/users/Jörg Müller";
    let escaped = "http:!2F!2Fidp.example!2Fusers!2FJ!C3!B6rg!20M!C3!BCller";
    let mut claims = claims_with("sub", json!(subject));
    claims["roots"] = json!(["stores/Köln", "system"]);
    let answer = check(&function, &Signer::secret(SECRET).token(&claims)).await.unwrap();
    assert_eq!(answer["context"]["owner"], escaped);
    assert_eq!(answer["context"]["roots"], "stores/K!C3!B6ln,system");
    let owner = sluice_core::ids::OwnerId::from_escaped(escaped).unwrap();
    assert_eq!(owner.as_str(), subject);
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let function = with_secret(&World::new());
    let token = Signer::secret(SECRET).token(&claims());
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer ..",
        &format!("Basic {token}"),
        &token,
        &format!("Bearer {token}.{token}"),
    ] {
        let answer = invoke(&function, bearer(authorization)).await.unwrap();
        assert_eq!(answer, json!({"isAuthorized": false}), "{authorization:?}");
    }
    let mut event: Value = serde_json::from_str(BEARER).unwrap();
    event.as_object_mut().unwrap().remove("headers");
    assert_eq!(invoke(&function, event).await.unwrap(), json!({"isAuthorized": false}));
    let as_recorded = serde_json::from_str(BEARER).unwrap();
    assert_eq!(invoke(&function, as_recorded).await.unwrap(), json!({"isAuthorized": false}));
}

#[tokio::test]
async fn claims_are_checked() {
    let function = with_secret(&World::new());
    let good = [
        claims_with("aud", json!(["other", "sluice"])),
        claims_with("exp", json!(NOW + 1)),
        claims_with("exp", json!(1_769_847_390.5)),
        claims_with("nbf", json!(NOW + 30)),
        claims_with("sub", json!("auth0|5f7c8ec7c33c6c004bbafe82")),
        claims_with("sub", json!("../bob")),
        claims_without("iat"),
    ];
    for claims in good {
        assert!(is_authorized(&function, &Signer::secret(SECRET).token(&claims)).await, "{claims}");
    }
    let bad = [
        claims_without("exp"),
        claims_with("exp", json!(NOW)),
        claims_with("exp", json!(NOW - 3600)),
        claims_with("exp", json!("tomorrow")),
        claims_with("exp", Value::Null),
        claims_with("nbf", json!(NOW + 31)),
        claims_without("iss"),
        claims_with("iss", json!("other")),
        claims_with("iss", json!(["issuer"])),
        claims_without("aud"),
        claims_with("aud", json!("other")),
        claims_with("aud", json!([])),
        claims_without("sub"),
        claims_with("sub", json!("")),
        claims_with("sub", json!("a\nb")),
        claims_with("sub", json!("x".repeat(257))),
        claims_with("sub", json!(7)),
        json!([]),
        json!("alice"),
    ];
    for claims in bad {
        assert!(!is_authorized(&function, &Signer::secret(SECRET).token(&claims)).await, "{claims}");
    }
}

#[tokio::test]
async fn issuer_and_audience_are_free_where_none_is_configured() {
    let mut function = with_secret(&World::new());
    function.bearer.expected = Expected::default();
    let token = Signer::secret(SECRET).token(&json!({"sub": "alice", "exp": NOW + 1}));
    assert!(is_authorized(&function, &token).await);
}

#[tokio::test]
async fn signatures_and_algorithms_are_checked() {
    let function = with_secret(&World::new());
    let signer = Signer::secret(SECRET);
    let token = signer.token(&claims());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let mallory = keys::encode(&claims_with("sub", json!("mallory")));
    let none = |alg: &str| keys::encode(&json!({"alg": alg, "typ": "JWT"}));
    for forged in [
        format!("{header}.{mallory}.{signature}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{}", signature.to_uppercase()),
        format!("{}.{payload}.", none("none")),
        format!("{}.{payload}.{signature}", none("None")),
        format!("{}.{payload}.{signature}", none("nOnE")),
        signer.token_with(&json!({"alg": "HS384"}), &claims()),
        signer.token_with(&json!({"alg": "HS512"}), &claims()),
        signer.token_with(&json!({"alg": "RS256"}), &claims()),
        signer.token_with(&json!({"typ": "JWT"}), &claims()),
        signer.token_with(&json!({"alg": "HS256", "crit": ["exp"]}), &claims()),
        Signer::secret(b"another secret, which is as long").token(&claims()),
        Signer::secret(b"").token(&claims()),
    ] {
        assert!(!is_authorized(&function, &forged).await, "{forged}");
    }
}

#[tokio::test]
async fn the_secret_is_fetched_once_in_five_minutes() {
    let world = World::new();
    let vault = Vault::of(&[SECRET]);
    let function = function(&world, SecretKey::new(vault.clone()));
    let token = Signer::secret(SECRET).token(&claims());
    assert_eq!(vault.fetches(), 0);
    for _ in 0..3 {
        assert!(is_authorized(&function, &token).await);
    }
    world.clock.advance(Duration::from_secs(299));
    assert!(is_authorized(&function, &token).await);
    assert_eq!(vault.fetches(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert!(is_authorized(&function, &token).await);
    assert_eq!(vault.fetches(), 2);
}

#[tokio::test]
async fn a_rotated_secret_is_noticed_and_forgeries_cause_no_flood() {
    const ROTATED: &[u8] = b"fedcba9876543210fedcba9876543210";
    let world = World::new();
    let vault = Vault::of(&[SECRET, ROTATED]);
    let function = function(&world, SecretKey::new(vault.clone()));
    let (old, new) = (Signer::secret(SECRET).token(&claims()), Signer::secret(ROTATED).token(&claims()));
    assert!(is_authorized(&function, &old).await);
    assert!(!is_authorized(&function, &new).await, "it was fetched just now");
    world.clock.advance(Duration::from_secs(29));
    assert!(!is_authorized(&function, &new).await);
    assert_eq!(vault.fetches(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert!(is_authorized(&function, &new).await);
    assert!(!is_authorized(&function, &old).await);
    assert_eq!(vault.fetches(), 2);
}

#[tokio::test]
async fn without_a_usable_secret_nothing_is_decided() {
    let token = Signer::secret(b"short").token(&claims());
    let short = function(&World::new(), SecretKey::new(Vault::of(&[&SECRET[..31]])));
    assert_eq!(check(&short, &token).await.unwrap_err().kind(), ErrorKind::Internal);
    let missing = function(&World::new(), SecretKey::new(Vault::of(&[])));
    assert_eq!(check(&missing, &token).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn published_keys_are_found_by_their_names() {
    let (rsa, curve) = (Signer::rsa("r1"), Signer::curve("c1"));
    let provider = Provider::start(&[rsa.jwk(), curve.jwk()]).await;
    let function = with_provider(&World::new(), &provider);
    for signer in [&rsa, &curve] {
        assert!(is_authorized(&function, &signer.token(&claims())).await);
        let mut forged = signer.token(&claims()).into_bytes();
        let last = forged.len() - 10;
        forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
        assert!(!is_authorized(&function, &String::from_utf8(forged).unwrap()).await);
        assert!(!is_authorized(&function, &signer.token(&claims_with("iss", json!("other")))).await);
    }
    assert!(!is_authorized(&function, &Signer::rsa("r1").token(&claims())).await, "another key of that name");
    assert_eq!(provider.hits(), 1);
}

#[tokio::test]
async fn public_keys_are_no_secrets_and_no_key_serves_another_algorithm() {
    let (rsa, curve) = (Signer::rsa("r1"), Signer::curve("c1"));
    let provider = Provider::start(&[rsa.jwk(), curve.jwk()]).await;
    let function = with_provider(&World::new(), &provider);
    for public in [rsa.public(), rsa.jwk()["n"].as_str().unwrap().as_bytes().to_vec(), curve.public()] {
        let confused = Signer::secret(&public);
        for kid in ["r1", "c1"] {
            let token = confused.token_with(&json!({"alg": "HS256", "kid": kid}), &claims());
            assert!(!is_authorized(&function, &token).await);
            let token = confused.token_with(&json!({"alg": "RS256", "kid": kid}), &claims());
            assert!(!is_authorized(&function, &token).await);
        }
    }
    for (signer, alg, kid) in
        [(&rsa, "ES256", "r1"), (&curve, "RS256", "c1"), (&rsa, "RS256", "c1"), (&rsa, "PS256", "r1")]
    {
        let token = signer.token_with(&json!({"alg": alg, "kid": kid}), &claims());
        assert!(!is_authorized(&function, &token).await, "{alg} {kid}");
    }
    // a key that the token brings along is never used
    let mallory = Signer::rsa("m");
    let header = json!({"alg": "RS256", "kid": "r1", "jwk": mallory.jwk(), "jku": "http://127.0.0.1:1/"});
    assert!(!is_authorized(&function, &mallory.token_with(&header, &claims())).await);
}

#[tokio::test]
async fn a_set_of_one_key_needs_no_names() {
    let rsa = Signer::rsa("r1");
    let provider = Provider::start(&[rsa.jwk()]).await;
    let function = with_provider(&World::new(), &provider);
    let nameless = rsa.token_with(&json!({"alg": "RS256"}), &claims());
    assert!(is_authorized(&function, &nameless).await);

    let provider = Provider::start(&[rsa.jwk(), Signer::rsa("r2").jwk()]).await;
    assert!(!is_authorized(&with_provider(&World::new(), &provider), &nameless).await);
}

#[tokio::test]
async fn keys_that_are_not_for_this_are_left_out() {
    let rsa = Signer::rsa("r1");
    let altered = |name: &str, value: Value| {
        let mut jwk = rsa.jwk();
        jwk[name] = value;
        jwk
    };
    let strange = json!({"kty": "AKP", "kid": "r1", "alg": "ML-DSA-44", "pub": "AA"});
    for jwk in [
        altered("use", json!("enc")),
        altered("alg", json!("RS512")),
        altered("n", json!("!")),
        altered("kid", json!("r2")),
        strange.clone(),
    ] {
        let provider = Provider::start(&[jwk.clone()]).await;
        let function = with_provider(&World::new(), &provider);
        assert!(!is_authorized(&function, &rsa.token(&claims())).await, "{jwk}");
    }
    let provider = Provider::start(&[strange, rsa.jwk()]).await;
    assert!(is_authorized(&with_provider(&World::new(), &provider), &rsa.token(&claims())).await);
}

#[tokio::test]
async fn a_new_key_is_fetched_at_its_first_use_and_at_most_once_a_minute() {
    let (old, new) = (Signer::curve("k1"), Signer::curve("k2"));
    let world = World::new();
    let provider = Provider::start(&[old.jwk()]).await;
    let function = with_provider(&world, &provider);
    assert!(is_authorized(&function, &old.token(&claims())).await);
    provider.publish(&[old.jwk(), new.jwk()]);
    world.clock.advance(Duration::from_secs(59));
    assert!(!is_authorized(&function, &new.token(&claims())).await);
    assert_eq!(provider.hits(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert!(is_authorized(&function, &new.token(&claims())).await);
    assert!(is_authorized(&function, &old.token(&claims())).await);
    for made_up in ["k3", "k4"] {
        assert!(!is_authorized(&function, &Signer::curve(made_up).token(&claims())).await);
    }
    assert_eq!(provider.hits(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_goes_within_the_hour() {
    let (key, other) = (Signer::curve("k1"), Signer::curve("k2"));
    let world = World::new();
    let provider = Provider::start(&[key.jwk()]).await;
    let function = with_provider(&world, &provider);
    let token = key.token(&claims_with("exp", json!(NOW + 86_400)));
    assert!(is_authorized(&function, &token).await);
    provider.publish(&[other.jwk()]);
    world.clock.advance(Duration::from_mins(60));
    assert!(!is_authorized(&function, &token).await);
}

#[tokio::test]
async fn a_provider_that_fails_hinders_only_those_who_need_it() {
    let key = Signer::curve("k1");
    let world = World::new();
    let provider = Provider::start(&[key.jwk()]).await;
    let token = key.token(&claims_with("exp", json!(NOW + 86_400)));

    provider.fail(500);
    let function = with_provider(&world, &provider);
    assert_eq!(check(&function, &token).await.unwrap_err().kind(), ErrorKind::Unavailable);
    provider.fail(302);
    assert_eq!(check(&function, &token).await.unwrap_err().kind(), ErrorKind::Unavailable);
    provider.publish(&[key.jwk()]);
    assert!(is_authorized(&function, &token).await, "the first set is not put off");

    provider.fail(500);
    world.clock.advance(Duration::from_mins(61));
    assert!(is_authorized(&function, &token).await, "the old set is used on");
    let unknown = Signer::curve("k2").token(&claims_with("exp", json!(NOW + 86_400)));
    assert!(!is_authorized(&function, &unknown).await, "it was tried just now");
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(check(&function, &unknown).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Time is paused: the limit passes as soon as everybody only waits.
#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_is_given_up() {
    let key = Signer::curve("k1");
    let provider = Provider::silent().await;
    let function = with_provider(&World::new(), &provider);
    let error = check(&function, &key.token(&claims())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

fn ticket_event(ticket: &Value) -> Value {
    let mut event: Value = serde_json::from_str(TICKET).unwrap();
    event["queryStringParameters"] = ticket.clone();
    event
}

/// `POST /tickets` as recorded, with a token that ends then.
async fn issue<K: KeySource>(function: &Function<K>, token_ends: i64) -> (Value, Value) {
    let mut event: Value = serde_json::from_str(TICKETS).unwrap();
    event["requestContext"]["authorizer"]["lambda"]["expires_at"] = token_ends.to_string().into();
    let answer = invoke(function, event).await.unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer, body)
}

#[tokio::test]
async fn a_ticket_opens_one_connection() {
    let world = World::new();
    let function = with_secret(&world);
    let (answer, body) = issue(&function, NOW + 3600).await;
    assert_eq!(
        (&answer["statusCode"], &answer["headers"]["cache-control"]),
        (&json!(201), &json!("no-store"))
    );
    assert_eq!(body["expires_at"], world.clock.now().plus(Duration::from_mins(1)).to_string());

    let event = ticket_event(&json!({"ticket": body["ticket"]}));
    let arn = "arn:aws:execute-api:eu-central-1:123456789012:f6g7h8i9j0/live/$connect";
    let policy = |effect: &str| {
        json!({"Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}]})
    };
    assert_eq!(
        invoke(&function, event.clone()).await.unwrap(),
        json!({"principalId": "alice", "policyDocument": policy("Allow"), "context": {"owner": "alice"}})
    );
    assert_eq!(
        invoke(&function, event).await.unwrap(),
        json!({"principalId": "nobody", "policyDocument": policy("Deny")})
    );
}

#[tokio::test]
async fn a_ticket_ends_after_a_minute_and_with_its_token() {
    let world = World::new();
    let function = with_secret(&world);
    let is_allowed = async |ticket: &Value| {
        let answer = invoke(&function, ticket_event(&json!({ "ticket": ticket }))).await.unwrap();
        answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    };
    let (_, early) = issue(&function, NOW + 3600).await;
    let (_, late) = issue(&function, NOW + 3600).await;
    let (_, short) = issue(&function, NOW + 5).await;
    assert_eq!(short["expires_at"], world.clock.now().plus(Duration::from_secs(5)).to_string());
    world.clock.advance(Duration::from_secs(5));
    assert!(!is_allowed(&short["ticket"]).await);
    world.clock.advance(Duration::from_secs(54));
    assert!(is_allowed(&early["ticket"]).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!is_allowed(&late["ticket"]).await);
}

#[tokio::test]
async fn what_is_no_ticket_is_denied() {
    let world = World::new();
    let function = with_secret(&world);
    // who reads the table finds only what opens nothing
    let digest = build::digest(b"secret-000000000000000000000000000000000001").to_string();
    let (_, body) = issue(&function, NOW + 3600).await;
    assert_eq!(build::digest(body["ticket"].as_str().unwrap().as_bytes()).to_string(), digest);
    for nothing in [
        Value::Null,
        json!({}),
        json!({"ticket": ""}),
        json!({"ticket": "x".repeat(10_000)}),
        json!({"ticket": digest.parse::<Sha256>().unwrap()}),
        json!({"Ticket": body["ticket"]}),
    ] {
        let answer = invoke(&function, ticket_event(&nothing)).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny", "{nothing}");
    }
    let as_recorded = invoke(&function, serde_json::from_str(TICKET).unwrap()).await.unwrap();
    assert_eq!(as_recorded["policyDocument"]["Statement"][0]["Effect"], "Deny");
}

#[tokio::test]
async fn tickets_are_for_callers_and_by_post() {
    let function = with_secret(&World::new());
    let answer = async |change: &dyn Fn(&mut Value)| {
        let mut event: Value = serde_json::from_str(TICKETS).unwrap();
        change(&mut event);
        invoke(&function, event).await.unwrap()
    };
    assert_eq!(answer(&|event| event["rawPath"] = "/tickets/".into()).await["statusCode"], 201);
    assert_eq!(answer(&|event| event["rawPath"] = "/".into()).await["statusCode"], 404);
    let wrong = answer(&|event| event["requestContext"]["http"]["method"] = "GET".into()).await;
    assert_eq!((&wrong["statusCode"], &wrong["headers"]["allow"]), (&json!(405), &json!("POST")));
    let nobody = answer(&|event| event["requestContext"]["authorizer"] = Value::Null).await;
    assert_eq!(nobody["statusCode"], 401);
    let ended = |event: &mut Value| {
        event["requestContext"]["authorizer"]["lambda"]["expires_at"] = NOW.to_string().into();
    };
    assert_eq!(answer(&ended).await["statusCode"], 401);
}

#[tokio::test]
async fn a_table_that_fails_decides_nothing() {
    let world = World::new();
    let function = with_secret(&world);
    world.calls.fail_always("TicketRepository::redeem", sluice_testing::When::Before, ErrorKind::Unavailable);
    let error = invoke(&function, serde_json::from_str(TICKET).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn what_can_be_logged_of_an_invocation_holds_no_token() {
    for event in [BEARER, TICKET, TICKETS] {
        let shown = format!("{:?}", serde_json::from_str::<Invocation>(event).unwrap());
        assert!(!shown.contains("eyJ") && !shown.contains("q5Jx"), "{shown}");
    }
}
