"""The emulator creates an HTTP API but ignores its OpenAPI body: no routes, authorizers or CORS. This replays the
body through the API Gateway API. Idempotent: only differences are written."""

from .template import Stack

CORS_KEYS = {
    "allowOrigins": "AllowOrigins", "allowMethods": "AllowMethods", "allowHeaders": "AllowHeaders",
    "exposeHeaders": "ExposeHeaders", "maxAge": "MaxAge", "allowCredentials": "AllowCredentials",
}


def expected_cors(body: dict) -> dict:
    cors = {CORS_KEYS[key]: value for key, value in body.get("x-amazon-apigateway-cors", {}).items()}
    # API Gateway, unlike S3, compares origins whole: "any port of localhost" can only be said as "any".
    if any(origin.endswith(":*") for origin in cors.get("AllowOrigins", [])):
        cors["AllowOrigins"] = ["*"]
    return cors


def expected_authorizers(body: dict) -> dict[str, dict]:
    """Name → authorizer, as API Gateway makes it of the body's security schemes."""
    authorizers = {}
    for name, scheme in body.get("components", {}).get("securitySchemes", {}).items():
        declared = scheme["x-amazon-apigateway-authorizer"]
        source = declared["identitySource"]
        authorizers[name] = {
            "Name": name, "AuthorizerType": "REQUEST",
            "AuthorizerUri": declared["authorizerUri"],
            "AuthorizerPayloadFormatVersion": str(declared["authorizerPayloadFormatVersion"]),
            "EnableSimpleResponses": declared.get("enableSimpleResponses", False),
            "AuthorizerResultTtlInSeconds": declared.get("authorizerResultTtlInSeconds", 300),
            "IdentitySource": source if isinstance(source, list) else [source],
        }
    return authorizers


def expected_routes(body: dict) -> dict[str, dict]:
    """Route key → the integration's URI and the authorizer's name, if it has one."""
    routes: dict[str, dict] = {}
    for path, operations in body["paths"].items():
        for verb, operation in operations.items():
            required = [name for choice in operation.get("security", []) for name in choice]
            integration = operation["x-amazon-apigateway-integration"]
            route = {
                "uri": integration["uri"],
                "payload": str(integration.get("payloadFormatVersion", "2.0")),
                "authorizer": next((name for name in required if name != "NONE"), None),
            }
            method = "ANY" if verb == "x-amazon-apigateway-any-method" else verb.upper()
            routes[f"{method} {path}"] = route
            # There, a greedy variable takes at least one character, so that it misses a bare trailing slash; but a
            # route may end with one.
            if path.endswith("/{proxy+}"):
                routes[f"{method} {path.removesuffix('{proxy+}')}"] = route
    return routes


def bodies(stack: Stack) -> dict[str, dict]:
    """API id → resolved OpenAPI body, for each HTTP API of the stack."""
    return {
        stack.physical(name): properties["Body"]
        for name, properties in stack.of_type("AWS::ApiGatewayV2::Api").items() if "Body" in properties
    }


def existing(gateway, operation: str, api: str, key: str) -> dict[str, dict]:
    pages = gateway.get_paginator(operation).paginate(ApiId=api)
    return {item[key]: item for page in pages for item in page["Items"]}


def replay(stack: Stack) -> None:
    for api, body in bodies(stack).items():
        _Replay(stack.settings.client("apigatewayv2"), api).run(body)


class _Replay:
    def __init__(self, gateway, api: str):
        self.gateway = gateway
        self.api = api

    def run(self, body: dict) -> None:
        if cors := expected_cors(body):
            self.gateway.update_api(ApiId=self.api, CorsConfiguration=cors)
        authorizers = existing(self.gateway, "get_authorizers", self.api, "Name")
        integrations = existing(self.gateway, "get_integrations", self.api, "IntegrationUri")
        routes = existing(self.gateway, "get_routes", self.api, "RouteKey")

        authorizer_ids = {
            name: self._put("Authorizer", authorizers.pop(name, None), wanted)
            for name, wanted in expected_authorizers(body).items()
        }
        integration_ids: dict[str, str] = {}
        for key, route in expected_routes(body).items():
            uri = route["uri"]
            if uri not in integration_ids:
                integration_ids[uri] = self._put("Integration", integrations.pop(uri, None), {
                    "IntegrationType": "AWS_PROXY", "IntegrationUri": uri, "PayloadFormatVersion": route["payload"],
                })
            wanted = {"RouteKey": key, "Target": f"integrations/{integration_ids[uri]}", "AuthorizationType": "NONE"}
            if route["authorizer"]:
                wanted |= {"AuthorizationType": "CUSTOM", "AuthorizerId": authorizer_ids[route["authorizer"]]}
            self._put("Route", routes.pop(key, None), wanted)

        for kind, gone in (("Route", routes), ("Integration", integrations), ("Authorizer", authorizers)):
            for item in gone.values():
                getattr(self.gateway, f"delete_{kind.lower()}")(ApiId=self.api, **{f"{kind}Id": item[f"{kind}Id"]})

    def _put(self, kind: str, current: dict | None, wanted: dict) -> str:
        identifier = f"{kind}Id"
        if current is None:
            current = getattr(self.gateway, f"create_{kind.lower()}")(ApiId=self.api, **wanted)
        elif any(current.get(key) != value for key, value in wanted.items()):
            update = getattr(self.gateway, f"update_{kind.lower()}")
            update(ApiId=self.api, **{identifier: current[identifier]}, **wanted)
        return current[identifier]
