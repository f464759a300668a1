//! The `shape-reply` stage: edits, refusals, silence, and deferred answers.

use crate::lab::{Lab, config};
use bindery_engine::{
    Input,
    config::PluginId,
    event::DropReason,
    policy::{EditRefused, Hook, Policy, PolicyAnswer, ShapeReply, Stage, Token, Verdict},
};
use bindery_types::Now;
use bindery_wire::v4::{MessageType, OptionCode};
use std::{cell::RefCell, rc::Rc, time::Duration};

/// Sets option 43, tries what is forbidden, and answers as told.
struct Script {
    answer: Rc<RefCell<Answer>>,
    tokens: Rc<RefCell<Vec<Token>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Continue,
    Drop,
    Later,
}

impl Policy for Script {
    fn shape_reply(&mut self, now: Now, chain: &[PluginId], exchange: &mut ShapeReply<'_>) -> Hook {
        assert_eq!(chain, [PluginId(0)]);
        assert_eq!((exchange.group, exchange.interface), ("access", "eth1"));
        match *self.answer.borrow() {
            Answer::Continue => {
                exchange.set_option(OptionCode(43), b"hello").unwrap();
                exchange.remove_option(OptionCode::ROUTER).unwrap();
                for code in [50, 51, 53, 54, 58, 59, 61, 82] {
                    assert_eq!(exchange.set_option(OptionCode(code), b"x"), Err(EditRefused::Forbidden));
                }
                assert_eq!(exchange.set_option(OptionCode(108), &[0; 4]), Err(EditRefused::NotRequested));
                Hook::Done(Verdict::Continue)
            }
            Answer::Drop => Hook::Done(Verdict::Drop),
            Answer::Later => {
                self.tokens.borrow_mut().push(exchange.token);
                Hook::Pending { deadline: now.mono.plus(Duration::from_secs(2)) }
            }
        }
    }
}

type Shared<T> = Rc<RefCell<T>>;

fn lab(answer: Answer) -> (Lab, Shared<Answer>, Shared<Vec<Token>>) {
    let mut config = config();
    config.groups[0].chains.set(Stage::ShapeReply, vec![PluginId(0)]);
    let mut lab = Lab::new(config);
    let (answer, tokens) = (Rc::new(RefCell::new(answer)), Rc::new(RefCell::new(Vec::new())));
    lab.policy = Box::new(Script { answer: Rc::clone(&answer), tokens: Rc::clone(&tokens) });
    (lab, answer, tokens)
}

#[test]
fn edits_show_in_offer_and_ack() {
    let (mut lab, ..) = lab(Answer::Continue);
    let offer = lab.discover(1).unwrap();
    let ack = lab.select(1, offer.yiaddr()).unwrap();
    for reply in [offer, ack] {
        assert_eq!(reply.option(OptionCode(43)).unwrap(), b"hello");
        assert_eq!(reply.option(OptionCode::ROUTER), None);
    }
}

#[test]
fn a_drop_is_silence() {
    let (mut lab, answer, _) = lab(Answer::Continue);
    let offer = lab.discover(1).unwrap();
    *answer.borrow_mut() = Answer::Drop;
    assert!(lab.select(1, offer.yiaddr()).is_none());
    assert_eq!(lab.dropped(DropReason::Policy), 1);
    assert!(lab.disk.is_empty());
}

#[test]
fn a_deferred_answer_goes_on_where_it_stopped() {
    let (mut lab, answer, tokens) = lab(Answer::Continue);
    let offer = lab.discover(1).unwrap();
    *answer.borrow_mut() = Answer::Later;
    assert!(lab.select(1, offer.yiaddr()).is_none());
    assert!(lab.select(1, offer.yiaddr()).is_none(), "a duplicate meanwhile");
    assert_eq!(lab.dropped(DropReason::Duplicate), 1);
    let token = tokens.borrow()[0];
    let edits = vec![(OptionCode(43), Some(b"late".to_vec()))];
    lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits: edits.clone() }));
    let ack = lab.heard.pop().unwrap();
    assert_eq!((ack.message(), ack.option(OptionCode(43)).unwrap()), (MessageType::Ack, b"late".to_vec()));
    lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits }));
    assert_eq!(lab.engine.counters().late_policy_answers, 1);
}

#[test]
fn a_deadline_is_silence_and_the_next_request_is_served() {
    let (mut lab, answer, tokens) = lab(Answer::Later);
    assert!(lab.discover(1).is_none());
    lab.pass(3);
    assert_eq!(lab.dropped(DropReason::PolicyTimeout), 1);
    *answer.borrow_mut() = Answer::Continue;
    lab.lease(1);
    let token = tokens.borrow()[0];
    lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits: Vec::new() }));
    assert_eq!(lab.engine.counters().late_policy_answers, 1);
}

#[test]
fn a_forbidden_late_edit_is_silence() {
    let (mut lab, _, tokens) = lab(Answer::Later);
    lab.discover(1);
    let token = tokens.borrow()[0];
    let edits = vec![(OptionCode::SERVER_IDENTIFIER, None)];
    lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits }));
    assert!(lab.heard.is_empty());
    assert_eq!(lab.dropped(DropReason::Policy), 1);
}
