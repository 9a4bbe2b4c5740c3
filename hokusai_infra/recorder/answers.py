"""Stand-ins for what AWS answers, enough for a program to go on."""

from collections.abc import Callable
from typing import Any, Final

from hokusai_infra.recorder.graph import Answers, Resource

ARNS: Final = {
    "aws:accessanalyzer/analyzer:Analyzer": (
        "access-analyzer:{region}:{account}:analyzer/{physical}"
    ),
    "aws:acm/certificate:Certificate": "acm:{region}:{account}:certificate/{physical}",
    "aws:autoscaling/group:Group": (
        "autoscaling:{region}:{account}:autoScalingGroup:0123:autoScalingGroupName/{physical}"
    ),
    "aws:cloudtrail/trail:Trail": "cloudtrail:{region}:{account}:trail/{physical}",
    "aws:cloudwatch/eventRule:EventRule": "events:{region}:{account}:rule/{physical}",
    "aws:cloudwatch/logGroup:LogGroup": "logs:{region}:{account}:log-group:{physical}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:{region}:{account}:alarm:{physical}",
    "aws:ec2/launchTemplate:LaunchTemplate": "ec2:{region}:{account}:launch-template/{physical}",
    "aws:ecr/repository:Repository": "ecr:{region}:{account}:repository/{physical}",
    "aws:ecs/cluster:Cluster": "ecs:{region}:{account}:cluster/{physical}",
    "aws:ecs/service:Service": "ecs:{region}:{account}:service/{physical}",
    "aws:ecs/taskDefinition:TaskDefinition": "ecs:{region}:{account}:task-definition/{physical}:1",
    "aws:guardduty/detector:Detector": "guardduty:{region}:{account}:detector/{physical}",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": (
        "iam::{account}:oidc-provider/token.actions.githubusercontent.com"
    ),
    "aws:iam/policy:Policy": "iam::{account}:policy/{physical}",
    "aws:iam/role:Role": "iam::{account}:role/{physical}",
    "aws:iam/serviceLinkedRole:ServiceLinkedRole": (
        "iam::{account}:role/aws-service-role/{physical}"
    ),
    "aws:kms/key:Key": "kms:{region}:{account}:key/{physical}",
    "aws:lb/listener:Listener": "elasticloadbalancing:{region}:{account}:listener/app/{physical}",
    "aws:lb/listenerRule:ListenerRule": (
        "elasticloadbalancing:{region}:{account}:listener-rule/app/{physical}"
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        "elasticloadbalancing:{region}:{account}:loadbalancer/app/{physical}/0123456789abcdef"
    ),
    "aws:lb/targetGroup:TargetGroup": (
        "elasticloadbalancing:{region}:{account}:targetgroup/{physical}/0123456789abcdef"
    ),
    "aws:rds/instance:Instance": "rds:{region}:{account}:db:{physical}",
    "aws:s3/bucket:Bucket": "s3:::{physical}",
    "aws:scheduler/schedule:Schedule": "scheduler:{region}:{account}:schedule/default/{physical}",
    "aws:secretsmanager/secret:Secret": (
        "secretsmanager:{region}:{account}:secret:{physical}-AbCdEf"
    ),
    "aws:securityhub/account:Account": "securityhub:{region}:{account}:hub/default",
    "aws:servicediscovery/service:Service": (
        "servicediscovery:{region}:{account}:service/srv-{physical}"
    ),
    "aws:sns/topic:Topic": "sns:{region}:{account}:{physical}",
    "aws:wafv2/webAcl:WebAcl": "wafv2:{region}:{account}:regional/webacl/{physical}/0123",
}
"""Types that have an ARN the program may read, with its form after ``arn:aws:``."""

NAME: Final = {
    "aws:ecs/taskDefinition:TaskDefinition": "family",
    "aws:rds/instance:Instance": "identifier",
    "aws:s3/bucket:Bucket": "bucket",
}
"""What some types call their physical name; the others call it ``name``."""

WITHOUT_ARN: Final = frozenset(
    {
        "aws:acm/certificateValidation:CertificateValidation",
        "aws:appautoscaling/policy:Policy",
        "aws:appautoscaling/scheduledAction:ScheduledAction",
        "aws:appautoscaling/target:Target",
        "aws:cfg/deliveryChannel:DeliveryChannel",
        "aws:cfg/recorder:Recorder",
        "aws:cfg/recorderStatus:RecorderStatus",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:ebs/encryptionByDefault:EncryptionByDefault",
        "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess",
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:ec2/eip:Eip",
        "aws:ec2/flowLog:FlowLog",
        "aws:ec2/imageBlockPublicAccess:ImageBlockPublicAccess",
        "aws:ec2/instanceMetadataDefaults:InstanceMetadataDefaults",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/networkInterface:NetworkInterface",
        "aws:ec2/route:Route",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:guardduty/detectorFeature:DetectorFeature",
        "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:kms/alias:Alias",
        "aws:rds/parameterGroup:ParameterGroup",
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:route53/record:Record",
        "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketLogging:BucketLogging",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:securityhub/standardsSubscription:StandardsSubscription",
        "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:wafv2/webAclAssociation:WebAclAssociation",
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
    }
)
"""Types whose inputs and id say all that a program reads of them."""


def _proofs(resource: Resource, _: str) -> dict[str, Any]:
    """Answer as ACM does, whose record for a wildcard is that of the domain itself.

    docs.aws.amazon.com/acm/latest/userguide/dns-validation.html.
    """
    domains = [resource.inputs["domainName"], *resource.inputs.get("subjectAlternativeNames", [])]
    options = [
        {
            "domainName": domain,
            "resourceRecordName": f"_proof.{domain.removeprefix('*.')}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_{resource.name}.acm-validations.aws.",
        }
        for domain in domains
    ]
    return {"domainValidationOptions": options}


def _database(resource: Resource, arn: str) -> dict[str, Any]:
    _, _, _, region, account, *_ = arn.split(":")
    host = f"{arn.rpartition(':')[2]}.abcdefghijkl.{region}.rds.amazonaws.com"
    secret = f"arn:aws:secretsmanager:{region}:{account}:secret:rds!db-{resource.name}-AbCdEf"
    return {
        "address": host,
        "port": 5432,
        "endpoint": f"{host}:5432",
        "resourceId": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "masterUserSecrets": [
            {
                "secretArn": secret,
                "secretStatus": "active",
                "kmsKeyId": resource.inputs.get("masterUserSecretKmsKeyId", "aws/secretsmanager"),
            }
        ],
    }


FURTHER: Final[dict[str, Callable[[Resource, str], dict[str, Any]]]] = {
    "aws:acm/certificate:Certificate": _proofs,
    "aws:ec2/launchTemplate:LaunchTemplate": lambda *_: {"latestVersion": 1, "defaultVersion": 1},
    "aws:ec2/vpcEndpoint:VpcEndpoint": lambda each, _: {"prefixListId": f"pl-{each.name}"},
    "aws:iam/policy:Policy": lambda each, arn: {
        "arn": arn.replace(":policy/", ":policy" + each.inputs.get("path", "/"))
    },
    "aws:iam/role:Role": lambda each, arn: {
        "arn": arn.replace(":role/", ":role" + each.inputs.get("path", "/"))
    },
    "aws:ecr/repository:Repository": lambda each, arn: {
        "registryId": arn.split(":")[4],
        "repositoryUrl": f"{arn.split(':')[4]}.dkr.ecr.{arn.split(':')[3]}.amazonaws.com/"
        f"{each.inputs['name']}",
    },
    "aws:kms/key:Key": lambda each, _: {"keyId": each.name},
    "aws:lb/loadBalancer:LoadBalancer": lambda each, arn: {
        "arnSuffix": arn.partition(":loadbalancer/")[2],
        "dnsName": f"{each.name}-1234.elb.amazonaws.com",
        "zoneId": "Z35SXDOTRQ7X7K",
    },
    "aws:lb/targetGroup:TargetGroup": lambda _, arn: {"arnSuffix": arn.rpartition(":")[2]},
    "aws:rds/instance:Instance": _database,
    "aws:route53/record:Record": lambda each, _: {"fqdn": each.inputs["name"]},
}
"""What some types answer besides, made of the resource and its ARN."""


def answers_for(account_id: str, region: str, *, any_type: bool = False) -> Answers:
    """Answer as if the account were this one; the ids and ARNs are made of the names.

    With ``any_type``, a type that nobody has described gets an id alone: in a preview its other
    outputs stay unknown. Without, it is an error.
    """

    def answers(resource: Resource) -> tuple[str, dict[str, Any]]:
        type_, inputs = resource.type, resource.inputs
        if type_ not in ARNS and type_ not in WITHOUT_ARN:
            if any_type:
                return f"{resource.name}-id", {}
            raise ValueError(
                f"nothing answers for {type_} ({resource.urn}): "
                f"add it to ARNS or WITHOUT_ARN in {__name__}"
            )
        key = NAME.get(type_, "name")
        physical = str(inputs.get(key, resource.name))
        outputs: dict[str, Any] = {key: physical}
        arn = ""
        if pattern := ARNS.get(type_):
            arn = "arn:aws:" + pattern.format(physical=physical, account=account_id, region=region)
            outputs["arn"] = arn
        further = FURTHER[type_](resource, arn) if type_ in FURTHER else {}
        return f"{resource.name}-id", outputs | further

    return answers


default_answers: Final = answers_for("111122223333", "us-east-1")
"""Answers for a test that does not care about the account."""
