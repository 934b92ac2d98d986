//! Messages on the wire, and their way to and from the model's types.
//!
//! The structs here are protobuf messages: fields that a version does not know are skipped, so
//! versions can mix. Decoding is total: whatever bytes arrive, the answer is a value that keeps
//! the model's promises, or [`Malformed`].

use bytes::Bytes;
use rafttree_model::{Entry, Envelope, Index, Message, Payload, Position, Round, ServerId, Slice, Term};

use crate::core::frame::{Frame, Packet, ServiceFrame};
use crate::core::request::{MAX_COMMAND_BYTES, Outcome, ServiceMessage};

/// A frame that does not say what a server of this version could have said.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("a frame holds {0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// Terms and indices are counted up by one, so those at the end of their range are not taken in. What
/// a correct server could have said is for the model to judge.
const MAX_NUMBER: u64 = u64::MAX / 2;

/// A message between servers. Tags 4 and 5 were readings of clocks, up to protocol 3.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireFrame {
    #[prost(uint32, tag = "1")]
    from: u32,
    #[prost(uint32, tag = "2")]
    to: u32,
    #[prost(uint64, tag = "3")]
    term: u64,
    #[prost(oneof = "WireMessage", tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19")]
    message: Option<WireMessage>,
    #[prost(oneof = "WireService", tags = "40, 41, 42, 43")]
    service: Option<WireService>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireMessage {
    #[prost(message, tag = "10")]
    PreVoteRequest(WireVoteRequest),
    #[prost(message, tag = "11")]
    PreVoteReply(WireVoteReply),
    #[prost(message, tag = "12")]
    VoteRequest(WireVoteRequest),
    #[prost(message, tag = "13")]
    VoteReply(WireVoteReply),
    #[prost(message, tag = "14")]
    AppendRequest(WireAppendRequest),
    #[prost(message, tag = "15")]
    AppendReply(WireAppendReply),
    #[prost(message, tag = "16")]
    AppendRefusal(WireAppendRefusal),
    #[prost(message, tag = "17")]
    TimeoutNow(WireEmpty),
    #[prost(message, tag = "18")]
    Stale(WireEmpty),
    #[prost(message, tag = "19")]
    InstallSnapshot(WireInstallSnapshot),
}

/// What serves requests, instead of a message of the protocol.
#[derive(Clone, PartialEq, prost::Oneof)]
enum WireService {
    #[prost(message, tag = "40")]
    Propose(WirePropose),
    #[prost(message, tag = "41")]
    Proposed(WireProposed),
    #[prost(message, tag = "42")]
    AskReadIndex(WireAskReadIndex),
    #[prost(message, tag = "43")]
    ReadIndex(WireReadIndex),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WirePropose {
    #[prost(uint64, tag = "1")]
    request: u64,
    #[prost(bytes = "bytes", tag = "2")]
    command: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireProposed {
    #[prost(uint64, tag = "1")]
    request: u64,
    #[prost(oneof = "WireOutcome", tags = "2, 3, 4")]
    outcome: Option<WireOutcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireOutcome {
    #[prost(bytes = "bytes", tag = "2")]
    Answer(Bytes),
    #[prost(message, tag = "3")]
    NotCommitted(WireEmpty),
    #[prost(message, tag = "4")]
    Unknown(WireEmpty),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireAskReadIndex {
    #[prost(uint64, tag = "1")]
    request: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireReadIndex {
    #[prost(uint64, tag = "1")]
    request: u64,
    #[prost(uint64, optional, tag = "2")]
    index: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireEmpty {}

#[derive(Clone, PartialEq, prost::Message)]
struct WirePosition {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireVoteRequest {
    #[prost(message, optional, tag = "1")]
    last: Option<WirePosition>,
    #[prost(bool, tag = "2")]
    transfer: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireVoteReply {
    #[prost(bool, tag = "1")]
    granted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireAppendRequest {
    #[prost(message, optional, tag = "1")]
    previous: Option<WirePosition>,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<WireEntry>,
    #[prost(uint64, tag = "3")]
    commit: u64,
    #[prost(uint64, tag = "4")]
    round: u64,
}

/// An entry without its index: entries of a request follow each other.
#[derive(Clone, PartialEq, prost::Message)]
struct WireEntry {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(oneof = "WirePayload", tags = "2, 3")]
    payload: Option<WirePayload>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WirePayload {
    #[prost(message, tag = "2")]
    Blank(WireEmpty),
    #[prost(bytes = "bytes", tag = "3")]
    Command(Bytes),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireAppendReply {
    #[prost(uint64, tag = "1")]
    matched: u64,
    #[prost(uint64, tag = "2")]
    round: u64,
    /// Whether what follows can no longer be read, and is asked for again. A version that does not know
    /// this takes it for the acknowledgement that it is as well.
    #[prost(bool, tag = "3")]
    repair: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireAppendRefusal {
    #[prost(uint64, tag = "1")]
    missing: u64,
    #[prost(message, optional, tag = "2")]
    hint: Option<WirePosition>,
    #[prost(uint64, tag = "3")]
    round: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireInstallSnapshot {
    #[prost(message, optional, tag = "1")]
    last: Option<WirePosition>,
    #[prost(uint64, tag = "2")]
    round: u64,
}

impl From<Frame> for WireFrame {
    fn from(frame: Frame) -> WireFrame {
        let Envelope { from, to, term, message } = frame;
        let (term, message) = (term.number(), Some(message.into()));
        WireFrame { from: from.number(), to: to.number(), term, message, service: None }
    }
}

impl From<ServiceFrame> for WireFrame {
    fn from(ServiceFrame { from, to, message }: ServiceFrame) -> WireFrame {
        let service = Some(message.into());
        WireFrame { from: from.number(), to: to.number(), term: 0, message: None, service }
    }
}

impl From<Packet> for WireFrame {
    fn from(packet: Packet) -> WireFrame {
        match packet {
            Packet::Protocol(frame) => frame.into(),
            Packet::Service(frame) => frame.into(),
        }
    }
}

impl TryFrom<WireFrame> for Packet {
    type Error = Malformed;

    fn try_from(wire: WireFrame) -> Result<Packet, Malformed> {
        let (from, to) = (ServerId::new(wire.from), ServerId::new(wire.to));
        match wire.service {
            Some(service) => Ok(Packet::Service(ServiceFrame { from, to, message: service.try_into()? })),
            None => Frame::try_from(wire).map(Packet::Protocol),
        }
    }
}

impl TryFrom<WireFrame> for Frame {
    type Error = Malformed;

    fn try_from(wire: WireFrame) -> Result<Frame, Malformed> {
        let message = wire.message.ok_or(Malformed("no message that this version knows"))?;
        Ok(Envelope {
            from: ServerId::new(wire.from),
            to: ServerId::new(wire.to),
            term: Term::new(countable(wire.term)?),
            message: message.try_into()?,
        })
    }
}

impl From<Message<Slice<Bytes>>> for WireMessage {
    fn from(message: Message<Slice<Bytes>>) -> WireMessage {
        match message {
            Message::PreVoteRequest { last } => {
                WireMessage::PreVoteRequest(WireVoteRequest { last: Some(last.into()), transfer: false })
            }
            Message::PreVoteReply { granted } => WireMessage::PreVoteReply(WireVoteReply { granted }),
            Message::VoteRequest { last, transfer } => {
                WireMessage::VoteRequest(WireVoteRequest { last: Some(last.into()), transfer })
            }
            Message::VoteReply { granted } => WireMessage::VoteReply(WireVoteReply { granted }),
            Message::AppendRequest { entries, commit, round } => WireMessage::AppendRequest(WireAppendRequest {
                previous: Some(entries.previous().into()),
                entries: entries.into_entries().into_iter().map(WireEntry::from).collect(),
                commit: commit.number(),
                round: round.number(),
            }),
            Message::AppendReply { matched, round } => reply(matched, round, false),
            Message::RepairRequest { matched, round } => reply(matched, round, true),
            Message::AppendRefusal { missing, hint, round } => WireMessage::AppendRefusal(WireAppendRefusal {
                missing: missing.number(),
                hint: Some(hint.into()),
                round: round.number(),
            }),
            Message::InstallSnapshot { last, round } => {
                WireMessage::InstallSnapshot(WireInstallSnapshot { last: Some(last.into()), round: round.number() })
            }
            Message::TimeoutNow => WireMessage::TimeoutNow(WireEmpty {}),
            Message::Stale => WireMessage::Stale(WireEmpty {}),
        }
    }
}

fn reply(matched: Index, round: Round, repair: bool) -> WireMessage {
    WireMessage::AppendReply(WireAppendReply { matched: matched.number(), round: round.number(), repair })
}

impl TryFrom<WireMessage> for Message<Slice<Bytes>> {
    type Error = Malformed;

    fn try_from(wire: WireMessage) -> Result<Message<Slice<Bytes>>, Malformed> {
        Ok(match wire {
            WireMessage::PreVoteRequest(request) => Message::PreVoteRequest { last: position(request.last)? },
            WireMessage::PreVoteReply(reply) => Message::PreVoteReply { granted: reply.granted },
            WireMessage::VoteRequest(request) => {
                Message::VoteRequest { last: position(request.last)?, transfer: request.transfer }
            }
            WireMessage::VoteReply(reply) => Message::VoteReply { granted: reply.granted },
            WireMessage::AppendRequest(request) => Message::AppendRequest {
                entries: slice(position(request.previous)?, request.entries)?,
                commit: Index::new(countable(request.commit)?),
                round: Round::new(countable(request.round)?),
            },
            WireMessage::AppendReply(reply) => {
                let (matched, round) = (Index::new(countable(reply.matched)?), Round::new(countable(reply.round)?));
                if reply.repair {
                    Message::RepairRequest { matched, round }
                } else {
                    Message::AppendReply { matched, round }
                }
            }
            WireMessage::AppendRefusal(refusal) => Message::AppendRefusal {
                missing: Index::new(countable(refusal.missing)?),
                hint: position(refusal.hint)?,
                round: Round::new(countable(refusal.round)?),
            },
            WireMessage::InstallSnapshot(install) => {
                Message::InstallSnapshot { last: position(install.last)?, round: Round::new(countable(install.round)?) }
            }
            WireMessage::TimeoutNow(WireEmpty {}) => Message::TimeoutNow,
            WireMessage::Stale(WireEmpty {}) => Message::Stale,
        })
    }
}

impl From<ServiceMessage> for WireService {
    fn from(message: ServiceMessage) -> WireService {
        match message {
            ServiceMessage::Propose { request, command } => WireService::Propose(WirePropose { request, command }),
            ServiceMessage::Proposed { request, outcome } => {
                let outcome = Some(match outcome {
                    Outcome::Answer(answer) => WireOutcome::Answer(answer),
                    Outcome::NotCommitted => WireOutcome::NotCommitted(WireEmpty {}),
                    Outcome::Unknown => WireOutcome::Unknown(WireEmpty {}),
                });
                WireService::Proposed(WireProposed { request, outcome })
            }
            ServiceMessage::AskReadIndex { request } => WireService::AskReadIndex(WireAskReadIndex { request }),
            ServiceMessage::ReadIndex { request, index } => {
                WireService::ReadIndex(WireReadIndex { request, index: index.map(Index::number) })
            }
        }
    }
}

impl TryFrom<WireService> for ServiceMessage {
    type Error = Malformed;

    fn try_from(wire: WireService) -> Result<ServiceMessage, Malformed> {
        Ok(match wire {
            WireService::Propose(WirePropose { request, command }) => {
                if MAX_COMMAND_BYTES < command.len() {
                    return Err(Malformed("a command that is longer than any"));
                }
                ServiceMessage::Propose { request, command }
            }
            WireService::Proposed(WireProposed { request, outcome }) => {
                let outcome = match outcome {
                    Some(WireOutcome::Answer(answer)) => Outcome::Answer(answer),
                    Some(WireOutcome::NotCommitted(WireEmpty {})) => Outcome::NotCommitted,
                    // What a later version may say beyond these is no answer here.
                    Some(WireOutcome::Unknown(WireEmpty {})) | None => Outcome::Unknown,
                };
                ServiceMessage::Proposed { request, outcome }
            }
            WireService::AskReadIndex(WireAskReadIndex { request }) => ServiceMessage::AskReadIndex { request },
            WireService::ReadIndex(WireReadIndex { request, index }) => {
                let index = index.map(countable).transpose()?.map(Index::new);
                ServiceMessage::ReadIndex { request, index }
            }
        })
    }
}

impl From<Position> for WirePosition {
    fn from(position: Position) -> WirePosition {
        WirePosition { term: position.term.number(), index: position.index.number() }
    }
}

impl From<Entry<Bytes>> for WireEntry {
    fn from(entry: Entry<Bytes>) -> WireEntry {
        let payload = match entry.payload {
            Payload::Blank => WirePayload::Blank(WireEmpty {}),
            Payload::Command(command) => WirePayload::Command(command),
        };
        WireEntry { term: entry.position.term.number(), payload: Some(payload) }
    }
}

fn countable(number: u64) -> Result<u64, Malformed> {
    if number <= MAX_NUMBER { Ok(number) } else { Err(Malformed("a term, an index or a round out of range")) }
}

fn position(wire: Option<WirePosition>) -> Result<Position, Malformed> {
    let WirePosition { term, index } = wire.ok_or(Malformed("no position where one belongs"))?;
    Ok(Position { term: Term::new(countable(term)?), index: Index::new(countable(index)?) })
}

fn slice(previous: Position, entries: Vec<WireEntry>) -> Result<Slice<Bytes>, Malformed> {
    let mut before = previous.index;
    let entries = entries.into_iter().map(|entry| {
        before = before.next();
        self::entry(before, entry)
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    Slice::new(previous, entries).ok_or(Malformed("entries whose terms fall"))
}

fn entry(index: Index, wire: WireEntry) -> Result<Entry<Bytes>, Malformed> {
    let payload = match wire.payload.ok_or(Malformed("an entry of a kind that this version does not know"))? {
        WirePayload::Blank(WireEmpty {}) => Payload::Blank,
        WirePayload::Command(command) => Payload::Command(command),
    };
    let position = Position { term: Term::new(countable(wire.term)?), index: Index::new(countable(index.number())?) };
    Ok(Entry { position, payload })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn positions() -> impl Strategy<Value = Position> {
        (0..=MAX_NUMBER, 0..=MAX_NUMBER)
            .prop_map(|(term, index)| Position { term: Term::new(term), index: Index::new(index) })
    }

    fn payloads() -> impl Strategy<Value = Payload<Bytes>> {
        let commands = proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Payload::Command(bytes.into()));
        prop_oneof![Just(Payload::Blank), commands]
    }

    fn slices() -> impl Strategy<Value = Slice<Bytes>> {
        let steps = proptest::collection::vec((0_u64..3, payloads()), 0..6);
        (0_u64..1 << 40, 0_u64..1 << 40, steps).prop_map(|(term, index, steps)| {
            let previous = Position { term: Term::new(term), index: Index::new(index) };
            let mut last = previous;
            let entries = steps.into_iter().map(|(rise, payload)| {
                last = Position { term: Term::new(last.term.number() + rise), index: last.index.next() };
                Entry { position: last, payload }
            });
            Slice::new(previous, entries.collect()).unwrap()
        })
    }

    fn messages() -> impl Strategy<Value = Message<Slice<Bytes>>> {
        let index = || (0..=MAX_NUMBER).prop_map(Index::new);
        let round = || (0..=MAX_NUMBER).prop_map(Round::new);
        prop_oneof![
            positions().prop_map(|last| Message::PreVoteRequest { last }),
            any::<bool>().prop_map(|granted| Message::PreVoteReply { granted }),
            (positions(), any::<bool>()).prop_map(|(last, transfer)| Message::VoteRequest { last, transfer }),
            any::<bool>().prop_map(|granted| Message::VoteReply { granted }),
            (slices(), index(), round()).prop_map(|(entries, commit, round)| Message::AppendRequest {
                entries,
                commit,
                round
            }),
            (index(), round()).prop_map(|(matched, round)| Message::AppendReply { matched, round }),
            (index(), round()).prop_map(|(matched, round)| Message::RepairRequest { matched, round }),
            (index(), positions(), round()).prop_map(|(missing, hint, round)| Message::AppendRefusal {
                missing,
                hint,
                round
            }),
            (positions(), round()).prop_map(|(last, round)| Message::InstallSnapshot { last, round }),
            Just(Message::TimeoutNow),
            Just(Message::Stale),
        ]
    }

    fn frames() -> impl Strategy<Value = Frame> {
        (any::<u32>(), any::<u32>(), 0..=MAX_NUMBER, messages()).prop_map(|(from, to, term, message)| Envelope {
            from: ServerId::new(from),
            to: ServerId::new(to),
            term: Term::new(term),
            message,
        })
    }

    fn services() -> impl Strategy<Value = ServiceFrame> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let outcome =
            prop_oneof![bytes().prop_map(Outcome::Answer), Just(Outcome::NotCommitted), Just(Outcome::Unknown)];
        let message = prop_oneof![
            (any::<u64>(), bytes()).prop_map(|(request, command)| ServiceMessage::Propose { request, command }),
            (any::<u64>(), outcome).prop_map(|(request, outcome)| ServiceMessage::Proposed { request, outcome }),
            any::<u64>().prop_map(|request| ServiceMessage::AskReadIndex { request }),
            (any::<u64>(), proptest::option::of((0..=MAX_NUMBER).prop_map(Index::new)))
                .prop_map(|(request, index)| ServiceMessage::ReadIndex { request, index }),
        ];
        (any::<u32>(), any::<u32>(), message).prop_map(|(from, to, message)| ServiceFrame {
            from: ServerId::new(from),
            to: ServerId::new(to),
            message,
        })
    }

    fn packets() -> impl Strategy<Value = Packet> {
        prop_oneof![frames().prop_map(Packet::Protocol), services().prop_map(Packet::Service)]
    }

    fn decode_packet(bytes: &[u8]) -> Result<Packet, Malformed> {
        WireFrame::decode(bytes).map_err(|_| Malformed("no protobuf"))?.try_into()
    }

    fn decode(bytes: &[u8]) -> Result<Frame, Malformed> {
        WireFrame::decode(bytes).map_err(|_| Malformed("no protobuf"))?.try_into()
    }

    fn append(previous: Position, entries: Vec<WireEntry>) -> WireFrame {
        let request = WireAppendRequest { previous: Some(previous.into()), entries, commit: 0, round: 1 };
        WireFrame { from: 1, to: 2, message: Some(WireMessage::AppendRequest(request)), ..WireFrame::default() }
    }

    fn blank(term: u64) -> WireEntry {
        WireEntry { term, payload: Some(WirePayload::Blank(WireEmpty {})) }
    }

    proptest! {
        #[test]
        fn every_packet_arrives_as_it_was_sent(packet in packets()) {
            let bytes = WireFrame::from(packet.clone()).encode_to_vec();
            prop_assert_eq!(decode_packet(&bytes), Ok(packet));
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_packet(&bytes);
        }

        #[test]
        fn a_damaged_frame_is_a_frame_or_an_error(frame in packets(), at in any::<usize>(), bits in 1_u8..) {
            let mut bytes = WireFrame::from(frame).encode_to_vec();
            let at = at % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
            let _ = decode_packet(&bytes);
        }
    }

    #[test]
    fn entries_whose_terms_fall_are_malformed() {
        let wire = append(Position { term: Term::new(2), index: Index::new(7) }, vec![blank(3), blank(2)]);
        assert_eq!(Frame::try_from(wire), Err(Malformed("entries whose terms fall")));
    }

    #[test]
    fn numbers_that_cannot_be_counted_up_are_malformed() {
        let out_of_range = Err(Malformed("a term, an index or a round out of range"));
        let last = Position { term: Term::new(1), index: Index::new(MAX_NUMBER) };
        assert_eq!(Frame::try_from(append(last, vec![blank(1)])), out_of_range);
        let beyond = Position { term: Term::new(1), index: Index::new(u64::MAX) };
        assert_eq!(Frame::try_from(append(beyond, vec![blank(1)])), out_of_range);
        assert_eq!(Frame::try_from(WireFrame { term: u64::MAX, ..append(last, vec![]) }), out_of_range);
    }

    #[test]
    fn what_is_missing_is_malformed() {
        assert!(Frame::try_from(WireFrame::default()).is_err());
        let request = WireMessage::PreVoteRequest(WireVoteRequest::default());
        assert!(Frame::try_from(WireFrame { message: Some(request), ..WireFrame::default() }).is_err());
        let unknown_kind = append(Position::default(), vec![WireEntry { term: 1, payload: None }]);
        assert!(Frame::try_from(unknown_kind).is_err());
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let (from, to, term) = (ServerId::new(1), ServerId::new(2), Term::new(3));
        let frame = Envelope { from, to, term, message: Message::Stale };
        let mut bytes = WireFrame::from(frame.clone()).encode_to_vec();
        prost::encoding::string::encode(99, &"later".to_owned(), &mut bytes);
        assert_eq!(decode(&bytes), Ok(frame));
    }
}
