//! The scanner of SQL and the reader of directives: never a panic, places lie in the text, what is sent has its length.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schemagate::migrations::script::{Judgement, excerpt, judge, judge_drizzle, nth_statement, place_of, position_of};

fuzz_target!(|text: &str| {
    for judgement in [judge(text), judge_drizzle(text)] {
        check(text, &judgement);
    }
    let place = position_of(text, text.len() / 2);
    assert_eq!(place_of(text, place.byte).line, place.line);
    let _ = (excerpt(text, place.byte), nth_statement(text, 2));
});

fn check(text: &str, judgement: &Judgement) {
    for refusal in &judgement.refusals {
        assert!(text.get(refusal.range.clone()).is_some(), "{refusal:?}");
        assert!(!refusal.rule.message().is_empty() && !refusal.rule.hint().is_empty());
    }
    for lone in &judgement.lone {
        assert_eq!(text.get(lone.range.clone()), Some(lone.text.as_str()));
        assert!(lone.sent.start <= lone.range.start && lone.range.end <= lone.sent.end, "{lone:?}");
        assert!(text.get(lone.sent.clone()).is_some(), "{lone:?}");
    }
    assert_eq!(judgement.sent(text).len(), text.len());
}
