"""Which properties cannot be changed in place: the provider makes a new resource instead.

Those that the AWS provider's schemas mark ``ForceNew``: ``internal/service`` of
github.com/hashicorp/terraform-provider-aws. A property is named as on the wire; what is below it
counts as the whole.
"""

from collections.abc import Iterable
from typing import Final

from hokusai_infra import stateful

EVERY: Final = frozenset({"*"})
"""Each property: what is made is never changed, as a revision of a task definition."""

REPLACED_BY: Final[dict[str, frozenset[str]]] = {
    **stateful.REPLACED_BY,
    "aws:acm/certificate:Certificate": frozenset(
        {"domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm"}
    ),
    "aws:acm/certificateValidation:CertificateValidation": EVERY,
    "aws:appautoscaling/policy:Policy": frozenset(
        {"name", "resourceId", "scalableDimension", "serviceNamespace"}
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": frozenset(
        {"name", "resourceId", "scalableDimension", "serviceNamespace"}
    ),
    "aws:appautoscaling/target:Target": frozenset(
        {"resourceId", "scalableDimension", "serviceNamespace"}
    ),
    "aws:autoscaling/group:Group": frozenset({"name", "namePrefix"}),
    "aws:cloudtrail/trail:Trail": frozenset({"name"}),
    "aws:cloudwatch/eventRule:EventRule": frozenset({"name", "eventBusName"}),
    "aws:cloudwatch/metricAlarm:MetricAlarm": frozenset({"name"}),
    "aws:ec2/flowLog:FlowLog": EVERY,
    "aws:ec2/launchTemplate:LaunchTemplate": frozenset({"name", "namePrefix"}),
    "aws:ec2/natGateway:NatGateway": frozenset({"allocationId", "subnetId", "connectivityType"}),
    "aws:ec2/networkInterface:NetworkInterface": frozenset({"subnetId"}),
    "aws:ec2/route:Route": frozenset({"routeTableId", "destinationCidrBlock"}),
    "aws:ec2/routeTable:RouteTable": frozenset({"vpcId"}),
    "aws:ec2/securityGroup:SecurityGroup": frozenset(
        {"name", "namePrefix", "description", "vpcId"}
    ),
    "aws:ec2/subnet:Subnet": frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
    "aws:ec2/vpc:Vpc": frozenset({"cidrBlock"}),
    "aws:ec2/vpcEndpoint:VpcEndpoint": frozenset({"vpcId", "serviceName", "vpcEndpointType"}),
    "aws:ecs/cluster:Cluster": frozenset({"name"}),
    "aws:ecs/service:Service": frozenset(
        {"name", "cluster", "launchType", "schedulingStrategy", "iamRole"}
    ),
    "aws:ecs/taskDefinition:TaskDefinition": EVERY,
    "aws:iam/policy:Policy": frozenset({"name", "path", "description"}),
    "aws:iam/role:Role": frozenset({"name", "namePrefix", "path"}),
    "aws:iam/rolePolicy:RolePolicy": frozenset({"name", "namePrefix", "role"}),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": EVERY,
    "aws:kms/alias:Alias": frozenset({"name", "namePrefix"}),
    "aws:lb/listener:Listener": frozenset({"loadBalancerArn"}),
    "aws:lb/listenerRule:ListenerRule": frozenset({"listenerArn"}),
    "aws:lb/loadBalancer:LoadBalancer": frozenset(
        {"name", "namePrefix", "internal", "loadBalancerType"}
    ),
    "aws:lb/targetGroup:TargetGroup": frozenset(
        {"name", "namePrefix", "port", "protocol", "protocolVersion", "targetType", "vpcId"}
    ),
    "aws:rds/parameterGroup:ParameterGroup": frozenset(
        {"name", "namePrefix", "family", "description"}
    ),
    "aws:rds/subnetGroup:SubnetGroup": frozenset({"name", "namePrefix"}),
    "aws:route53/record:Record": frozenset({"zoneId", "setIdentifier"}),
    "aws:scheduler/schedule:Schedule": frozenset({"name", "namePrefix", "groupName"}),
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": frozenset({"name", "vpc"}),
    "aws:servicediscovery/service:Service": frozenset({"name", "namespaceId"}),
    "aws:sns/topic:Topic": frozenset({"name", "namePrefix", "fifoTopic"}),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": frozenset({"securityGroupId"}),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": frozenset({"securityGroupId"}),
    "aws:wafv2/webAcl:WebAcl": frozenset({"name", "namePrefix", "scope"}),
    "aws:wafv2/webAclAssociation:WebAclAssociation": EVERY,
    "aws:cloudwatch/eventTarget:EventTarget": frozenset({"rule", "eventBusName", "targetId"}),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": frozenset({"vpcId"}),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": frozenset({"subnetId", "gatewayId"}),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": frozenset({"repository"}),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": frozenset({"repository"}),
    "aws:guardduty/detectorFeature:DetectorFeature": frozenset({"detectorId", "name"}),
    "aws:sns/topicPolicy:TopicPolicy": frozenset({"arn"}),
    "aws:sns/topicSubscription:TopicSubscription": frozenset({"topicArn", "protocol", "endpoint"}),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": frozenset({"resourceArn"}),
}

_BUCKET_SETTINGS: Final = "aws:s3/bucket"
_TAGS: Final = frozenset({"tags", "tagsAll"})


def replacing(type_: str, changed: Iterable[str]) -> list[str]:
    """Return those of the changed properties that make the provider replace a resource."""
    table = REPLACED_BY.get(type_)
    if table is None:
        # A setting of a bucket has no identity but its bucket's.
        table = frozenset({"bucket"}) if type_.startswith(_BUCKET_SETTINGS) else frozenset()
    return sorted(each for each in changed if each in table or ("*" in table and each not in _TAGS))
