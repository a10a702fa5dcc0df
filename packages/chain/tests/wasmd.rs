//! Against a real wasmd with the contracts deployed. Needs `CASEWISE_LOCALNET`, a directory with
//! `manifest.json` and `operator.mnemonic`; without it each test says so and does nothing.

mod common;

use std::{path::Path, sync::Mutex};

use casewise_chain::{
    Broadcast, CONTRACTS, Chain, ChainError, ChainExt, DeployOptions, DeployStep, EXECUTE_CONTRACT, Event,
    Manifest, Msg, NewInstitution, PeriodicLimit, SubmitOptions, TxDraft, WasmdClient, account_of, code,
    deploy, institutions, send_and_wait, store_key, submit_and_wait,
};
use casewise_ledger::{account::AccountKey, records, records::InstitutionRecord};
use casewise_protocol::{convert::InstitutionKind, events, ppr, registrar};
use common::{FUNDS, Localnet};
use ics23::HostFunctionsManager;
use tendermint_proto::{Protobuf, v0_38::types as pb};

/// The number of an institution just admitted, from the events of its transaction.
fn registered(net: &Localnet, events: &[Event]) -> Option<(u32, casewise_ledger::Address)> {
    let registrar = net.manifest.contracts.registrar.to_bech32(net.client.prefix());
    let mut found = events.iter().filter_map(|event| {
        let ours = events::contract(&event.attributes) == Some(registrar.as_str());
        match casewise_protocol::Event::parse(&event.kind, &event.attributes).unwrap() {
            Some(casewise_protocol::Event::InstitutionRegistered { number, account }) if ours => {
                Some((number, account))
            }
            _ => None,
        }
    });
    found.next()
}

fn institution(account: &AccountKey) -> NewInstitution {
    NewInstitution {
        kind: InstitutionKind::Provider,
        account: account.address(),
        name: "Test hospital".to_owned(),
        endpoint: "https://hospital.example".to_owned(),
        kem: [7; 32],
        operators: Vec::new(),
    }
}

fn limit() -> PeriodicLimit {
    PeriodicLimit { period_s: 3600, limit: 1_000_000, expires_ms: None }
}

#[tokio::test]
async fn coins_arrive_and_the_block_tells() {
    let Some(net) = Localnet::open("coins_arrive_and_the_block_tells") else { return };
    let key = net.fresh_key("coins");
    assert_eq!(net.client.account(&key.address()).await.unwrap(), None);
    let sent = net.fund(&key).await;
    assert_eq!(net.client.balance(&key.address(), net.denom()).await.unwrap(), FUNDS);
    assert_eq!(account_of(&net.client, &key.address()).await.unwrap().sequence, 0);

    let block = net.client.block(sent.height).await.unwrap().expect("the block that was waited for");
    assert_eq!(
        (block.height, block.time_ms, block.chain_id.as_str()),
        (sent.height, sent.time_ms, net.chain_id())
    );
    let tx = block.txs.iter().find(|tx| tx.hash == sent.tx.hash).expect("the transaction by its hash");
    assert_eq!(tx, &sent.tx);
    assert!(tx.gas_used > 0 && tx.gas_used <= tx.gas_wanted);
    let transfer =
        tx.events.iter().find(|e| e.kind == "transfer" && e.attribute("msg_index") == Some("0")).unwrap();
    assert_eq!(transfer.attribute("amount"), Some(format!("{FUNDS}{}", net.denom()).as_str()));

    let before = net.client.block(sent.height - 1).await.unwrap().unwrap();
    assert_eq!(block.last_block_hash, before.hash);
    assert!(before.time_ms < block.time_ms);
    assert!(net.client.tip().await.unwrap().height >= sent.height);
    let status = common::indexed(&net.client, &sent.tx.hash).await;
    assert_eq!((status.height, status.code), (sent.height, 0));
    assert_eq!(net.client.tx(&[9; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn heights_that_are_not_there_are_named() {
    let Some(net) = Localnet::open("heights_that_are_not_there_are_named") else { return };
    let client = &net.client;
    let registrar = &net.manifest.contracts.registrar;
    let far = client.tip().await.unwrap().height + 1_000_000;
    assert_eq!(client.block(far).await, Ok(None));
    let query = serde_json::to_vec(&registrar::QueryMsg::Config {}).unwrap();
    for error in [
        client.raw(registrar, b"x", Some(far)).await.unwrap_err(),
        client.smart(registrar, &query, Some(far)).await.unwrap_err(),
        client.proof(registrar, b"x", far).await.unwrap_err(),
        client.signed_header(far).await.unwrap_err(),
        client.validators(far).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, ChainError::NotYet { height, tip } if height == far && tip < far),
            "{error:?}"
        );
        assert!(error.is_retryable());
    }
    for error in [client.block(0).await.unwrap_err(), client.raw(registrar, b"x", Some(0)).await.unwrap_err()]
    {
        assert!(matches!(error, ChainError::Invalid { field: "height", .. }), "{error:?}");
    }
    assert_eq!(client.earliest_height().await.unwrap(), 1, "an archive node");
    assert_eq!(client.block(1).await.unwrap().unwrap().last_block_hash, [0; 32]);
}

#[tokio::test]
async fn an_allowance_makes_an_account_that_runs_contracts_and_nothing_else() {
    let Some(net) = Localnet::open("an_allowance_makes_an_account_that_runs_contracts_and_nothing_else")
    else {
        return;
    };
    let (client, params) = (&net.client, &net.manifest.params);
    let grantee = net.fresh_key("grantee");
    let granter = net.operator.address();
    assert_eq!(client.allowance(&granter, &grantee.address()).await.unwrap(), None);
    let denom = net.denom().to_owned();
    let admitted = net
        .send(vec![
            Msg::GrantAllowance { grantee: grantee.address(), limit: limit(), denom: denom.clone() },
            institution(&grantee).register(net.manifest.contracts.registrar, client.prefix()).unwrap(),
        ])
        .await;
    let (number, account) = registered(&net, &admitted.tx.events).expect("the contract's event");
    assert_eq!(account, grantee.address());
    let allowance = client.allowance(&granter, &grantee.address()).await.unwrap().unwrap();
    assert_eq!(allowance.messages, [EXECUTE_CONTRACT]);
    assert_eq!((allowance.left, allowance.expires_ms), (Some(limit().limit), None));
    assert_eq!(client.balance(&grantee.address(), net.denom()).await.unwrap(), 0);

    // A second allowance between the two is refused.
    let again = Msg::GrantAllowance { grantee: grantee.address(), limit: limit(), denom: denom.clone() };
    let error = net.try_send(vec![again]).await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused { log, .. } if log.contains("already exists")), "{error:?}");

    // It runs a contract at the granter's cost …
    let options = SubmitOptions { fee_granter: Some(granter), ..SubmitOptions::default() };
    let rotate = registrar::ExecuteMsg::RotateKem { kem: [8; 32].into() };
    let rotate = Msg::execute(net.manifest.contracts.registrar, &rotate).unwrap();
    submit_and_wait(client, &grantee, vec![rotate.clone()], params, &options).await.unwrap();
    let left = client.allowance(&granter, &grantee.address()).await.unwrap().unwrap().left.unwrap();
    assert!(left < limit().limit);
    let record: InstitutionRecord = client
        .record(&net.manifest.contracts.registrar, records::ns::INSTITUTION, &number.to_be_bytes(), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((record.kem, record.kem_epoch), ([8; 32], 1));
    // … not at its own …
    let error =
        submit_and_wait(client, &grantee, vec![rotate], params, &SubmitOptions::default()).await.unwrap_err();
    assert!(matches!(error, ChainError::Refused { .. }), "{error:?}");
    // … and sends no coins at the granter's.
    let send = Msg::BankSend { to: granter, amount: 0, denom };
    let error = submit_and_wait(client, &grantee, vec![send], params, &options).await.unwrap_err();
    assert!(matches!(error, ChainError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_message_into_a_contract_and_its_event_and_record_back() {
    let Some(net) = Localnet::open("a_message_into_a_contract_and_its_event_and_record_back") else { return };
    let client = &net.client;
    let registrar = net.manifest.contracts.registrar;
    let main = net.fresh_key("main");
    let msg = institution(&main).register(registrar, client.prefix()).unwrap();
    let admitted = net.send(vec![msg]).await;
    let (number, account) = registered(&net, &admitted.tx.events).expect("the contract's event");
    assert_eq!(account, main.address());
    let in_block = client.block(admitted.height).await.unwrap().unwrap();
    let tx = in_block.txs.iter().find(|tx| tx.hash == admitted.tx.hash).unwrap();
    assert_eq!(registered(&net, &tx.events), Some((number, account)));

    // The state of exactly that height has it, the one before has not.
    let id = number.to_be_bytes();
    let at = async |height| {
        client
            .record::<InstitutionRecord>(&registrar, records::ns::INSTITUTION, &id, Some(height))
            .await
            .unwrap()
    };
    assert_eq!(at(admitted.height - 1).await, None);
    let record = at(admitted.height).await.unwrap();
    assert_eq!(
        (record.account, record.kem, record.name.as_str()),
        (main.address(), [7; 32], "Test hospital")
    );
    let query = registrar::QueryMsg::Institution { number };
    let before: Option<registrar::InstitutionInfo> =
        client.query(&registrar, &query, Some(admitted.height - 1)).await.unwrap();
    assert!(before.is_none());
    let after: Option<registrar::InstitutionInfo> =
        client.query(&registrar, &query, Some(admitted.height)).await.unwrap();
    assert_eq!(after.unwrap().number, number);
    let all = institutions(client, &registrar, Some(admitted.height)).await.unwrap();
    assert_eq!(all.iter().map(|i| i.number).collect::<Vec<_>>(), (1..=number).collect::<Vec<_>>());

    // All that is stored, in order, of exactly that height.
    let key = records::record_key(records::ns::INSTITUTION, &id);
    let state = client.state(&registrar, Some(admitted.height)).await.unwrap();
    assert!(state.is_sorted());
    let (_, value) = state.iter().find(|(k, _)| *k == key).expect("the institution's record");
    assert_eq!(Some(value), client.raw(&registrar, &key, Some(admitted.height)).await.unwrap().as_ref());
    let before = client.state(&registrar, Some(admitted.height - 1)).await.unwrap();
    assert!(!before.is_empty() && before.iter().all(|(k, _)| *k != key));

    // What the contract refuses comes back with its words, before anything is sent.
    let stranger = net.fresh_key("stranger");
    net.fund(&stranger).await;
    let msg = institution(&stranger).register(registrar, client.prefix()).unwrap();
    let error =
        submit_and_wait(client, &stranger, vec![msg], &net.manifest.params, &SubmitOptions::default()).await;
    assert!(matches!(error, Err(ChainError::Refused { .. })), "{error:?}");
    let error = client.smart(&registrar, b"{\"no_such_query\":{}}", None).await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused { log, .. } if log.contains("no_such_query")), "{error:?}");
}

#[tokio::test]
async fn a_transaction_that_fails_in_its_block_is_told_with_code_and_log() {
    let Some(net) = Localnet::open("a_transaction_that_fails_in_its_block_is_told_with_code_and_log") else {
        return;
    };
    let (client, params) = (&net.client, &net.manifest.params);
    let key = net.fresh_key("fails");
    net.fund(&key).await;
    let account = account_of(client, &key.address()).await.unwrap();
    let tip = client.tip().await.unwrap().height;
    // More than it has: passes the node's check of fee and signature, fails in the block.
    let msg = Msg::BankSend { to: net.operator.address(), amount: FUNDS * 2, denom: net.denom().to_owned() };
    let gas = casewise_chain::Gas { limit: 100_000, fee: params.gas_price.fee(100_000) };
    let tx = TxDraft::new(vec![msg], tip + 20).sign(&key, account, gas, params).unwrap();
    let error = send_and_wait(client, &tx, tip, &SubmitOptions::default()).await.unwrap_err();
    let ChainError::Failed { hash, height, code, codespace, log } = &error else { panic!("{error:?}") };
    assert_eq!((hash, *code, codespace.as_str()), (&tx.hash(), 5, "sdk"));
    assert!(log.contains("insufficient funds"), "{log}");
    assert!(*height > tip && *height <= tx.timeout_height());
}

#[tokio::test]
async fn wrong_chain_sequence_and_last_height_are_rejected() {
    let Some(net) = Localnet::open("wrong_chain_sequence_and_last_height_are_rejected") else { return };
    let (client, params) = (&net.client, &net.manifest.params);
    let other = WasmdClient::new(&net.manifest.endpoints, "another-chain", client.prefix().clone()).unwrap();
    let error = other.tip().await.unwrap_err();
    assert_eq!(
        error,
        ChainError::WrongChain { expected: "another-chain".to_owned(), found: net.chain_id().to_owned() }
    );

    let key = net.fresh_key("rejected");
    net.fund(&key).await;
    let account = account_of(client, &key.address()).await.unwrap();
    let tip = client.tip().await.unwrap().height;
    let msg = Msg::BankSend { to: net.operator.address(), amount: 1, denom: net.denom().to_owned() };
    let draft = TxDraft::new(vec![msg], tip + 20);
    let gas = draft.estimate(client, &key.public(), account, params, 130).await.unwrap();
    let rejected = async |tx: &casewise_chain::SignedTx| match client.broadcast(tx.bytes()).await.unwrap() {
        Broadcast::Rejected { code, codespace, .. } => (code, codespace),
        other => panic!("{other:?}"),
    };
    let mut ahead = account;
    ahead.sequence += 1;
    let tx = draft.sign(&key, ahead, gas, params).unwrap();
    assert_eq!(rejected(&tx).await, (code::WRONG_SEQUENCE, code::SDK.to_owned()));
    let foreign = casewise_chain::ChainParams { chain_id: "another-chain".to_owned(), ..params.clone() };
    let tx = draft.sign(&key, account, gas, &foreign).unwrap();
    assert_eq!(rejected(&tx).await, (4, code::SDK.to_owned()), "the signature is of another chain");
    let late = TxDraft { timeout_height: tip - 1, ..draft.clone() }.sign(&key, account, gas, params).unwrap();
    assert_eq!(rejected(&late).await, (code::TIMEOUT_HEIGHT, code::SDK.to_owned()));
    let cheap = casewise_chain::Gas { fee: 0, ..gas };
    let tx = draft.sign(&key, account, cheap, params).unwrap();
    assert_eq!(rejected(&tx).await, (code::INSUFFICIENT_FEE, code::SDK.to_owned()));

    // The right one; the same bytes again are known.
    let tx = draft.sign(&key, account, gas, params).unwrap();
    assert_eq!(client.broadcast(tx.bytes()).await.unwrap(), Broadcast::Accepted);
    assert_eq!(client.broadcast(tx.bytes()).await.unwrap(), Broadcast::AlreadyKnown);
    let included = send_and_wait(client, &tx, tip, &SubmitOptions::default()).await.unwrap();
    assert_eq!(included.tx.hash, tx.hash());
    assert_eq!(account_of(client, &key.address()).await.unwrap().sequence, account.sequence + 1);
}

#[tokio::test]
async fn state_proofs_lead_to_the_next_header() {
    let Some(net) = Localnet::open("state_proofs_lead_to_the_next_header") else { return };
    let client = &net.client;
    let registrar = net.manifest.contracts.registrar;
    let main = net.fresh_key("proof");
    let msg = institution(&main).register(registrar, client.prefix()).unwrap();
    let admitted = net.send(vec![msg]).await;
    let (number, _) = registered(&net, &admitted.tx.events).unwrap();
    let height = admitted.height;
    let present = records::record_key(records::ns::INSTITUTION, &number.to_be_bytes());
    let absent = records::record_key(records::ns::INSTITUTION, &u32::MAX.to_be_bytes());

    let header = common::header(client, height + 1).await;
    let app_hash = header.header.app_hash.as_bytes().to_vec();
    for (key, there) in [(&present, true), (&absent, false)] {
        let proof = client.proof(&registrar, key, height).await.unwrap();
        assert_eq!((proof.height, &proof.key), (height, &store_key(&registrar, key)));
        assert_eq!(proof.value.is_some(), there);
        assert_eq!(proof.value, client.raw(&registrar, key, Some(height)).await.unwrap());
        assert!(proves(&proof, &app_hash), "there: {there}");
        // Neither the other claim about this key nor another app hash.
        let lie = if there { None } else { Some(b"invented".to_vec()) };
        assert!(!proves(&casewise_chain::StateProof { value: lie, ..proof.clone() }, &app_hash));
        let mut other = app_hash.clone();
        other[0] ^= 1;
        assert!(!proves(&proof, &other));
    }
    // The header's validators are those the node lists.
    let validators = client.validators(height + 1).await.unwrap();
    let set = <tendermint::validator::Set as Protobuf<pb::ValidatorSet>>::decode_vec(&validators).unwrap();
    assert_eq!(set.hash(), header.header.validators_hash);
    assert_eq!(header.header.hash(), header.commit.block_id.hash);
    let trust = casewise_chain::trust_anchor(client, height + 1).await.unwrap();
    assert_eq!(trust.header_hash.as_slice(), header.header.hash().as_bytes());
    assert_eq!(trust.validators_hash.as_slice(), header.header.validators_hash.as_bytes());
}

/// ICS23: the value (or its absence) under the store's root, the root under the app hash.
fn proves(proof: &casewise_chain::StateProof, app_hash: &[u8]) -> bool {
    use ics23::commitment_proof::Proof;
    let decode =
        |bytes: &[u8]| <ics23::CommitmentProof as cosmrs::proto::prost::Message>::decode(bytes).unwrap();
    let (iavl, store) = (decode(&proof.iavl), decode(&proof.store));
    let Some(Proof::Exist(root)) = &store.proof else { return false };
    let tendermint = ics23::tendermint_spec();
    let under_app_hash = ics23::verify_membership::<HostFunctionsManager>(
        &store,
        &tendermint,
        &app_hash.to_vec(),
        b"wasm",
        &root.value,
    );
    let spec = ics23::iavl_spec();
    under_app_hash
        && match &proof.value {
            Some(value) => {
                ics23::verify_membership::<HostFunctionsManager>(&iavl, &spec, &root.value, &proof.key, value)
            }
            None => {
                ics23::verify_non_membership::<HostFunctionsManager>(&iavl, &spec, &root.value, &proof.key)
            }
        }
}

#[tokio::test]
async fn the_deployment_is_what_the_manifest_says() {
    let Some(net) = Localnet::open("the_deployment_is_what_the_manifest_says") else { return };
    let client = &net.client;
    let manifest = &net.manifest;
    let operator = net.operator.address();
    for (address, code, migratable) in [
        (manifest.contracts.registrar, manifest.codes.registrar, true),
        (manifest.contracts.ppr, manifest.codes.ppr, true),
        (manifest.contracts.summary, manifest.codes.summary, false),
    ] {
        let info = client.contract(&address).await.unwrap().expect("the contract");
        assert_eq!((info.code_id, info.admin.is_some()), (code.id, migratable));
        let stored = client.code(code.id).await.unwrap().expect("the code");
        assert_eq!((stored.checksum, stored.creator), (code.checksum, operator));
    }
    assert_eq!(client.code(u64::MAX).await.unwrap(), None);
    assert_eq!(client.contract(&casewise_chain::ContractAddress([1; 32])).await.unwrap(), None);
    let config: registrar::ConfigResponse =
        client.query(&manifest.contracts.registrar, &registrar::QueryMsg::Config {}, None).await.unwrap();
    assert_eq!(config.net.as_slice(), manifest.net(), "the contract and the manifest name the same network");
    let trust = casewise_chain::trust_anchor(client, manifest.trust.height).await.unwrap();
    assert_eq!(trust, manifest.trust);

    // Nobody else makes instances of these codes.
    let stranger = net.fresh_key("instances");
    net.fund(&stranger).await;
    let msg = Msg::Instantiate {
        code_id: manifest.codes.registrar.id,
        label: "mine".to_owned(),
        admin: None,
        msg: serde_json::to_vec(&registrar::InstantiateMsg {
            authority: config.authority,
            recovery_delay: None,
        })
        .unwrap(),
    };
    let error =
        submit_and_wait(client, &stranger, vec![msg], &manifest.params, &SubmitOptions::default()).await;
    assert!(
        matches!(&error, Err(ChainError::Refused { log, .. }) if log.contains("unauthorized")),
        "{error:?}"
    );
    // Nor stores code.
    let msg = Msg::StoreCode { wasm: b"\0asm\x01\0\0\0".to_vec(), instantiate_by: vec![stranger.address()] };
    let error =
        submit_and_wait(client, &stranger, vec![msg], &manifest.params, &SubmitOptions::default()).await;
    assert!(
        matches!(&error, Err(ChainError::Refused { log, .. }) if log.contains("unauthorized")),
        "{error:?}"
    );
}

#[tokio::test]
async fn many_allowances_go_into_one_transaction() {
    let Some(net) = Localnet::open("many_allowances_go_into_one_transaction") else { return };
    let keys: Vec<AccountKey> = (0..25).map(|_| net.fresh_key("many")).collect();
    let grant = |key: &AccountKey| Msg::GrantAllowance {
        grantee: key.address(),
        limit: PeriodicLimit { expires_ms: Some(4_000_000_000_000), ..limit() },
        denom: net.denom().to_owned(),
    };
    net.send(keys.iter().map(grant).collect()).await;
    for key in &keys {
        assert!(net.client.account(&key.address()).await.unwrap().is_some());
        let allowance = net.client.allowance(&net.operator.address(), &key.address()).await.unwrap().unwrap();
        assert_eq!((allowance.left, allowance.expires_ms), (Some(limit().limit), Some(4_000_000_000_000)));
    }
}

#[tokio::test]
async fn a_deployment_and_the_same_again() {
    let Some(net) = Localnet::open("a_deployment_and_the_same_again") else { return };
    let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts");
    if !artifacts.join("checksums.txt").exists() {
        println!("a_deployment_and_the_same_again: skipped, scripts/contracts has built nothing");
        return;
    }
    let (client, params) = (&net.client, &net.manifest.params);
    let steps = Mutex::new(Vec::new());
    let note = |step| steps.lock().unwrap().push(step);
    let run = async |previous: Option<Manifest>| {
        let options = DeployOptions {
            endpoints: net.manifest.endpoints.clone(),
            authority: None,
            recovery_delay: None,
            previous,
            submit: SubmitOptions::default(),
            progress: Some(&note),
        };
        let made = deploy(client, &net.operator, params, &artifacts, &options).await.unwrap();
        (made, std::mem::take(&mut *steps.lock().unwrap()))
    };
    let _mine = common::OPERATOR.lock().await;
    let (first, steps_of_first) = run(None).await;
    let expected: Vec<DeployStep> = [
        CONTRACTS.map(DeployStep::Store).as_slice(),
        CONTRACTS.map(DeployStep::Instantiate).as_slice(),
        &[DeployStep::Connect, DeployStep::Anchor],
    ]
    .concat();
    assert_eq!(steps_of_first, expected);
    assert_ne!(first.contracts, net.manifest.contracts);
    assert_eq!(client.contract(&first.contracts.summary).await.unwrap().unwrap().admin, None);
    let config: ppr::ConfigResponse =
        client.query(&first.contracts.ppr, &ppr::QueryMsg::Config {}, None).await.unwrap();
    assert_eq!(config.summary, Some(first.contracts.summary.to_bech32(client.prefix())));
    let config: registrar::ConfigResponse =
        client.query(&first.contracts.registrar, &registrar::QueryMsg::Config {}, None).await.unwrap();
    assert_eq!(config.ppr, Some(first.contracts.ppr.to_bech32(client.prefix())));
    assert_eq!(config.recovery_delay, registrar::DEFAULT_RECOVERY_DELAY);

    let sequence = account_of(client, &net.operator.address()).await.unwrap().sequence;
    let (second, steps_of_second) = run(Some(first.clone())).await;
    assert_eq!(steps_of_second, [CONTRACTS.map(DeployStep::Keep).as_slice(), &[DeployStep::Anchor]].concat());
    assert_eq!(
        account_of(client, &net.operator.address()).await.unwrap().sequence,
        sequence,
        "nothing was sent"
    );
    assert!(second.trust.height >= first.trust.height);
    assert_eq!(Manifest { trust: first.trust, ..second }, first);

    // A manifest whose contracts have other codes does not count.
    let mut foreign = first.clone();
    foreign.contracts.ppr = first.contracts.registrar;
    let (third, _) = run(Some(foreign)).await;
    assert_eq!(third.codes, first.codes);
    assert_ne!(third.contracts.registrar, first.contracts.registrar);
}
