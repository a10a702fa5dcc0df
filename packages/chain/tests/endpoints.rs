//! Against scripted nodes: endpoints, failover, and answers a node can give but must not be
//! believed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casewise_chain::{
    Broadcast, Chain, ChainError, ContractAddress, MAX_ANSWER, MAX_ENDPOINTS, Prefix, WasmdClient, code,
    store_key,
};
use casewise_ledger::sha256;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CHAIN: &str = "scripted-1";
const TIP: u64 = 40;
const CONTRACT: ContractAddress = ContractAddress([5; 32]);

/// What a scripted node does with a request.
#[derive(Clone)]
enum Reply {
    Result(Value),
    Error(&'static str),
    Http(u16, Vec<u8>),
    /// Reads the request and closes the connection.
    HangUp,
}

struct Node {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Node {
    /// A node that answers `status` and `abci_info` like a healthy one, and `script`.
    async fn start(script: impl IntoIterator<Item = (&'static str, Reply)>) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script).await
    }

    async fn start_on(
        listener: TcpListener,
        script: impl IntoIterator<Item = (&'static str, Reply)>,
    ) -> Self {
        let mut replies =
            HashMap::from([("status", Reply::Result(status(CHAIN, 3))), ("abci_info", info(TIP))]);
        replies.extend(script);
        let replies = Arc::new(replies);
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, replies.clone(), log.clone()));
            }
        });
        Self { url, asked }
    }

    fn asked(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|m| *m == method).count()
    }

    fn client(&self) -> WasmdClient {
        client(&[&self.url])
    }
}

async fn serve(
    mut stream: TcpStream,
    replies: Arc<HashMap<&'static str, Reply>>,
    log: Arc<Mutex<Vec<String>>>,
) {
    let mut buffer = Vec::new();
    while let Some(body) = read_request(&mut stream, &mut buffer).await {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let method = request["method"].as_str().unwrap().to_owned();
        log.lock().unwrap().push(method.clone());
        let (status, body) = match replies.get(method.as_str()).cloned() {
            Some(Reply::Result(result)) => {
                (200, json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string().into())
            }
            Some(Reply::Error(data)) => {
                let error = json!({"code": -32603, "message": "Internal error", "data": data});
                (200, json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string().into())
            }
            Some(Reply::Http(status, body)) => (status, body),
            Some(Reply::HangUp) => return,
            None => (
                200,
                br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#.into(),
            ),
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nlocation: http://127.0.0.1:1/\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(&body).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let total = end + 4 + length.trim().parse::<usize>().unwrap();
            if buffer.len() >= total {
                let body = buffer[end + 4..total].to_vec();
                buffer.drain(..total);
                return Some(body);
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn make(urls: &[&str]) -> Result<WasmdClient, ChainError> {
    // What a program's `main` does; needed only when another crate of the build switches https on.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    WasmdClient::new(&urls, CHAIN, Prefix::default())
}

fn client(urls: &[&str]) -> WasmdClient {
    make(urls).unwrap()
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn status(chain: &str, earliest: u64) -> Value {
    json!({
        "node_info": {"network": chain},
        "sync_info": {
            "latest_block_hash": "AB".repeat(32), "latest_block_height": TIP.to_string(),
            "latest_block_time": "2026-01-02T03:04:05.678999999Z", "earliest_block_height": earliest.to_string(),
            "catching_up": false,
        },
    })
}

fn info(height: u64) -> Reply {
    Reply::Result(json!({"response": {"data": "WasmApp", "last_block_height": height.to_string()}}))
}

fn block(height: u64, chain: &str, txs: &[&[u8]]) -> Reply {
    let txs: Vec<String> = txs.iter().map(|tx| STANDARD.encode(tx)).collect();
    Reply::Result(json!({
        "block_id": {"hash": "0C".repeat(32)},
        "block": {
            "header": {
                "chain_id": chain, "height": height.to_string(), "time": "1970-01-01T00:00:01.000999999Z",
                "last_block_id": {"hash": "0B".repeat(32)},
            },
            "data": {"txs": txs},
        },
    }))
}

fn results(height: u64, txs: Value) -> Reply {
    let minted = json!([{"type": "mint", "attributes": [{"key": "amount", "value": "1", "index": true}]}]);
    Reply::Result(json!({"height": height.to_string(), "txs_results": txs, "finalize_block_events": minted}))
}

fn tx_result(code: u32) -> Value {
    // Keys repeat, a value is missing: all of it is kept in order.
    let attributes =
        json!([{"key": "k", "value": "1"}, {"key": "k", "value": "2"}, {"key": "empty", "value": null}]);
    json!({
        "code": code, "data": null, "log": "", "info": "", "gas_wanted": "20", "gas_used": "10", "codespace": "",
        "events": [{"type": "wasm-x", "attributes": attributes}, {"type": "bare", "attributes": null}],
    })
}

fn abci(response: Value) -> Reply {
    let mut full = json!({
        "code": 0, "log": "", "key": STANDARD.encode(store_key(&CONTRACT, b"k")), "value": null, "proofOps": null,
        "height": "7", "codespace": "",
    });
    full.as_object_mut().unwrap().extend(response.as_object().unwrap().clone());
    Reply::Result(json!({ "response": full }))
}

fn malformed<T: std::fmt::Debug>(answer: Result<T, ChainError>) -> String {
    match answer {
        Err(ChainError::Malformed(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_next_node_is_asked_when_one_cannot_be_reached_and_then_kept() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = first.local_addr().unwrap();
    drop(first);
    let second = Node::start([]).await;
    let client = client(&[&format!("http://{address}"), &second.url]);
    let tip = client.tip().await.unwrap();
    assert_eq!((tip.height, tip.time_ms, tip.hash), (TIP, 1_767_323_045_678, [0xab; 32]));

    // Back again, the first is not asked as long as the second answers.
    let first = Node::start_on(TcpListener::bind(address).await.unwrap(), []).await;
    client.tip().await.unwrap();
    assert_eq!(
        (first.asked("status"), second.asked("status")),
        (0, 3),
        "once to check the chain, twice for a tip"
    );
}

#[tokio::test]
async fn a_node_of_another_chain_is_never_used() {
    let other = Node::start([("status", Reply::Result(status("other-1", 1)))]).await;
    let wrong = ChainError::WrongChain { expected: CHAIN.to_owned(), found: "other-1".to_owned() };
    let alone = other.client();
    assert_eq!(alone.tip().await.unwrap_err(), wrong);
    assert_eq!(alone.block(1).await.unwrap_err(), wrong);
    let behind_a_dead_one = client(&[&nobody().await, &other.url]);
    assert_eq!(behind_a_dead_one.raw(&CONTRACT, b"k", None).await.unwrap_err(), wrong);
    assert_eq!(behind_a_dead_one.broadcast(b"tx").await.unwrap_err(), wrong);
    assert_eq!(
        (other.asked("abci_query"), other.asked("broadcast_tx_sync"), other.asked("abci_info")),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn when_nobody_answers_the_error_says_where_and_shows_no_password() {
    let url = nobody().await.replace("http://", "http://user:secret@");
    let client = client(&[&url]);
    let error = client.tip().await.unwrap_err();
    assert!(error.is_retryable());
    let address = url.rsplit('@').next().unwrap();
    for text in [error.to_string(), format!("{error:?}"), format!("{client:?}")] {
        assert!(text.contains(address), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_transaction_is_handed_to_one_node_only() {
    // The first takes the request and dies: whether it has it is not known.
    let first = Node::start([("broadcast_tx_sync", Reply::HangUp)]).await;
    let accepted = json!({"code": 0, "data": "", "log": "", "codespace": "", "hash": "00"});
    let second = Node::start([("broadcast_tx_sync", Reply::Result(accepted))]).await;
    let one = client(&[&first.url, &second.url]);
    assert!(matches!(one.broadcast(b"tx").await, Err(ChainError::Unreachable { .. })));
    assert_eq!((first.asked("broadcast_tx_sync"), second.asked("broadcast_tx_sync")), (1, 0));
    // The same bytes again go to the next.
    assert_eq!(one.broadcast(b"tx").await.unwrap(), Broadcast::Accepted);
    assert_eq!((first.asked("broadcast_tx_sync"), second.asked("broadcast_tx_sync")), (1, 1));
    // To a node that was never reached nothing was handed.
    let behind_a_dead_one = client(&[&nobody().await, &second.url]);
    assert_eq!(behind_a_dead_one.broadcast(b"tx").await.unwrap(), Broadcast::Accepted);
}

#[tokio::test]
async fn what_a_mempool_says() {
    for (reply, expected) in [
        (Reply::Error("tx already exists in cache"), Ok(Broadcast::AlreadyKnown)),
        (Reply::Error("mempool is full: number of txs 5000 (max: 5000)"), Err(code::MEMPOOL_FULL)),
        (Reply::Error("Tx too large. Max size is 1048576, but got 1048577"), Err(code::TX_TOO_LARGE)),
        (
            Reply::Result(json!({"code": 32, "codespace": "sdk", "log": "account sequence mismatch"})),
            Err(code::WRONG_SEQUENCE),
        ),
    ] {
        let node = Node::start([("broadcast_tx_sync", reply)]).await;
        match (node.client().broadcast(b"tx").await.unwrap(), expected) {
            (got, Ok(expected)) => assert_eq!(got, expected),
            (Broadcast::Rejected { code, codespace, log }, Err(expected)) => {
                assert_eq!((code, codespace.as_str(), log.is_empty()), (expected, code::SDK, false));
            }
            (got, Err(_)) => panic!("{got:?}"),
        }
    }
    let node = Node::start([("broadcast_tx_sync", Reply::Error("the application has died"))]).await;
    assert!(
        matches!(node.client().broadcast(b"tx").await, Err(ChainError::Unreachable { .. })),
        "its fate is open"
    );
}

#[tokio::test]
async fn raw_bytes_in_a_log_do_not_hide_the_code() {
    let mut body = br#"{"jsonrpc":"2.0","id":1,"result":{"code":5,"codespace":"sdk","log":"bad "#.to_vec();
    body.extend_from_slice(&[0xff, 0xfe]);
    body.extend_from_slice(br#" end"}}"#);
    let node = Node::start([("broadcast_tx_sync", Reply::Http(200, body))]).await;
    let Broadcast::Rejected { code: 5, log, .. } = node.client().broadcast(b"tx").await.unwrap() else {
        panic!("not rejected")
    };
    assert_eq!(log, "bad \u{fffd}\u{fffd} end");
}

#[tokio::test]
async fn what_is_not_a_node_is_as_good_as_unreachable_and_redirects_are_not_followed() {
    for reply in [
        Reply::Http(502, b"<html>bad gateway</html>".to_vec()),
        Reply::Http(302, b"elsewhere".to_vec()),
        Reply::Http(429, Vec::new()),
        Reply::HangUp,
    ] {
        let proxy = Node::start([("abci_query", reply)]).await;
        let error = proxy.client().raw(&CONTRACT, b"k", None).await.unwrap_err();
        assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
        let node = Node::start([("abci_query", abci(json!({"value": "AQI="})))]).await;
        let both = client(&[&proxy.url, &node.url]);
        assert_eq!(both.raw(&CONTRACT, b"k", None).await.unwrap(), Some(vec![1, 2]));
    }
    let node = Node::start([("abci_query", Reply::Http(200, b"not json".to_vec()))]).await;
    malformed(node.client().raw(&CONTRACT, b"k", None).await);
}

#[tokio::test]
async fn the_largest_answer_and_one_byte_more() {
    let Reply::Result(result) = abci(json!({"value": "AQI="})) else { unreachable!() };
    let mut body = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string().into_bytes();
    body.resize(MAX_ANSWER, b' ');
    let node = Node::start([("abci_query", Reply::Http(200, body.clone()))]).await;
    assert_eq!(node.client().raw(&CONTRACT, b"k", None).await.unwrap(), Some(vec![1, 2]));
    body.push(b' ');
    let node = Node::start([("abci_query", Reply::Http(200, body))]).await;
    assert!(malformed(node.client().raw(&CONTRACT, b"k", None).await).contains("above"));
}

#[tokio::test]
async fn absent_pruned_and_not_yet_are_told_apart() {
    // The store says so with code 0 and no value.
    let no_version = abci(json!({"log": "version does not exist"}));
    let node = Node::start([("abci_query", no_version)]).await;
    let client = node.client();
    let pruned = ChainError::Pruned { height: 7, earliest: 3 };
    assert_eq!(client.raw(&CONTRACT, b"k", Some(7)).await.unwrap_err(), pruned);
    assert_eq!(client.proof(&CONTRACT, b"k", 7).await.unwrap_err(), pruned);
    let not_yet = ChainError::NotYet { height: TIP + 1, tip: TIP };
    assert_eq!(client.raw(&CONTRACT, b"k", Some(TIP + 1)).await.unwrap_err(), not_yet);
    assert!(matches!(client.raw(&CONTRACT, b"k", None).await, Err(ChainError::Refused { .. })));

    let absent = Node::start([("abci_query", abci(json!({})))]).await;
    assert_eq!(absent.client().raw(&CONTRACT, b"k", Some(7)).await.unwrap(), None);
    // An answer about another height or another key is none.
    malformed(absent.client().raw(&CONTRACT, b"k", Some(8)).await);
    malformed(absent.client().raw(&CONTRACT, b"other", Some(7)).await);

    let failed = abci(json!({"code": 18, "codespace": "sdk", "height": "0",
        "log": "failed to load state at height 7; version does not exist (latest height: 40): invalid request"}));
    let node = Node::start([("abci_query", failed)]).await;
    assert_eq!(node.client().smart(&CONTRACT, b"{}", Some(7)).await.unwrap_err(), pruned);
    let refused = abci(json!({"code": 9, "codespace": "wasm", "log": "query wasm contract failed"}));
    let node = Node::start([("abci_query", refused)]).await;
    let error = node.client().smart(&CONTRACT, b"{}", Some(7)).await.unwrap_err();
    assert!(
        matches!(&error, ChainError::Refused { code: 9, codespace, .. } if codespace == "wasm"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_block_with_its_results() {
    let txs = json!([tx_result(0), tx_result(5)]);
    let node =
        Node::start([("block", block(7, CHAIN, &[b"one", b"two"])), ("block_results", results(7, txs))])
            .await;
    let client = node.client();
    let got = client.block(7).await.unwrap().unwrap();
    assert_eq!((got.height, got.time_ms, got.chain_id.as_str()), (7, 1000, CHAIN));
    assert_eq!((got.hash, got.last_block_hash), ([0x0c; 32], [0x0b; 32]));
    assert_eq!(got.txs.iter().map(|tx| tx.hash).collect::<Vec<_>>(), [sha256(&[b"one"]), sha256(&[b"two"])]);
    assert_eq!(got.txs.iter().map(|tx| (tx.code, tx.is_ok())).collect::<Vec<_>>(), [(0, true), (5, false)]);
    assert_eq!((got.txs[0].gas_wanted, got.txs[0].gas_used), (20, 10));
    let pairs = [("k", "1"), ("k", "2"), ("empty", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(got.txs[0].events[0].attributes, pairs);
    assert_eq!((got.txs[0].events[1].kind.as_str(), got.txs[0].events[1].attributes.len()), ("bare", 0));
    assert_eq!((got.events.len(), got.events[0].attribute("amount")), (1, Some("1")));

    // What is not committed is not asked for.
    assert_eq!(client.block(TIP + 1).await.unwrap(), None);
    assert_eq!(node.asked("block"), 1);
}

#[tokio::test]
async fn an_empty_block() {
    let node =
        Node::start([("block", block(7, CHAIN, &[])), ("block_results", results(7, Value::Null))]).await;
    assert_eq!(node.client().block(7).await.unwrap().unwrap().txs, []);
}

#[tokio::test]
async fn blocks_that_do_not_fit_are_refused() {
    let good = results(7, json!([tx_result(0)]));
    for (block_reply, results_reply) in [
        (block(8, CHAIN, &[b"one"]), good.clone()),
        (block(7, CHAIN, &[b"one"]), results(8, json!([tx_result(0)]))),
        (block(7, CHAIN, &[b"one", b"two"]), good.clone()),
        (block(7, CHAIN, &[]), good.clone()),
        (block(7, CHAIN, &[b"one"]), results(7, json!([{"code": 0}]))),
        (Reply::Result(json!({"block": {}})), good.clone()),
    ] {
        let node = Node::start([("block", block_reply), ("block_results", results_reply)]).await;
        malformed(node.client().block(7).await);
    }
    let node = Node::start([("block", block(7, "other-1", &[b"one"])), ("block_results", good)]).await;
    assert!(matches!(node.client().block(7).await, Err(ChainError::WrongChain { .. })));
}

#[tokio::test]
async fn a_block_or_its_results_can_be_pruned() {
    let gone = Reply::Error("height 2 is not available, lowest height is 3");
    let node = Node::start([("block", gone.clone()), ("block_results", gone)]).await;
    assert_eq!(node.client().block(2).await.unwrap_err(), ChainError::Pruned { height: 2, earliest: 3 });
    // A node that discards results still has the block.
    let discarded = Reply::Error("could not find results for height #7");
    let node = Node::start([("block", block(7, CHAIN, &[])), ("block_results", discarded)]).await;
    assert_eq!(node.client().block(7).await.unwrap_err(), ChainError::Pruned { height: 7, earliest: 3 });
    let node =
        Node::start([("block", Reply::Error("disk on fire")), ("block_results", results(7, json!([])))])
            .await;
    assert!(matches!(node.client().block(7).await, Err(ChainError::Refused { .. })));
}

#[tokio::test]
async fn proofs_of_another_form_are_refused() {
    let key = STANDARD.encode(store_key(&CONTRACT, b"k"));
    let op = |kind: &str, key: &str| json!({"type": kind, "key": key, "data": "AQ=="});
    let (iavl, simple) = (op("ics23:iavl", &key), op("ics23:simple", "d2FzbQ=="));
    let node = Node::start([("abci_query", abci(json!({"proofOps": {"ops": [iavl, simple]}})))]).await;
    let proof = node.client().proof(&CONTRACT, b"k", 7).await.unwrap();
    assert_eq!((proof.height, proof.value, proof.iavl, proof.store), (7, None, vec![1], vec![1]));
    for ops in [
        json!(null),
        json!([iavl]),
        json!([simple, iavl]),
        json!([iavl, simple, simple]),
        json!([op("ics23:iavl", "AQ=="), simple]),
        json!([iavl, op("ics23:simple", "YmFuaw==")]),
    ] {
        let node = Node::start([("abci_query", abci(json!({"proofOps": {"ops": ops}})))]).await;
        malformed(node.client().proof(&CONTRACT, b"k", 7).await);
    }
}

#[tokio::test]
async fn endpoints_must_be_safe_to_talk_to() {
    for good in ["http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:1", "http://127.9.9.9"] {
        make(&[good]).unwrap();
    }
    for bad in
        ["http://10.0.0.1:26657", "http://node.example", "tcp://127.0.0.1:1", "127.0.0.1:1", "", "http://"]
    {
        let error = make(&[bad]).unwrap_err();
        assert!(matches!(error, ChainError::Invalid { field: "endpoints", .. }), "{bad}: {error:?}");
    }
    assert_eq!(make(&["https://node.example"]).is_ok(), cfg!(feature = "tls"));
    make(&["http://127.0.0.1:1"; MAX_ENDPOINTS]).unwrap();
    assert!(make(&["http://127.0.0.1:1"; MAX_ENDPOINTS + 1]).is_err());
    assert!(make(&[]).is_err());
    assert!(WasmdClient::new(&["http://127.0.0.1:1".to_owned()], "", Prefix::default()).is_err());
}
