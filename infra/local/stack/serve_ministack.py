"""The emulator, bent where a browser would see something else than on AWS, or a client after a restart. Started by
`emulator`, as a program."""

import copy
import sys

from ministack.app import main
from ministack.services import apigateway, s3, sts

_get_object = s3._get_object
_s3_state, _restore_s3 = s3.get_state, s3.load_persisted_state
_execute = apigateway._handle_execute_in_scope


def get_object(bucket_name: str, key: str, headers: dict, query_params: dict | None = None):
    """A link to one version of an object says how it is served (`response-content-disposition`, `-type`), and S3 serves
    it so. The emulator heeds that for the newest version only; without it a page with script would run here."""
    status, answered, body = _get_object(bucket_name, key, headers, query_params)
    if status == 200 and s3._qp(query_params or {}, "versionId", ""):
        s3._apply_response_overrides(answered, query_params)
    return status, answered, body


def s3_state() -> dict:
    """What S3 saves when it stops. The emulator forgets the multipart uploads that are under way, and their parts."""
    return _s3_state() | {"multipart_uploads": copy.deepcopy(s3._multipart_uploads)}


def restore_s3(state: dict) -> None:
    _restore_s3(state)
    uploads = state.get("multipart_uploads")
    for key, upload in uploads._data.items() if uploads else ():
        # JSON made texts of the parts' numbers.
        upload["parts"] = {int(number): part for number, part in upload["parts"].items()}
        s3._multipart_uploads._data[key] = upload


def sts_state() -> dict:
    """What STS saves. The emulator forgets the functions' sessions, and refuses what they signed before it stopped."""
    return {"sessions": dict(sts._sessions)}


def restore_sts(state: dict) -> None:
    sts._sessions.update(state.get("sessions", {}))


async def execute(
    api_id: str, stage: str, path: str, method: str, headers: dict, body: bytes, query_params: dict, account: str,
    region: str, raw_query_string: str | None = None,
):
    """An OPTIONS request that a route takes goes to that route's function, as on AWS, and its answer gets the API's CORS
    headers; only where no route takes it does the API answer by itself, as the emulator always does. tus asks by
    OPTIONS what a server can."""
    names = {name.lower(): value for name, value in headers.items()}
    route = apigateway._match_route(api_id, method, path) if method == "OPTIONS" else None
    if route is None or (route.get("authorizationType") or "NONE") != "NONE":
        status, answered, content = await _execute(
            api_id, stage, path, method, headers, body, query_params, account, region, raw_query_string
        )
        # the API's own refusals too (no token, a bad one, no route) have the CORS headers on AWS, or no page could read them
        # (https://github.com/aws/aws-sam-cli/issues/9087)
        if all(name.lower() != "access-control-allow-origin" for name in answered):
            answered |= _cors_headers(api_id, names)
        return status, answered, content
    integration = apigateway._integrations[api_id][route["target"].rsplit("/", 1)[-1]]
    route_path = route["routeKey"].partition(" ")[2]
    status, answered, content = await apigateway._invoke_lambda_proxy(
        integration, api_id, stage, path, method, names, body, query_params, route["routeKey"],
        apigateway._extract_path_params(route_path, path) or None,
        owner_account_id=account, owner_region=region, raw_query_string=raw_query_string,
    )
    return status, answered | _cors_headers(api_id, names), content


def _cors_headers(api_id: str, names: dict) -> dict:
    cors = apigateway._apis[api_id].get("corsConfiguration")
    if not cors or "origin" not in names:
        return {}
    _, preflight, _ = apigateway._cors_preflight_response(cors, names["origin"])
    return {name: value for name, value in preflight.items() if name.startswith("Access-Control-")}


s3._get_object = get_object
s3.get_state, s3.load_persisted_state = s3_state, restore_s3
sts.get_state, sts.load_persisted_state = sts_state, restore_sts
apigateway._handle_execute_in_scope = execute

if __name__ == "__main__":
    sys.exit(main())
