"""A look behind the curtain: what the state table, the buckets and the queues hold."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from deployment import Deployment

USAGE = ("open_uploads", "stored_bytes")


class Books:
    """The state table as it was read once, and the buckets as they are."""

    def __init__(self, deployment: Deployment):
        self._deployment = deployment

    # Usage

    @cached_property
    def kept(self) -> dict[str, dict[str, int]]:
        """By owner, the sums that are kept beside the assets."""
        return {
            item["pk"].removeprefix("U#"): {name: int(item.get(name, 0)) for name in USAGE}
            for item in self._items if item["sk"] == "U"
        }

    @cached_property
    def counted(self) -> dict[str, dict[str, int]]:
        """By owner, the same worked out from the assets: `Asset::usage` in shared/core, once more."""
        sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(USAGE, 0))
        for item in self._items:
            if item["sk"] == "A":
                for name, more in zip(USAGE, _usage(item), strict=True):
                    sums[item["owner"]][name] += more
        return sums

    # What lies at S3

    def unrecorded_uploads(self) -> tuple[list[str], list[str]]:
        """Multipart uploads that no record names: those that hold parts, and those that hold none. The latter are of a
        function that died between S3's answer and its record; nobody was told their id, and nothing can come by them."""
        holding, empty = [], []
        for bucket in (self._deployment.originals, self._deployment.staging):
            for key, upload_id in self._uploads(bucket):
                if upload_id not in self._named:
                    parts = self._deployment.s3.list_parts(Bucket=bucket, Key=key, UploadId=upload_id).get("Parts")
                    (holding if parts else empty).append(f"{bucket}: upload of {key}")
        return holding, empty

    def unrecorded_pieces(self) -> list[str]:
        """Objects of the staging bucket of uploads by tus that there is no record of."""
        return [
            f"{self._deployment.staging}: {key}" for key in self._keys(self._deployment.staging)
            if key not in self._named and f"F#{key.split('/')[0]}" not in self._uploads_by_tus
        ]

    def forgotten_pieces(self) -> list[str]:
        """Objects of the staging bucket that their upload's record doesn't name: the bucket's lifecycle takes them."""
        return [
            key for key in self._keys(self._deployment.staging)
            if key not in self._named and key.rpartition("-")[2] not in self._named
        ]

    def unrecorded_objects(self) -> list[str]:
        """Versions of originals that no record names."""
        pages = self._deployment.s3.get_paginator("list_object_versions").paginate(Bucket=self._deployment.originals)
        return [
            f"{self._deployment.originals}: {version['Key']}, {version['Size']} bytes"
            for page in pages for version in page.get("Versions", []) if version["VersionId"] not in self._named
        ]

    def _uploads(self, bucket: str) -> Iterator[tuple[str, str]]:
        for page in self._deployment.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            yield from ((upload["Key"], upload["UploadId"]) for upload in page.get("Uploads", []))

    def _keys(self, bucket: str) -> Iterator[str]:
        for page in self._deployment.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            yield from (entry["Key"] for entry in page.get("Contents", []))

    # The table

    @cached_property
    def _items(self) -> list[dict]:
        items, options = [], {"ConsistentRead": True}
        while True:
            page = self._deployment.table.scan(**options)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            options["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    @cached_property
    def _named(self) -> set[str]:
        """Every text in every record: keys, versions, uploads, writers."""
        return set(_texts(self._items))

    @cached_property
    def _uploads_by_tus(self) -> set[str]:
        return {item["pk"] for item in self._items if item["sk"] == "F"}


def _usage(asset: dict) -> tuple[int, int]:
    update = asset.get("update")
    if update:
        expected = update["grant"] if update["stage"] == "uploading" else None
    else:
        expected = asset.get("grant") if asset["stage"] == "uploading" else None
    if expected and expected.get("idle"):
        expected = None
    granted = int(expected["size"]["max"]) if expected and expected["size"]["min"] == expected["size"]["max"] else 0
    own = asset.get("object") if not asset.get("duplicate_of") else None
    waiting = update.get("object") if update else None
    return int(expected is not None), granted + sum(int(kept["size"]) for kept in (own, waiting) if kept)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
