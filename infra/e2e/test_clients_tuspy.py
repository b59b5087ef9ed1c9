"""tuspy 1.1.0 in Python: checksums, and resuming by the URL that its storage keeps."""

import hashlib

import pytest
from clients.fixtures import arrived, only_asset
from media import MIB
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed
from tusclient.storage.filestorage import FileStorage

CHUNK = 4 * MIB


@pytest.fixture
def uploader(alice, line, tmp_path, monkeypatch):
    """Makes an uploader of a file; keywords are its options."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    headers = {"Authorization": f"Bearer {alice.deployment.token(alice.owner)}"}

    def made(file, metadata=None, **options):
        client = TusClient(line.through(f"{alice.deployment.http}/files"), headers=headers)
        return client.uploader(
            str(file), metadata={"filename": file.name} if metadata is None else metadata, **options,
        )

    made.storage = FileStorage(str(tmp_path / "uploads.json"))
    return made


def test_chunks_with_checksums(uploader, alice, line, big_photo):
    with alice.live() as live:
        uploader(big_photo, chunk_size=CHUNK, upload_checksum=True).upload()
        arrived(live, big_photo)
    assert line.count("PATCH") == 3


def test_one_request_with_a_checksum(uploader, alice, line, photo):
    with alice.live() as live:
        uploader(photo, upload_checksum=True).upload()
        arrived(live, photo)
    assert (line.count("POST"), line.count("PATCH")) == (1, 1)


def test_a_checksum_that_doesnt_fit_is_told_as_such(uploader, photo):
    class Liar:
        """A sum of something else."""

        def __init__(self, content: bytes):
            self._made = hashlib.sha1(content + b"!", usedforsecurity=False)

        def digest(self) -> bytes:
            return self._made.digest()

    upload = uploader(photo, upload_checksum=True)
    upload._BaseUploader__checksum_algorithm = Liar
    with pytest.raises(TusUploadFailed) as refused:
        upload.upload()
    assert refused.value.status_code == 460
    assert upload.get_offset() == 0


def test_a_client_that_starts_again_goes_on_where_it_was(uploader, alice, line, big_photo):
    with alice.live() as live:
        first = uploader(big_photo, chunk_size=CHUNK, store_url=True, url_storage=uploader.storage)
        first.upload_chunk()
        line.cut("PATCH", after_bytes=MIB)
        with pytest.raises(TusUploadFailed):
            first.upload_chunk()
        again = uploader(big_photo, chunk_size=CHUNK, store_url=True, url_storage=uploader.storage)
        assert (again.url, again.offset) == (first.url, CHUNK)
        again.upload()
        arrived(live, big_photo)
    assert line.count("POST") == 1
    only_asset(alice)


def test_no_metadata_at_all(uploader, alice, photo):
    """It sends an empty header then."""
    with alice.live() as live:
        uploader(photo, metadata={}).upload()
        asset = live.until(lambda message: message["type"] == "asset")["asset"]
        done = live.follow(asset["asset_id"])[-1]["asset"]
    assert done["stage"] == "done"
    assert done["content_type"] == "image/jpeg"


def test_an_empty_file(uploader, alice, tmp_path):
    file = tmp_path / "leer.txt"
    file.write_bytes(b"")
    upload = uploader(file)
    upload.upload()
    assert upload.get_offset() == 0
