//! Mistakes that others have shipped, each put back into one rule, outside of what is deployed.

use rafttree_model::{Envelope, Index, Log, Members, Message, Position, Range, Rules, ServerId, ServerSet, Term};

/// Defines rules that break one rule of the paper.
macro_rules! ablation {
    ($(#[$about:meta])* $name:ident { $($rule:item)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;
        impl Rules for $name { $($rule)* }
    };
}

ablation! {
    /// Newer terms are seen, and not adopted.
    IgnoreNewerTerm { fn is_newer(_: Term, _: Term) -> bool { false } }
}
ablation! {
    /// What was said in an older term counts as if it were said now.
    AcceptStale { fn is_stale(_: Term, _: Term) -> bool { false } }
}
ablation! {
    /// A deposed leader goes on in the term that it just learned.
    LeadOnInNewerTerm { fn must_yield_to_newer_term() -> bool { false } }
}
ablation! {
    /// The term rises with every timeout.
    CampaignAtOnce { fn must_ask_first(_: bool) -> bool { false } }
}
ablation! {
    /// A server that hears its leader helps to replace it all the same.
    HelpDisturbers {
        fn is_disturbance(_: bool, _: Option<ServerId>, _: ServerId, _: bool) -> bool { false }
    }
}
ablation! {
    /// The vote of the term may be given again.
    VoteAgain { fn may_vote(_: Option<ServerId>, _: ServerId) -> bool { true } }
}
ablation! {
    /// Votes go to candidates whose logs lack entries.
    VoteForAnyLog { fn is_up_to_date(_: Position, _: Position) -> bool { true } }
}
ablation! {
    /// The index is compared before the term.
    CompareIndexFirst {
        fn is_up_to_date(candidate: Position, ours: Position) -> bool {
            (ours.index, ours.term) <= (candidate.index, candidate.term)
        }
    }
}
ablation! {
    /// Half of the members, rounded down, make a leader.
    HalfIsEnough {
        fn is_majority(members: &Members, supporters: &ServerSet) -> bool {
            members.ids().len() / 2 <= supporters.len()
        }
    }
}
ablation! {
    /// A leader that nobody answers leads on.
    LeadUnheard { fn must_step_down(_: &Members, _: &ServerSet) -> bool { false } }
}
ablation! {
    /// Entries are taken behind an entry of the right index, whatever its term.
    MatchIndexOnly {
        fn matches(log: &Log, previous: Position) -> bool { previous.index <= log.last().index }
    }
}
ablation! {
    /// Whatever follows the request's entries is removed.
    TruncateAlways {
        fn must_truncate(log: &Log, agreed: Index, _: Option<Position>) -> bool { agreed < log.last().index }
    }
}
ablation! {
    /// A follower acknowledges its whole log.
    AcknowledgeWholeLog { fn acknowledged(_: Index, last: Index) -> Index { last } }
}
ablation! {
    /// A follower commits what the leader has committed, compared or not.
    CommitUnverified { fn follower_commit(leader_commit: Index, _: Index) -> Index { leader_commit } }
}
ablation! {
    /// A new leader believes that everyone holds what it holds.
    AssumeMatched { fn matched_at_start(last: Position) -> Index { last.index } }
}
ablation! {
    /// One copy is enough.
    CountAnyCopy {
        fn replicated(members: &Members, matched: impl Fn(ServerId) -> Index) -> Index {
            members.ids().map(matched).max().unwrap_or_default()
        }
    }
}
ablation! {
    /// Figure 8 without its remedy: entries of earlier terms are committed by counting.
    CommitAnyTerm { fn may_commit(_: &Log, _: Index, _: Term) -> bool { true } }
}
ablation! {
    /// Votes, and requests for them, leave before they are durable.
    VoteBeforeFlush {
        fn may_leave_early(envelope: &Envelope<Range>) -> bool {
            let message = &envelope.message;
            matches!(message, Message::AppendRequest { .. } | Message::VoteRequest { .. } | Message::VoteReply { .. })
        }
    }
}
ablation! {
    /// A follower acknowledges entries before they are durable.
    AcknowledgeBeforeFlush {
        fn may_leave_early(envelope: &Envelope<Range>) -> bool {
            let other = envelope.from != envelope.to;
            let message = &envelope.message;
            matches!(message, Message::AppendRequest { .. }) || other && matches!(message, Message::AppendReply { .. })
        }
    }
}
ablation! {
    /// A leader counts its own copy before it is durable.
    CountUnsyncedOwn {
        fn may_leave_early(envelope: &Envelope<Range>) -> bool {
            let own = envelope.from == envelope.to;
            let message = &envelope.message;
            matches!(message, Message::AppendRequest { .. }) || own && matches!(message, Message::AppendReply { .. })
        }
    }
}
ablation! {
    /// Leadership is handed to a server that lacks entries.
    HandOverEarly { fn may_hand_over(_: Index, _: Index) -> bool { true } }
}
