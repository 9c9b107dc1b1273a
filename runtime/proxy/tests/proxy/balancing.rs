//! Who gets which requests.

use http::{Method, Request, StatusCode};
use proxy::Admission;

use crate::{
    client::Client,
    upstream::Upstream,
    world::{World, admitting, block_on, state},
};

pub(crate) const CASES: &[(&str, fn())] = &[
    ("shares_are_exact", shares_are_exact),
    (
        "members_of_a_group_share_evenly",
        members_of_a_group_share_evenly,
    ),
    (
        "without_a_ready_member_the_answer_says_so",
        without_a_ready_member_the_answer_says_so,
    ),
    (
        "what_was_not_sent_goes_to_another_member",
        what_was_not_sent_goes_to_another_member,
    ),
    ("only_what_may_be_repeated_is", only_what_may_be_repeated_is),
    ("the_member_learns_who_asks", the_member_learns_who_asks),
    ("heads_are_bounded", heads_are_bounded),
];

fn shares_are_exact() {
    block_on(async {
        let (new, old) = (Upstream::start("new").await, Upstream::start("old").await);
        let world = World::serving(&[("canary", 10.0, &[&new]), ("stable", 90.0, &[&old])]).await;
        let address = world.address().await;
        // On many connections, since shares are of requests and not of clients.
        for _ in 0..10 {
            let mut client = Client::new(address);
            for _ in 0..100 {
                assert_eq!(client.get("/").await.unwrap().status(), StatusCode::OK);
            }
        }
        assert_eq!((new.requests(), old.requests()), (100, 900));
        world
            .apply(&state(&[
                ("canary", 0.0, &[&new]),
                ("stable", 100.0, &[&old]),
            ]))
            .await;
        let mut client = Client::new(address);
        for _ in 0..50 {
            client.get("/").await.unwrap();
        }
        assert_eq!((new.requests(), old.requests()), (100, 950));
    });
}

fn members_of_a_group_share_evenly() {
    block_on(async {
        let mut members = Vec::new();
        for name in ["a", "b", "c"] {
            members.push(Upstream::start(name).await);
        }
        let all: Vec<&Upstream> = members.iter().collect();
        let world = World::serving(&[("only", 100.0, &all)]).await;
        let mut client = Client::new(world.address().await);
        for _ in 0..300 {
            client.get("/").await.unwrap();
        }
        assert_eq!(members.each_requests(), [100, 100, 100]);
        let drained = |name: &str| {
            if name == "b" {
                Admission::Draining
            } else {
                Admission::Ready
            }
        };
        world
            .apply(&admitting(&[("only", 100.0, &all)], drained))
            .await;
        for _ in 0..100 {
            client.get("/").await.unwrap();
        }
        assert_eq!(members.each_requests(), [150, 100, 150]);
    });
}

trait EachRequests {
    fn each_requests(&self) -> Vec<u64>;
}

impl EachRequests for Vec<Upstream> {
    fn each_requests(&self) -> Vec<u64> {
        self.iter().map(Upstream::requests).collect()
    }
}

fn without_a_ready_member_the_answer_says_so() {
    block_on(async {
        let world = World::started().await;
        let mut client = Client::new(world.address().await);
        let answer = client.get("/").await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.body(), "no target is ready to answer\n");
        let member = Upstream::start("a").await;
        let out = |_: &str| Admission::Out;
        world
            .apply(&admitting(&[("only", 100.0, &[&member])], out))
            .await;
        let answer = client.post("/", "x").await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let status = world.status().await;
        assert_eq!((status.ready, status.totals.unserved), (false, 2));
        world.apply(&state(&[("only", 100.0, &[&member])])).await;
        assert_eq!(client.get("/").await.unwrap().status(), StatusCode::OK);
        assert!(world.status().await.ready);
    });
}

fn what_was_not_sent_goes_to_another_member() {
    block_on(async {
        let (gone, there) = (
            Upstream::absent("gone").await,
            Upstream::start("there").await,
        );
        let world =
            World::serving(&[("canary", 50.0, &[&gone]), ("stable", 50.0, &[&there])]).await;
        let mut client = Client::new(world.address().await);
        for number in 0..50 {
            let answer = client.post("/length", "12345").await.unwrap();
            assert_eq!(
                (answer.status(), &answer.body()[..]),
                (StatusCode::OK, &b"5"[..]),
                "{number}"
            );
        }
        assert_eq!(there.posts(), 50);
        assert!(!world.member("gone").await.up);
        assert!(world.member("there").await.up);
        assert!(world.status().await.totals.retries >= 1);
        there.kill().await;
        let answer = client.get("/").await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    });
}

fn only_what_may_be_repeated_is() {
    block_on(async {
        let (dying, healthy) = (
            Upstream::start("dying").await,
            Upstream::start("healthy").await,
        );
        let world = World::serving(&[("only", 100.0, &[&dying])]).await;
        let address = world.address().await;
        let ask = |method: Method| {
            tokio::spawn(async move {
                Client::new(address)
                    .send(method, "/slow", "".into())
                    .await
                    .unwrap()
            })
        };
        let (get, post) = (ask(Method::GET), ask(Method::POST));
        world
            .until("both are under way", |status| status.totals.active == 2)
            .await;
        while dying.requests() < 2 {
            tokio::task::yield_now().await;
        }
        world.apply(&state(&[("only", 100.0, &[&healthy])])).await;
        healthy.go_on();
        dying.kill().await;
        assert_eq!(get.await.unwrap().status(), StatusCode::OK);
        assert_eq!(post.await.unwrap().status(), StatusCode::BAD_GATEWAY);
        assert_eq!((healthy.requests(), healthy.posts()), (1, 0));
    });
}

fn the_member_learns_who_asks() {
    block_on(async {
        let member = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&member])]).await;
        let request = Request::builder()
            .uri("/head?a=b%20c")
            .header("host", "shop.example:81")
            .header("connection", "keep-alive, x-private")
            .header("x-private", "1")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", "https")
            .body(Default::default());
        let answer = Client::new(world.address().await)
            .request(request.unwrap())
            .await
            .unwrap();
        let expected = "GET /head?a=b%20c\nhost: shop.example:81\nx-forwarded-for: 127.0.0.1\n\
                        x-forwarded-host: shop.example:81\nx-forwarded-proto: http";
        assert_eq!(answer.body(), expected);
        assert_eq!(answer.headers()["x-member"], "a");
    });
}

fn heads_are_bounded() {
    block_on(async {
        let member = Upstream::start("a").await;
        let world = World::serving(&[("only", 100.0, &[&member])]).await;
        let address = world.address().await;
        let large = Request::builder()
            .uri("/")
            .header("host", "x")
            .header("x-large", "x".repeat(100_000));
        let answer = Client::new(address)
            .request(large.body(Default::default()).unwrap())
            .await;
        assert_too_large(answer);
        let mut many = Request::builder().uri("/").header("host", "x");
        for number in 0..500 {
            many = many.header(format!("x-{number}"), "x");
        }
        let answer = Client::new(address)
            .request(many.body(Default::default()).unwrap())
            .await;
        assert_too_large(answer);
        assert_eq!(member.requests(), 0);
        assert_eq!(
            Client::new(address).get("/").await.unwrap().status(),
            StatusCode::OK
        );
    });
}

fn assert_too_large(answer: hyper::Result<http::Response<bytes::Bytes>>) {
    // Where it is none, the connection was closed while the head was still being sent.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}
