//! Blobs: the files that objects' bytes are in, `DIR/objects/BLOB`.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use nix::sys::statvfs::statvfs;
use s3s::S3Result;
use s3s::dto::StreamingBlob;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufWriter, Take};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tombolo_api::error::CommonError;
use tombolo_domain::error_chain;
use tombolo_domain::id::{BlobId, IdSource};
use tombolo_domain::object::Blob;
use tombolo_store::typed::Transaction;
use tombolo_store::{Store, StoreError, keys};

use crate::checksums::ExpectedChecksums;
use crate::error::{ObjectError, disk, refuse};

/// How long a client may send nothing of a body before the request fails.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The buffer's size for reading and writing files, in bytes.
const BUFFER_SIZE: usize = 256 << 10;

/// How many bytes of a body are received between two checks of the disk's free space.
const DISK_CHECK_INTERVAL: u64 = 64 << 20;

/// The files in a directory of their own.
#[derive(Clone)]
pub struct Blobs {
    directory: Arc<Path>,
    reserve: fn(u64) -> u64,
    remove: fn(&Path) -> io::Result<()>,
    ids: Arc<dyn IdSource>,
}

/// The free space that objects leave to everything else on the same disk, above all the database,
/// of `total` bytes: 1 GiB, or a twentieth of a small one.
fn reserve(total: u64) -> u64 {
    (total / 20).min(1 << 30)
}

/// Why the files that no record names were not removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The records could not be read.
    #[error("reading which objects there are")]
    Store(#[from] StoreError),
    /// The directory could not be read, or a file not removed.
    #[error("looking for what is left in {directory}")]
    Disk {
        /// The blobs' directory.
        directory: PathBuf,
        /// The system call's error.
        source: io::Error,
    },
}

impl Blobs {
    /// The blobs of a directory, made for its owner alone if it is not there.
    pub fn open(directory: &Path, ids: Arc<dyn IdSource>) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        Ok(Blobs {
            directory: directory.into(),
            reserve,
            remove: |path| fs::remove_file(path),
            ids,
        })
    }

    /// Removes the files that no record names: what was being received when a previous run was
    /// killed. Only while nothing is being received. How many there were.
    pub async fn sweep(&self, store: &Arc<dyn Store>) -> Result<usize, SweepError> {
        let mut tx = Transaction::new(store.clone());
        let mut needed: BTreeSet<BlobId> = BTreeSet::new();
        for object in tx.peek(&keys::all_objects()).await? {
            needed.extend(object.blobs.into_iter().map(|blob| blob.id));
        }
        for part in tx.peek(&keys::all_parts()).await? {
            needed.insert(part.blob.id);
        }
        self.remove_all_but(&needed)
            .map_err(|source| SweepError::Disk {
                directory: self.directory.to_path_buf(),
                source,
            })
    }

    fn remove_all_but(&self, needed: &BTreeSet<BlobId>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            if id.is_some_and(|id| !needed.contains(&id)) {
                fs::remove_file(self.directory.join(name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Writes what `body` sends into a new blob, flushed to the disk, with at most `max_size`
    /// bytes.
    pub(crate) async fn receive(
        &self,
        body: StreamingBlob,
        max_size: u64,
        expected: ExpectedChecksums,
    ) -> S3Result<Received> {
        self.check_free_space().await?;
        let id = BlobId::generate(&*self.ids);
        let path = self.path(&id);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await
            .map_err(|error| disk("making a file for an object", error))?;
        // From here on, dropping this value removes the file.
        let mut received = Received {
            blob: Blob { id, size: 0 },
            md5: String::new(),
            path,
            is_kept: false,
            remove: self.remove,
        };
        match self
            .fill(&mut received, file, body, max_size, expected)
            .await
        {
            Ok(()) => Ok(received),
            Err(error) => {
                // Nothing of it is left when the client is answered so.
                received.discard().await;
                Err(error)
            }
        }
    }

    /// Writes what `body` sends into the file of a blob.
    async fn fill(
        &self,
        received: &mut Received,
        file: File,
        mut body: StreamingBlob,
        max_size: u64,
        expected: ExpectedChecksums,
    ) -> S3Result<()> {
        let mut hasher = expected.hasher();
        let mut file = BufWriter::with_capacity(BUFFER_SIZE, file);
        let mut checked_at = 0;
        while let Some(bytes) = next_bytes(&mut body).await? {
            received.blob.size += bytes.len() as u64;
            if received.blob.size - checked_at >= DISK_CHECK_INTERVAL {
                checked_at = received.blob.size;
                self.check_free_space().await?;
            }
            if received.blob.size > max_size {
                return Err(refuse(
                    ObjectError::EntityTooLarge,
                    format!(
                        "Your proposed upload exceeds the maximum allowed size of {max_size} bytes."
                    ),
                ));
            }
            hasher.update(&bytes);
            let written = file.write_all(&bytes).await;
            written.map_err(|error| disk("writing an object", error))?;
        }
        received.md5 = expected.verify(hasher)?;
        self.flush(file)
            .await
            .map_err(|error| disk("flushing an object to the disk", error))
    }

    /// Refuses when less than the reserve is free.
    async fn check_free_space(&self) -> S3Result<()> {
        let (directory, reserve) = (self.directory.clone(), self.reserve);
        // A disk that hangs keeps no other request waiting.
        let looked = spawn_blocking(move || {
            let space = statvfs(&*directory)?;
            let block = space.fragment_size() as u64;
            let total = (space.blocks() as u64).saturating_mul(block);
            let free = (space.blocks_available() as u64).saturating_mul(block);
            Ok((total, free, reserve(total)))
        });
        let looked = looked
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let (total, free, reserve) =
            looked.map_err(|error| disk("asking for the free space", error))?;
        if free >= reserve {
            return Ok(());
        }
        let full = io::Error::new(
            io::ErrorKind::StorageFull,
            format!("{free} bytes of {total} are free, which are left to the database"),
        );
        Err(disk("receiving an object", full))
    }

    async fn flush(&self, mut file: BufWriter<File>) -> io::Result<()> {
        file.flush().await?;
        file.get_ref().sync_all().await?;
        File::open(&self.directory).await?.sync_all().await
    }

    /// The bytes `from` to `to` (not included) of the blobs in sequence. Each file is opened only
    /// when it is read, so that an object of ten thousand parts takes one descriptor. If the object
    /// is deleted meanwhile, the body ends with an error.
    pub(crate) fn read(
        &self,
        blobs: &[Blob],
        from: u64,
        to: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        let mut ranges = Vec::new();
        let mut start = 0;
        for Blob { id, size } in blobs {
            let (first, last) = (from.max(start), to.min(start + size));
            if first < last {
                ranges.push(FileRange {
                    path: self.path(id),
                    from: first - start,
                    length: last - first,
                });
            }
            start += size;
        }
        futures::stream::iter(ranges)
            .then(FileRange::open)
            .map_ok(|file| {
                futures::stream::try_unfold(file, |mut file| async move {
                    if file.limit() == 0 {
                        return Ok(None);
                    }
                    let mut bytes = Vec::with_capacity(BUFFER_SIZE);
                    if file.read_buf(&mut bytes).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    Ok(Some((Bytes::from(bytes), file)))
                })
            })
            .try_flatten()
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.directory.join(id.as_str())
    }
}

/// The bytes to be read of one file.
struct FileRange {
    path: PathBuf,
    from: u64,
    length: u64,
}

impl FileRange {
    async fn open(self) -> io::Result<Take<File>> {
        let mut file = File::open(self.path).await?;
        file.seek(io::SeekFrom::Start(self.from)).await?;
        Ok(file.take(self.length))
    }
}

/// The next bytes of a body, or its end.
async fn next_bytes(body: &mut StreamingBlob) -> S3Result<Option<Bytes>> {
    match timeout(BODY_IDLE_TIMEOUT, body.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        Ok(Some(Err(error))) => Err(body_error(&*error)),
        Err(_) => Err(refuse(
            ObjectError::RequestTimeout,
            format!(
                "Nothing more of the body came for {} seconds; nothing of it was kept.",
                BODY_IDLE_TIMEOUT.as_secs()
            ),
        )),
    }
}

/// What the errors of `s3s` say when the signature of a chunk, or the hash of a body that is not in chunks,
/// is wrong. Their types are private to it; `tests/error_matrix.rs` verifies the texts against it.
const WRONG_CHUNK: &str = "AwsChunkedStreamError: SignatureMismatch";
const WRONG_BODY: &str = "UploadStreamError: Sha256Mismatch";

/// The error of a body that could not be read to its end.
fn body_error(error: &(dyn Error + 'static)) -> s3s::S3Error {
    match &*error.to_string() {
        WRONG_CHUNK => refuse(
            CommonError::SignatureMismatch,
            "The body is not the one that was signed; nothing of it was kept.",
        ),
        WRONG_BODY => refuse(
            ObjectError::ContentSha256Mismatch,
            "The provided 'x-amz-content-sha256' header does not match what was computed; nothing of \
             the body was kept.",
        ),
        _ => refuse(
            ObjectError::IncompleteBody,
            format!(
                "The body could not be read to its end: {}; nothing of it was kept.",
                error_chain(error)
            ),
        ),
    }
}

/// A blob that was received. Dropping this removes the file soon, unless it was kept.
#[derive(Debug)]
pub(crate) struct Received {
    /// The blob.
    pub(crate) blob: Blob,
    /// The MD5 of its bytes, in hexadecimal.
    pub(crate) md5: String,
    path: PathBuf,
    is_kept: bool,
    remove: fn(&Path) -> io::Result<()>,
}

impl Received {
    /// Keeps the file from now on: a record is about to name it. If that record never comes, the
    /// next start removes it.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes the file after all: it is certain that no record names it.
    pub(crate) async fn discard(mut self) {
        let removal = self.removal();
        // A panic in there was logged by its thread.
        let _ = spawn_blocking(removal).await;
    }

    /// What removes the file, in place of dropping this.
    fn removal(&mut self) -> impl FnOnce() + Send + use<> {
        self.is_kept = true;
        let (path, remove) = (std::mem::take(&mut self.path), self.remove);
        move || {
            if let Err(error) = remove(&path) {
                tracing::warn!(%error, path = %path.display(), "could not remove the file of an object");
            }
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let removal = self.removal();
        // Freeing the blocks of 5 GiB takes a file system a while, and this is dropped on a thread that
        // answers requests. Should the server be stopping, the next start removes what is left.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(removal)),
            Err(_) => removal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use tombolo_domain::testing::SeededIds;

    use super::*;

    fn blobs(directory: &Path) -> Blobs {
        Blobs::open(directory, Arc::new(SeededIds::new(1))).unwrap()
    }

    fn body(bytes: Vec<u8>) -> StreamingBlob {
        StreamingBlob::from(s3s::Body::from(bytes))
    }

    async fn kept(blobs: &Blobs, bytes: Vec<u8>) -> Blob {
        let received = blobs
            .receive(body(bytes), 1000, ExpectedChecksums::default())
            .await;
        let mut received = received.unwrap();
        received.keep();
        received.blob.clone()
    }

    /// How many files of a directory this process has open.
    fn open_in(directory: &Path) -> usize {
        let links = fs::read_dir("/proc/self/fd").unwrap();
        let links = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        links.filter(|to| to.starts_with(directory)).count()
    }

    #[tokio::test]
    async fn an_object_of_many_parts_is_read_with_one_file_open_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = blobs(directory.path());
        let mut parts = Vec::new();
        for n in 0..50 {
            parts.push(kept(&blobs, vec![n; 10]).await);
        }
        let mut read = std::pin::pin!(blobs.read(&parts, 5, 495));
        let mut all = Vec::new();
        while let Some(bytes) = read.next().await {
            all.extend(bytes.unwrap());
            assert!(open_in(directory.path()) <= 1);
        }
        let whole: Vec<u8> = (0..50).flat_map(|n| [n; 10]).collect();
        assert_eq!(all, whole[5..495]);
    }

    #[tokio::test]
    async fn nothing_is_received_on_a_disk_that_is_nearly_full() {
        let directory = tempfile::tempdir().unwrap();
        let full = Blobs {
            reserve: |total| total + 1,
            ..blobs(directory.path())
        };
        let received = full
            .receive(body(vec![1]), 1000, ExpectedChecksums::default())
            .await;
        let refusal = received.unwrap_err();
        assert_eq!(refusal.code().as_str(), "InsufficientStorage");
        assert_eq!(refusal.status_code().map(|code| code.as_u16()), Some(507));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_connection_that_breaks_is_no_wrong_signature_whatever_its_error_says() {
        let broken = io::Error::other("the peer sent a bad signature");
        assert_eq!(body_error(&broken).code().as_str(), "IncompleteBody");
    }

    /// Whether the thread that runs a test's requests is this one: `#[tokio::test]` has one.
    fn is_of_requests() -> bool {
        std::thread::current().name() != Some("tokio-rt-worker")
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_only_who_receives() {
        static GO_ON: Barrier = Barrier::new(2);
        let directory = tempfile::tempdir().unwrap();
        let hanging = Blobs {
            reserve: |_| {
                assert!(!is_of_requests(), "another request could not be answered");
                GO_ON.wait();
                0
            },
            ..blobs(directory.path())
        };
        let receiving = tokio::spawn(async move { kept(&hanging, vec![1]).await });
        // This is another request, and on the same thread.
        tokio::task::yield_now().await;
        spawn_blocking(|| GO_ON.wait()).await.unwrap();
        assert_eq!(receiving.await.unwrap().size, 1);
    }

    #[tokio::test]
    async fn a_file_that_takes_long_to_be_removed_holds_up_nobody() {
        static REMOVED: Barrier = Barrier::new(2);
        let directory = tempfile::tempdir().unwrap();
        let hanging = Blobs {
            remove: |path| {
                assert!(!is_of_requests(), "another request could not be answered");
                REMOVED.wait();
                fs::remove_file(path)?;
                REMOVED.wait();
                Ok(())
            },
            ..blobs(directory.path())
        };
        let files = || fs::read_dir(directory.path()).unwrap().count();
        let expected = ExpectedChecksums::default;
        let received = async || {
            hanging
                .receive(body(vec![1]), 1000, expected())
                .await
                .unwrap()
        };
        let go_on = async || {
            for _ in 0..2 {
                spawn_blocking(|| REMOVED.wait()).await.unwrap();
            }
            assert_eq!(files(), 0);
        };
        // The client has gone away.
        drop(received().await);
        assert_eq!(files(), 1);
        go_on().await;
        // It is refused, and answered when nothing is left.
        let refusing = tokio::spawn(received().await.discard());
        // This is another request, and on the same thread.
        tokio::task::yield_now().await;
        assert_eq!(files(), 1);
        assert!(!refusing.is_finished());
        go_on().await;
        refusing.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_left_of_an_object_when_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let received = blobs(directory.path())
            .receive(body(vec![1; 10]), 9, ExpectedChecksums::default())
            .await;
        assert_eq!(received.unwrap_err().code().as_str(), "EntityTooLarge");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_reserve_is_a_twentieth_of_a_small_disk_and_a_gibibyte_of_a_large_one() {
        assert_eq!(reserve(0), 0);
        assert_eq!(reserve(10 << 30), (10 << 30) / 20);
        assert_eq!(reserve(20 << 30), 1 << 30);
        assert_eq!(reserve(u64::MAX), 1 << 30);
    }

    #[tokio::test]
    async fn a_part_that_is_gone_when_its_turn_comes_breaks_the_body() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = blobs(directory.path());
        let parts = [
            kept(&blobs, vec![1; 10]).await,
            kept(&blobs, vec![2; 10]).await,
        ];
        let mut read = std::pin::pin!(blobs.read(&parts, 0, 20));
        assert_eq!(read.next().await.unwrap().unwrap(), vec![1; 10]);
        fs::remove_file(blobs.path(&parts[1].id)).unwrap();
        let error = read.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
