//! One request in, one answer out: which handler takes it, and whether it works here or beside the runtime.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiKey, ProduceRequest, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tokio::sync::Notify;

use super::shared::Shared;
use super::{admin, commits, configs, coordinator, fetch, list_offsets, metadata, produce, shape, versions};

/// Up to here a produce request is written where it is: a write into the page cache is faster than the hop to
/// another thread. Beyond it the hop is lost in the copying.
const WRITE_AT_ONCE: usize = 64 * 1024;

/// The client of a connection.
pub(super) struct Peer {
    /// Counts connections.
    pub number: u64,
    /// Where it reached us.
    pub reached: SocketAddr,
    /// Where it came from.
    pub from: SocketAddr,
    /// Told when a partition has data that its last fetch waited for.
    pub waiter: Arc<Notify>,
}

/// A request, its header read.
pub(super) struct Request {
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: StrBytes,
    pub body: Bytes,
}

/// Why a connection is closed by us.
#[derive(Debug, thiserror::Error)]
pub(super) enum Hangup {
    #[error("{0:?} version {1} is not answered here")]
    Unanswered(ApiKey, i16),
    #[error("{0:?} version {1} cannot be read: {2}")]
    Malformed(ApiKey, i16, String),
    #[error("{0:?} version {1} cannot be answered: {2}")]
    Unspeakable(ApiKey, i16, String),
    #[error("the broker is stopping")]
    Stopping,
}

impl Request {
    fn decode<T: Decodable>(&self) -> Result<T, Hangup> {
        let malformed = |why: String| Hangup::Malformed(self.key, self.version, why);
        shape::check(self.key, self.version, &self.body).map_err(|why| malformed(why.to_string()))?;
        let mut body = self.body.clone();
        T::decode(&mut body, self.version).map_err(|why| malformed(why.to_string()))
    }

    fn encode<T: Encodable>(&self, answer: &T) -> Result<Option<Bytes>, Hangup> {
        self.encode_as(answer, self.version).map(Some)
    }

    /// Length, header and body of an answer.
    fn encode_as<T: Encodable>(&self, answer: &T, version: i16) -> Result<Bytes, Hangup> {
        let unspeakable = |why: String| Hangup::Unspeakable(self.key, version, why);
        let size = answer.compute_size(version).map_err(|why| unspeakable(why.to_string()))?;
        let mut frame = BytesMut::with_capacity(size.saturating_add(16));
        frame.put_i32(0);
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        header
            .encode(&mut frame, self.key.response_header_version(version))
            .and_then(|()| answer.encode(&mut frame, version))
            .map_err(|why| unspeakable(why.to_string()))?;
        let length = i32::try_from(frame.len() - 4).map_err(|why| unspeakable(why.to_string()))?;
        if let Some(place) = frame.get_mut(..4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        Ok(frame.freeze())
    }
}

/// Answers a request; `None` where the client wants no answer.
pub(super) async fn answer(shared: &Arc<Shared>, peer: &Peer, request: Request) -> Result<Option<Bytes>, Hangup> {
    let (key, version) = (request.key, request.version);
    if !versions::answered(key, version) {
        if key == ApiKey::ApiVersions {
            // The client knows a newer version of this very question: told in the oldest, which all understand.
            let told = versions::tell(Some(ResponseError::UnsupportedVersion));
            return request.encode_as(&told, 0).map(Some);
        }
        return Err(Hangup::Unanswered(key, version));
    }
    match key {
        ApiKey::Produce => produce(shared, &request).await,
        ApiKey::Fetch => {
            let asked = request.decode()?;
            let answer = fetch::fetch(shared, &request.client_id, peer, asked).await;
            request.encode(&answer.ok_or(Hangup::Stopping)?)
        }
        ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::Heartbeat | ApiKey::LeaveGroup => {
            group(shared, peer, &request).await
        }
        ApiKey::ApiVersions => request.encode(&versions::tell(None)),
        ApiKey::Metadata => {
            let (asked, reached) = (request.decode()?, peer.reached);
            beside(shared, &request, move |shared| metadata::metadata(shared, reached, version, asked)).await
        }
        ApiKey::FindCoordinator => {
            request.encode(&metadata::find_coordinator(peer.reached, version, &request.decode()?))
        }
        ApiKey::DescribeCluster => request.encode(&metadata::describe_cluster(shared, peer.reached, request.decode()?)),
        ApiKey::ListGroups => request.encode(&coordinator::list(shared, version)),
        ApiKey::DescribeGroups => request.encode(&coordinator::describe(shared, version, request.decode()?)),
        ApiKey::DescribeConfigs => request.encode(&configs::describe(shared, version, request.decode()?)),
        ApiKey::OffsetFetch => request.encode(&commits::fetch(shared, version, request.decode()?)),
        ApiKey::OffsetForLeaderEpoch => request.encode(&list_offsets::epoch_ends(shared, request.decode()?)),
        _ => with_files(shared, &request).await,
    }
}

/// What changes files, or searches in them: beside the runtime.
async fn with_files(shared: &Arc<Shared>, request: &Request) -> Result<Option<Bytes>, Hangup> {
    let version = request.version;
    macro_rules! beside {
        (|$shared:ident, $asked:ident| $answer:expr) => {{
            let $asked = request.decode()?;
            beside(shared, request, move |$shared| $answer).await
        }};
    }
    match request.key {
        ApiKey::ListOffsets => beside!(|s, asked| list_offsets::list_offsets(s, version, asked)),
        ApiKey::OffsetCommit => beside!(|s, asked| commits::commit(s, asked)),
        ApiKey::CreateTopics => beside!(|s, asked| admin::create_topics(s, version, asked)),
        ApiKey::DeleteTopics => beside!(|s, asked| admin::delete_topics(s, version, asked)),
        ApiKey::CreatePartitions => beside!(|s, asked| admin::create_partitions(s, asked)),
        ApiKey::DeleteRecords => beside!(|s, asked| admin::delete_records(s, asked)),
        ApiKey::DeleteGroups => beside!(|s, asked| admin::delete_groups(s, asked)),
        ApiKey::InitProducerId => beside!(|s, asked| admin::init_producer_id(s, &asked)),
        key => Err(Hangup::Unanswered(key, version)),
    }
}

async fn beside<T, F>(shared: &Arc<Shared>, request: &Request, work: F) -> Result<Option<Bytes>, Hangup>
where
    T: Encodable + Send + 'static,
    F: FnOnce(&Shared) -> T + Send + 'static,
{
    let answer = shared.on_files(work).await.ok_or(Hangup::Stopping)?;
    request.encode(&answer)
}

async fn produce(shared: &Arc<Shared>, request: &Request) -> Result<Option<Bytes>, Hangup> {
    let asked: ProduceRequest = request.decode()?;
    let wanted = produce::wants_answer(&asked);
    let answer = if request.body.len() <= WRITE_AT_ONCE {
        produce::produce(shared, asked)
    } else {
        let work = move |shared: &Shared| produce::produce(shared, asked);
        shared.on_files(work).await.ok_or(Hangup::Stopping)?
    };
    if wanted { request.encode(&answer) } else { Ok(None) }
}

async fn group(shared: &Arc<Shared>, peer: &Peer, request: &Request) -> Result<Option<Bytes>, Hangup> {
    let (groups, version) = (&shared.groups, request.version);
    match request.key {
        ApiKey::JoinGroup => {
            let host = format!("/{}", peer.from.ip()); // with the slash that Java prints, as tools expect it
            let asked = request.decode()?;
            request.encode(&coordinator::join(groups, version, &request.client_id, host, asked).await)
        }
        ApiKey::SyncGroup => request.encode(&coordinator::sync(groups, version, request.decode()?).await),
        ApiKey::Heartbeat => request.encode(&coordinator::heartbeat(groups, &request.decode()?)),
        _ => request.encode(&coordinator::leave(groups, version, request.decode()?)),
    }
}
