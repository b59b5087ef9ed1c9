"""The emulator, bent where a browser would see something else than on AWS. Started by `emulator`, as a program."""

import sys

from ministack.app import main
from ministack.services import s3

_get_object = s3._get_object


def get_object(bucket_name: str, key: str, headers: dict, query_params: dict | None = None):
    """A link to one version of an object says how it is served (`response-content-disposition`, `-type`), and S3 serves
    it so. The emulator heeds that for the newest version only; without it a page with script would run here."""
    status, answered, body = _get_object(bucket_name, key, headers, query_params)
    if status == 200 and s3._qp(query_params or {}, "versionId", ""):
        s3._apply_response_overrides(answered, query_params)
    return status, answered, body


s3._get_object = get_object

if __name__ == "__main__":
    sys.exit(main())
