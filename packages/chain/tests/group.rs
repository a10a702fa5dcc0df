//! A group's account against a real wasmd. Needs `CASEWISE_LOCALNET`; without it the test says so and
//! does nothing.

#[allow(dead_code)] // shared with tests that use more of it
mod common;

use casewise_chain::{
    ChainError, CreateGroup, Decision, GroupAddress, Msg, ProposalState, SubmitOptions, Vote,
    account_to_bech32, balance_of, create_group, execute_proposal, find_group, find_proposal, member_of,
    proposals, propose, send_coins, vote,
};
use casewise_ledger::account::AccountKey;
use common::Localnet;

/// Coins of the group.
const COINS: u128 = 10;

/// A group of these members with coins.
async fn group(net: &Localnet, members: &[&AccountKey], threshold: u32) -> GroupAddress {
    let prefix = &net.manifest.params.prefix;
    let accounts = members.iter().map(|key| account_to_bech32(&key.address(), prefix));
    let new = CreateGroup { members: accounts.collect(), threshold, voting_s: 600 };
    let options = SubmitOptions::default();
    let group = create_group(&net.client, members[0], &new, &net.manifest.params, &options).await.unwrap();
    let account = group.to_bech32(prefix);
    let found = find_group(&net.client, &account).await.unwrap().expect("the group just made");
    assert_eq!((found.members.len(), found.threshold), (members.len(), Some(threshold.to_string())));
    assert_eq!((found.voting_s, &found.account), (600, &account));
    let from = account_to_bech32(&net.operator.address(), prefix);
    net.send(vec![send_coins(&from, &account, COINS, net.denom())]).await;
    group
}

/// Coins from the group back to the operator.
fn back(net: &Localnet, group: &GroupAddress, amount: u128) -> Vec<Msg> {
    let prefix = &net.manifest.params.prefix;
    let operator = account_to_bech32(&net.operator.address(), prefix);
    vec![send_coins(&group.to_bech32(prefix), &operator, amount, net.denom())]
}

async fn proposed(
    net: &Localnet,
    key: &AccountKey,
    group: &GroupAddress,
    amount: u128,
) -> Result<Decision, ChainError> {
    let options = SubmitOptions::default();
    propose(&net.client, key, group, &back(net, group, amount), "Coins back", &net.manifest.params, &options)
        .await
}

async fn coins(net: &Localnet, group: &GroupAddress) -> u128 {
    balance_of(&net.client, &group.to_bech32(&net.manifest.params.prefix), net.denom()).await.unwrap()
}

#[tokio::test]
async fn one_vote_of_one_acts_at_once_and_what_would_fail_leaves_nothing() {
    let name = "one_vote_of_one_acts_at_once_and_what_would_fail_leaves_nothing";
    let Some(net) = Localnet::open(name) else { return };
    let (prefix, key, stranger) = (&net.manifest.params.prefix, net.fresh_key("one"), net.fresh_key("none"));
    net.fund(&key).await;
    let group = group(&net, &[&key], 1).await;
    assert!(matches!(proposed(&net, &key, &group, 1).await.unwrap(), Decision::Done { .. }));
    assert_eq!(coins(&net, &group).await, COINS - 1);

    let error = proposed(&net, &key, &group, COINS).await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused { log, .. } if log.contains("insufficient")), "{error}");
    assert_eq!(proposals(&net.client, &group, prefix).await.unwrap(), []);
    // Messages of another account are not the group's to send.
    let foreign = vec![send_coins(&account_to_bech32(&stranger.address(), prefix), "x", 1, net.denom())];
    let options = SubmitOptions::default();
    let error = propose(&net.client, &key, &group, &foreign, "Theft", &net.manifest.params, &options).await;
    assert!(matches!(error, Err(ChainError::Refused { .. })), "{error:?}");

    member_of(&net.client, &key, &group, prefix).await.unwrap();
    let error = member_of(&net.client, &stranger, &group, prefix).await.unwrap_err();
    assert!(error.to_string().contains("not a member"), "{error}");
    let error = member_of(&net.client, &key, &GroupAddress([1; 32]), prefix).await.unwrap_err();
    assert!(error.to_string().contains("no group"), "{error}");
}

#[tokio::test]
async fn two_votes_of_two_act_and_a_repeated_proposal_is_the_same_one() {
    let name = "two_votes_of_two_act_and_a_repeated_proposal_is_the_same_one";
    let Some(net) = Localnet::open(name) else { return };
    let (params, options) = (&net.manifest.params, SubmitOptions::default());
    let (a, b) = (net.fresh_key("a"), net.fresh_key("b"));
    net.fund(&a).await;
    net.fund(&b).await;
    let group = group(&net, &[&a, &b], 2).await;
    let Decision::Waiting { proposal } = proposed(&net, &a, &group, 1).await.unwrap() else {
        panic!("one vote of two decided")
    };
    assert_eq!(proposed(&net, &a, &group, 1).await.unwrap(), Decision::Waiting { proposal });
    let waiting = find_proposal(&net.client, proposal).await.unwrap().expect("an open proposal");
    assert_eq!((waiting.state, waiting.yes.as_str()), (ProposalState::Open, "1"));
    assert_eq!(waiting.group(), group.to_bech32(&params.prefix));
    // Too early: it stays open.
    let early = execute_proposal(&net.client, &a, proposal, params, &options).await.unwrap();
    assert_eq!(early, Decision::Waiting { proposal });
    // The other member proposes the same: that is its vote.
    assert!(matches!(
        proposed(&net, &b, &group, 1).await.unwrap(),
        Decision::Done { proposal: done, .. } if done == proposal
    ));
    assert_eq!(coins(&net, &group).await, COINS - 1);
    assert_eq!(find_proposal(&net.client, proposal).await.unwrap(), None);

    // The vote that would carry out what fails is not cast.
    let Decision::Waiting { proposal } = proposed(&net, &a, &group, COINS).await.unwrap() else {
        panic!("one vote of two decided")
    };
    let error = vote(&net.client, &b, proposal, Vote::Yes, params, &options).await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused { log, .. } if log.contains("insufficient")), "{error}");
    let still = find_proposal(&net.client, proposal).await.unwrap().expect("an open proposal");
    assert_eq!((still.state, still.yes.as_str()), (ProposalState::Open, "1"));
    vote(&net.client, &b, proposal, Vote::No, params, &options).await.unwrap();
    let rejected = find_proposal(&net.client, proposal).await.unwrap().expect("a rejected proposal");
    assert_eq!(rejected.state, ProposalState::Rejected);
}
