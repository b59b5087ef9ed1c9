"""The processed template (what SAM's transform made of template.yaml) and the resources it became."""

import json
import re
from functools import cached_property

from .settings import REGION, STACK_NAME, Settings


class Stack:
    """The deployed stack, and the template's values as CloudFormation would resolve them."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._cloudformation = settings.client("cloudformation")
        self.description = self._cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        self.account = self.description["StackId"].split(":")[4]

    @cached_property
    def template(self) -> dict:
        body = self._cloudformation.get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
        return json.loads(body) if isinstance(body, str) else body

    @cached_property
    def summaries(self) -> dict[str, dict]:
        """Logical id → what CloudFormation says about the resource."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
        return {s["LogicalResourceId"]: s for page in pages for s in page["StackResourceSummaries"]}

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in self.description.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str | list[str]]:
        declared = self.template.get("Parameters", {})
        given = {p["ParameterKey"]: p["ParameterValue"] for p in self.description.get("Parameters", [])}
        return {
            name: value.split(",") if declared[name]["Type"] == "CommaDelimitedList" else value
            for name, value in given.items()
        }

    def physical(self, logical: str) -> str:
        return self.summaries[logical]["PhysicalResourceId"]

    def wanted(self) -> dict[str, dict]:
        """Every resource whose condition holds."""
        return {
            name: resource for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }

    def of_type(self, kind: str) -> dict[str, dict]:
        """Logical id → resolved properties."""
        return {
            name: self.resolve(resource.get("Properties", {}))
            for name, resource in self.wanted().items() if resource["Type"] == kind
        }

    def resolve(self, value):
        """Intrinsic functions replaced by what they stand for. Knows those that our template uses."""
        if isinstance(value, list):
            resolved = (self.resolve(item) for item in value)
            return [item for item in resolved if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), = value.items()
            if function == "Ref":
                return self._reference(argument)
            if function == "Fn::GetAtt":
                logical, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._attribute(logical, attribute)
            if function == "Fn::Sub":
                return self._substitute(argument)
            if function == "Fn::Join":
                return argument[0].join(self.resolve(argument[1]))
            if function == "Fn::If":
                return self.resolve(argument[1] if self._holds(argument[0]) else argument[2])
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _holds(self, condition: str) -> bool:
        left, right = self.resolve(self.template["Conditions"][condition]["Fn::Equals"])
        return left == right

    def _reference(self, name: str):
        pseudo = {
            "AWS::AccountId": self.account, "AWS::Region": REGION, "AWS::Partition": "aws",
            "AWS::StackName": STACK_NAME, "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": _NO_VALUE,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self.physical(name)

    def _attribute(self, logical: str, attribute: str) -> str:
        physical, kind = self.physical(logical), self.template["Resources"][logical]["Type"]
        where = f"{REGION}:{self.account}"
        match kind, attribute:
            case "AWS::Lambda::Function", "Arn":
                return f"arn:aws:lambda:{where}:function:{physical}"
            case "AWS::S3::Bucket", "Arn":
                return f"arn:aws:s3:::{physical}"
            case "AWS::SQS::Queue", "Arn":
                return f"arn:aws:sqs:{where}:{physical.rsplit('/', 1)[1]}"
            case "AWS::IAM::Role", "Arn":
                return f"arn:aws:iam::{self.account}:role/{physical}"
            case "AWS::Logs::LogGroup", "Arn":
                return f"arn:aws:logs:{where}:log-group:{physical}:*"
            case "AWS::DynamoDB::Table", "Arn":
                return f"arn:aws:dynamodb:{where}:table/{physical}"
            case "AWS::DynamoDB::Table", "StreamArn":
                table = self.settings.client("dynamodb").describe_table(TableName=physical)["Table"]
                return table["LatestStreamArn"]
            case "AWS::Events::Rule", "Arn":
                return f"arn:aws:events:{where}:rule/{physical}"
            case "AWS::SecretsManager::Secret", "Id":
                return self.settings.client("secretsmanager").describe_secret(SecretId=physical)["ARN"]
            case "AWS::ApiGatewayV2::Api", "ApiId":
                return physical
        raise LookupError(f"attribute {attribute} of a {kind} is not known here: add it")

    def _substitute(self, argument: str | list) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def replace(match: re.Match) -> str:
            name = match[1]
            if name in own:
                return str(self.resolve(own[name]))
            return self._attribute(*name.split(".", 1)) if "." in name else str(self._reference(name))

        return re.sub(r"\$\{([^}!]+)\}", replace, text)


_NO_VALUE = object()
